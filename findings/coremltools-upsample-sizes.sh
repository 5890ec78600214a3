#!/usr/bin/env bash
# coremltools: a bilinear resize to another tensor's size converts for one input size, and not for a list of them.
#
# Guess:    F.interpolate(small, size=photo.shape[-2:]), traced, converts with ct.EnumeratedShapes as it does with one
#           shape: the graph is the same, and so is the answer for each of the shapes.
# Happens:  with one shape it converts. With enumerated shapes the graph pass torch_upsample_to_core_upsample raises an
#           AssertionError. The same resize told by scale_factor=2 converts either way.
# Versions: coremltools 9.0, torch 2.13.0, numpy 2.3.5, Python 3.11, Linux x86-64 (conversion alone; nothing is run)
# Date:     2026-11-29
# Source:   https://apple.github.io/coremltools/docs-guides/source/flexible-inputs.html
# Output:
#   scale_factor  one shape         converts
#   scale_factor  enumerated shapes converts
#   size          one shape         converts
#   size          enumerated shapes AssertionError
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q coremltools==9.0 torch==2.13.0 numpy==2.3.5
cat > "$work/resize.py" <<'PY'
import logging
import warnings

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
import coremltools as ct  # noqa: E402
import torch  # noqa: E402
from torch.nn import functional as F  # noqa: E402

SQUARE, TALL = (1, 3, 64, 64), (1, 3, 96, 64)


class HalfAndBack(torch.nn.Module):
    def __init__(self, told_by):
        super().__init__()
        self.told_by = told_by

    def forward(self, photo):
        small = F.avg_pool2d(photo, 2)
        to = {"size": photo.shape[-2:]} if self.told_by == "size" else {"scale_factor": 2.0}
        return F.interpolate(small, mode="bilinear", align_corners=False, **to)


def outcome(told_by, shape):
    traced = torch.jit.trace(HalfAndBack(told_by).eval(), torch.zeros(SQUARE))
    try:
        ct.convert(
            traced,
            inputs=[ct.TensorType(name="photo", shape=shape)],
            convert_to="mlprogram",
            minimum_deployment_target=ct.target.iOS16,
        )
    except Exception as fault:
        return type(fault).__name__
    return "converts"


outcomes = {}
for told_by in ("scale_factor", "size"):
    for name, shape in (("one shape", SQUARE), ("enumerated shapes", ct.EnumeratedShapes(shapes=[SQUARE, TALL]))):
        outcomes[told_by, name] = outcome(told_by, shape)
        print(f"{told_by:12}  {name:17} {outcomes[told_by, name]}", flush=True)

expected = {key: "converts" for key in outcomes} | {("size", "enumerated shapes"): "AssertionError"}
assert outcomes == expected, "coremltools converts otherwise now"
PY
"$work/venv/bin/python" "$work/resize.py" 2> /dev/null
