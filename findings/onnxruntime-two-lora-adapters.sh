#!/usr/bin/env bash
# ONNX Runtime: of two active LoRA adapters the first wins, whole; their changes are not added, and nothing says so.
#
# Guess:    RunOptions.add_active_adapter may be called for several adapters ("add"), and a run then applies their sum,
#           as PEFT does with several active adapters; or it refuses two adapters that set the same parameter.
# Happens:  the adapter that was added first decides every parameter that it has; later ones that have it, too, are passed
#           over. The order of the calls decides the result.
# Versions: onnxruntime 1.31.1, onnx 1.23.2, numpy 2.3.5, Python 3.11, Linux
# Date:     2026-11-29
# Source:   https://onnxruntime.ai/docs/api/python/api_summary.html (RunOptions, LoraAdapter)
# Output:
#   none      [0.0, 0.0]
#   one       [1.0, 1.0]
#   ten       [10.0, 10.0]
#   one, ten  [1.0, 1.0]
#   ten, one  [10.0, 10.0]
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q onnxruntime==1.31.1 onnx==1.23.2 numpy==2.3.5
cat > "$work/adapters.py" <<'PY'
import os
import sys

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

folder = sys.argv[1]


def info(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


# y = x · A · B, where A and B are of rank 0 unless an adapter gives them.
graph = helper.make_graph(
    [helper.make_node("MatMul", ["x", "a"], ["h"]), helper.make_node("MatMul", ["h", "b"], ["y"])],
    "lora",
    [info("x", [1, 2]), info("a", [2, "r"]), info("b", ["r", 2])],
    [info("y", [1, 2])],
    [numpy_helper.from_array(np.zeros(s, np.float32), n) for n, s in (("a", (2, 0)), ("b", (0, 2)))],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
options = ort.SessionOptions()
options.log_severity_level = 3
session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def adapter(name, value):
    file = ort.AdapterFormat()
    a, b = np.eye(2, dtype=np.float32) * value, np.eye(2, dtype=np.float32)
    file.set_parameters({"a": ort.OrtValue.ortvalue_from_numpy(a), "b": ort.OrtValue.ortvalue_from_numpy(b)})
    path = os.path.join(folder, name)
    file.export_adapter(path)
    loaded = ort.LoraAdapter()
    loaded.Load(path)
    return loaded


adapters = {"one": adapter("one", 1), "ten": adapter("ten", 10)}
results = {}
for names in ((), ("one",), ("ten",), ("one", "ten"), ("ten", "one")):
    run = ort.RunOptions()
    for name in names:
        run.add_active_adapter(adapters[name])
    (y,) = session.run(None, {"x": np.ones((1, 2), np.float32)}, run)
    results[names] = y[0].tolist()
    print(f"{', '.join(names) or 'none':<8}  {y[0].tolist()}")
sys.exit(0 if results["one", "ten"] == results[("one",)] and results["ten", "one"] == results[("ten",)] else 1)
PY
"$work/venv/bin/python" "$work/adapters.py" "$work"
