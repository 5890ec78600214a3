#!/usr/bin/env bash
# OpenVINO: two programs of one thread each compute on the same core, while the other cores are idle.
#
# Guess:    two processes that each ask for one inference thread use two cores, if the machine has them: the system
#           places threads where there is room.
# Happens:  while it computes, a thread is pinned, and each process counts the cores from the first one on. So both
#           threads share core 0, by default and with the hint for low latency. The setting
#           ENABLE_CPU_PINNING = False leaves the threads to the system.
# Versions: openvino 2026.4.1, numpy 2.3.5, Python 3.11, Linux x86-64 with 2 or more cores
# Date:     2026-11-30
# Source:   https://docs.openvino.ai/2025/openvino-workflow/running-inference/inference-devices-and-modes/cpu-device/performance-hint-and-thread-scheduling.html
#           https://intel.com/content/www/us/en/support/articles/000058227.html (of 2021's version)
# Output (cores that the first and the second of two programs' threads may use during inference):
#   default     first [0]     second [0]
#   LATENCY     first [0]     second [0]
#   no pinning  first [0, 1]  second [0, 1]
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q openvino==2026.4.1 numpy==2.3.5
cat > "$work/program.py" <<'PY'
"""Compute for a second on one thread of OpenVINO, and print the narrowest set of cores that a thread had meanwhile."""

import os
import sys
import threading
import time

import numpy as np
import openvino
from openvino import opset15 as ops

SETTINGS = {
    "default": {},
    "LATENCY": {"PERFORMANCE_HINT": "LATENCY"},
    "no pinning": {"ENABLE_CPU_PINNING": False},
}

picture = ops.parameter([1, 32, 256, 256], np.float32)
weight = ops.constant(np.ones((32, 32, 3, 3), np.float32))
model = openvino.Model([ops.convolution(picture, weight, [1, 1], [1, 1], [1, 1], [1, 1])], [picture])
settings = {"INFERENCE_NUM_THREADS": 1, **SETTINGS[sys.argv[1]]}
request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()

seen, until = [], time.monotonic() + 1


def look():
    while time.monotonic() < until:
        for thread in os.listdir("/proc/self/task"):
            try:
                seen.append(tuple(sorted(os.sched_getaffinity(int(thread)))))
            except ProcessLookupError:
                pass
        time.sleep(0.001)


watcher = threading.Thread(target=look)
watcher.start()
while time.monotonic() < until:
    request.infer([np.zeros((1, 32, 256, 256), np.float32)])
watcher.join()
print(list(min(seen, key=len)))
PY
cat > "$work/two.py" <<'PY'
import os
import subprocess
import sys

assert len(os.sched_getaffinity(0)) > 1, "this takes two cores"
cores = {}
for way in ("default", "LATENCY", "no pinning"):
    command = [sys.executable, sys.argv[1], way]
    programs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    cores[way] = [program.communicate()[0].strip() for program in programs]
    assert all(program.returncode == 0 for program in programs)
    print(f"{way:10}  first {cores[way][0]:6}  second {cores[way][1]}")
for way in ("default", "LATENCY"):
    assert cores[way][0] == cores[way][1] and "," not in cores[way][0], "two programs no longer share one core"
assert all("," in free for free in cores["no pinning"]), "threads are pinned, although that is turned off"
PY
"$work/venv/bin/python" "$work/two.py" "$work/program.py"
