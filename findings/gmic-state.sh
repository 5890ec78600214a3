#!/bin/sh
# G'MIC's random numbers and variables are not the interpreter's: one filter changes what the next one makes.
#
# One would guess: gmic.Gmic() gives a fresh interpreter, and a run starts from the same state each time.
# What happens:    the random state is the process's.  Making an interpreter sets it by the clock; a filter that seeds itself
#                  (fx_sketchbw does, with its parameter "Random seed", 0 if left out) leaves that state to whatever runs next,
#                  in any interpreter; and a variable of one run is there in the interpreter's next, with or without a leading _.
# Versions:        gmic 3.6.3.post1 (PyPI), Python 3.11, Linux x86-64.  Date: 2026-11-29.
# Source:          G'MIC's standard library, fx_sketchbw: "skip ${16=0}" and "srand $16".
# Remedy:          an interpreter for each picture, and srand at the beginning of every command.
# Output seen:
#   two new interpreters, first random number: differ
#   after fx_sketchbw in one interpreter, first random number in another: the same each time
#   a variable set in one run, seen in the next: 3
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q gmic==3.6.3.post1 numpy==2.3.5
"$work/venv/bin/python" - <<'PYTHON'
import gmic


def first(interpreter):
    return float(interpreter.run("1,1,1,1,u")[0].to_numpy().ravel()[0])


def after_sketch():
    one, other = gmic.Gmic(), gmic.Gmic()
    one.run("64,64,1,3,u*255 fx_sketchbw 3,45,180,30,1.75,0.02,0.5,0.75,0.1,0.7,3,6,0,1,4")
    return first(other)


fresh = first(gmic.Gmic()) == first(gmic.Gmic())
print("two new interpreters, first random number:", "the same" if fresh else "differ")
leaks = after_sketch() == after_sketch()
print("after fx_sketchbw in one interpreter, first random number in another:", "the same each time" if leaks else "differ")
interpreter = gmic.Gmic()
interpreter.run("x=3")
kept = interpreter.run("1,1,1,1,0$x")[0].to_numpy().ravel()[0]
print(f"a variable set in one run, seen in the next: {kept:.0f}")
assert not fresh and leaks and kept == 3, "this has changed"
PYTHON
