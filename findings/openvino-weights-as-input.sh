#!/usr/bin/env bash
# OpenVINO: a convolution's 8-bit weights that are an input make it slow, and float weights that are an input do not.
#
# Guess:    with its data quantized, a convolution runs in 8 bits if its weights are given in 8 bits (an i8 input, times a
#           scale), as it does with the same weights as a constant; float weights that are only known at run time
#           keep it in floating point.
# Happens:  the reverse.  With the i8 input the whole convolution runs in float32, without a warning.  With a float input
#           that passes a FakeQuantize, it runs in 8 bits.  All three give the same numbers.
# Versions: openvino 2026.4.1, numpy 2.4.2, Python 3.11, Linux, x86-64 with AVX2 (kernels have other names elsewhere)
# Date:     2026-11-30
# Source:   OpenVINO's guide to low-precision transformations, which speaks of weights as constants
# Output:
#   a constant i8, scaled                     jit_avx2_I8
#   an input i8, scaled                       brgconv_avx2_f32
#   an input f32, through FakeQuantize        jit_avx2_I8
#   largest difference of the results: 0.0001 of 103.4
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q openvino==2026.4.1 numpy==2.4.2
cat > "$work/weights.py" <<'PY'
import sys

import numpy as np
import openvino
from openvino import opset15 as ops

random = np.random.default_rng(0)
data = random.uniform(0, 6, (1, 64, 32, 32)).astype(np.float32)
steps = random.integers(-63, 64, (64, 64, 3, 3)).astype(np.int8)
scale = np.float32(0.01)


def one(value):
    return ops.constant(np.full((1, 1, 1, 1), value, np.float32))


def quantized(x, low, high, levels):
    return ops.fake_quantize(x, one(low), one(high), one(low), one(high), levels)


def scaled(weights):
    return ops.multiply(ops.convert(weights, np.float32), one(scale))


def convolve(weights, *inputs):
    """The convolution's kernel, and its result."""
    x = ops.parameter([1, 64, -1, -1], np.float32)
    y = ops.convolution(quantized(ops.relu(x), 0, 6, 256), weights, [1, 1], [1, 1], [1, 1], [1, 1])
    model = openvino.Model([y], [x, *(node for node, _ in inputs)], "m")
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(model, "CPU", settings)
    infos = [node.get_rt_info() for node in compiled.get_runtime_model().get_ops()]
    (kernel,) = [info["primitiveType"].value for info in infos if info["layerType"].value == "Convolution"]
    return kernel, compiled([data, *(value for _, value in inputs)])[0]


i8, f32 = ops.parameter(list(steps.shape), np.int8), ops.parameter(list(steps.shape), np.float32)
edge = float(127 * scale)  # the weights use half of it, so that sums fit on processors without VNNI
ways = {
    "a constant i8, scaled": convolve(scaled(ops.constant(steps))),
    "an input i8, scaled": convolve(scaled(i8), (i8, steps)),
    "an input f32, through FakeQuantize": convolve(quantized(f32, -edge, edge, 255), (f32, steps * scale)),
}
for way, (kernel, _) in ways.items():
    print(f"{way:40}  {kernel}")
results = [result for _, result in ways.values()]
difference = max(float(np.abs(result - results[0]).max()) for result in results)
print(f"largest difference of the results: {difference:.4f} of {np.abs(results[0]).max():.1f}")
eight = [kernel.upper().endswith("I8") for kernel, _ in ways.values()]
sys.exit(not (eight == [True, False, True] and difference < 0.01))
PY
"$work/venv/bin/python" "$work/weights.py"
