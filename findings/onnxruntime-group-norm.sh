#!/usr/bin/env bash
# ONNX Runtime: GroupNormalization of one channel a group is InstanceNormalization, and gives NaN where that is right.
#
# Guess:    GroupNormalization with num_groups = channels computes what InstanceNormalization computes: both are
#           (x - mean) / sqrt(variance + epsilon) over the height and width of a channel.
# Happens:  on the CPU provider the former loses digits as the mean grows against the spread, and is NaN for a mean of
#           10,000 and a spread of 1, as if it took the variance for E[x²] - E[x]² in float32. The latter stays right.
#           An exporter that writes the one for the other (there is no difference on paper) changes the pictures.
# Versions: onnxruntime 1.31.1, onnx 1.23.2, numpy 2.3.5, Python 3.11, Linux x86-64, CPUExecutionProvider
# Date:     2026-11-29
# Source:   https://onnx.ai/onnx/operators/onnx__GroupNormalization.html
# Output (largest error against float64):
#   mean      1  spread 1  instance 4e-07  group 1e-06
#   mean    100  spread 1  instance 2e-05  group 0.006
#   mean   1000  spread 1  instance 0.0001  group 0.6
#   mean  10000  spread 1  instance 0.002  group nan
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q onnxruntime==1.31.1 onnx==1.23.2 numpy==2.3.5
cat > "$work/norms.py" <<'PY'
import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

CHANNELS, EPSILON = 2, 1e-5
SHAPE = (1, CHANNELS, 64, 64)


def session(operator, **attributes):
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, SHAPE) for name in "xy"]
    ones, zeros = (
        helper.make_tensor(n, TensorProto.FLOAT, [CHANNELS], [v] * CHANNELS) for n, v in (("scale", 1.0), ("bias", 0.0))
    )
    node = helper.make_node(operator, ["x", "scale", "bias"], ["y"], epsilon=EPSILON, **attributes)
    graph = helper.make_graph([node], "norm", ends[:1], ends[1:], [ones, zeros])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


norms = {
    "instance": session("InstanceNormalization"),
    "group": session("GroupNormalization", num_groups=CHANNELS),
}
noise = np.random.default_rng(0).standard_normal(SHAPE)
errors = {}
for mean in (1, 100, 1000, 10000):
    x = (mean + noise).astype(np.float32)
    exact = x.astype(np.float64)
    over = {"axis": (2, 3), "keepdims": True}
    exact = (exact - exact.mean(**over)) / np.sqrt(exact.var(**over) + EPSILON)
    for name, norm in norms.items():
        errors[mean, name] = float(np.abs(norm.run(None, {"x": x})[0] - exact).max())
    said = "  ".join(f"{name} {errors[mean, name]:.0g}" for name in norms)
    print(f"mean {mean:6}  spread 1  {said}")

assert errors[10000, "instance"] < 0.01, "instance normalization is no longer right"
assert errors[1000, "group"] > 0.1, "group normalization has become right"
assert np.isnan(errors[10000, "group"]), "group normalization is no longer NaN"
PY
"$work/venv/bin/python" "$work/norms.py"
