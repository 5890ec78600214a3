#!/bin/sh
# The picture of G'MIC's "Smooth [NL-Means]" depends on how many processors the machine has.
#
# One would guess: "Parallel processing: Auto" chooses how fast a filter is, not what it makes.
# What happens:    fx_smooth_nlmeans cuts the picture into $_cpus parts and smooths each by itself, so two machines make two
#                  pictures of one photo, far apart; filters built on it (cl_comic, cl_lineart) differ still more.
# Versions:        gmic 3.6.3.post1 (PyPI), Python 3.11, Linux x86-64.  Date: 2026-11-29.
# Source:          G'MIC's standard library, apply_parallel_overlap: N:=$3?max(1,round($3)):$_cpus
# Remedy:          begin the command with _cpus=1.
# Output seen:
#   largest difference between 1 and 4 processors: 30 of 255
#   and with _cpus=1 on both: 0
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q gmic==3.6.3.post1 numpy==2.3.5
"$work/venv/bin/python" - <<'PYTHON'
import gmic
import numpy as np

photo = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).repeat(10, 0).repeat(10, 1).astype(np.uint8)


def picture(before):
    command = f"{before} srand 0 fx_smooth_nlmeans 4,4,10,5,0,0,24,0"
    return gmic.Gmic().run(command, gmic.ImageList([gmic.Image.from_yxc(photo)]))[0].to_numpy()


apart = np.abs(picture("_cpus=1") - picture("_cpus=4")).max()
same = np.abs(picture("_cpus=1") - picture("_cpus=4 _cpus=1")).max()
print(f"largest difference between 1 and 4 processors: {apart:.0f} of 255")
print(f"and with _cpus=1 on both: {same:.0f}")
assert apart > 1 and same == 0, "this has changed"
PYTHON
