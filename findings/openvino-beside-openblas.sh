#!/usr/bin/env bash
# OpenVINO after NumPy: a tiny matrix product before each inference makes the inference itself about twice as slow.
#
# Guess:    what a program computes between two inferences costs its own time, here half a millisecond, and no more.
# Happens:  the threads of OpenBLAS, which NumPy's wheels bring, go on spinning for a while after a matrix product, in
#           case another one follows. The inference that starts meanwhile has to share the cores with them. The same
#           numbers added up without a matrix product, or with OpenBLAS held to one thread, leave it as fast as alone.
#           The effect is largest where there are few cores; with one core there is none, and this script says so.
# Versions: openvino 2026.4.1, numpy 2.4.6, threadpoolctl 3.7.0, Python 3.11, Linux, two cores
# Date:     2026-12-01
# Source:   https://github.com/OpenMathLib/OpenBLAS (THREAD_TIMEOUT in Makefile.rule), https://docs.openvino.ai
# Output (times vary):
#   inference alone: 18.0 ms
#   after three scaled rows added up: 18.0 ms, 1.00 x
#   after the same as a matrix product: 32.1 ms, 1.78 x
#   after the product on one thread: 18.0 ms, 1.00 x
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q openvino==2026.4.1 numpy==2.4.6 threadpoolctl==3.7.0
cat > "$work/beside.py" <<'PY'
import os
import sys
import time
from statistics import median

import numpy as np
import openvino
from openvino import opset15 as ops
from threadpoolctl import threadpool_limits

x = ops.parameter([1, 32, 256, 256], np.float32)
y = x
for seed in range(8):
    kernel = np.random.default_rng(seed).standard_normal((32, 32, 3, 3)).astype(np.float32) / 17
    y = ops.relu(ops.convolution(y, ops.constant(kernel), [1, 1], [1, 1], [1, 1], [1, 1]))
compiled = openvino.Core().compile_model(openvino.Model([y], [x]), "CPU", {"PERFORMANCE_HINT": "LATENCY"})
request = compiled.create_infer_request()
picture = np.zeros((1, 32, 256, 256), np.float32)
matrix, colours = np.eye(3, dtype=np.float32), np.zeros((3, 65536), np.float32)


def product():
    return matrix @ colours


def sums():
    return sum(matrix[:, i : i + 1] * colours[i : i + 1] for i in range(3))


def inference(before):
    """Milliseconds of an inference, the median, with something computed before each."""
    taken = []
    for _ in range(25):
        before()
        start = time.perf_counter()
        request.infer({0: picture}, share_inputs=True)
        taken.append(1000 * (time.perf_counter() - start))
    return median(taken[5:])


alone, added, after = inference(lambda: None), inference(sums), inference(product)
with threadpool_limits(1, user_api="blas"):
    single = inference(product)
print(f"inference alone: {alone:.1f} ms")
print(f"after three scaled rows added up: {added:.1f} ms, {added / alone:.2f} x")
print(f"after the same as a matrix product: {after:.1f} ms, {after / alone:.2f} x")
print(f"after the product on one thread: {single:.1f} ms, {single / alone:.2f} x")
cores = len(os.sched_getaffinity(0))
if cores == 1:
    sys.exit("one core: nothing to see")
sys.exit(0 if after / alone > 1.3 > max(added, single) / alone else 1)
PY
"$work/venv/bin/python" "$work/beside.py"
