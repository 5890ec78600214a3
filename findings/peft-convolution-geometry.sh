#!/usr/bin/env bash
# PEFT: LoRA on a convolution keeps neither its padding mode nor its dilation.
#
# Guess:    an adapter on nn.Conv2d is a low-rank change of its weight: beside the layer or merged into it, it gives the same
#           output, however the layer pads and dilates.
# Happens:  the adapter's own convolution copies kernel, stride and padding only. Beside a layer that pads by reflection or
#           round the edge, it pads with zeros: the border of the output changes when the adapter is merged, silently. Beside
#           a dilated layer it gives another size, and the forward pass ends in a RuntimeError; merged, it works.
# Versions: peft 0.21.2, torch 2.13.0, transformers 5.23.0, accelerate 1.15.0, Python 3.11, Linux
# Date:     2026-11-30
# Source:   https://huggingface.co/docs/peft/package_reference/lora and https://github.com/huggingface/peft/issues/3697
# Output:
#   zeros, dilation 1: beside and merged differ by 0.000 at the border, 0.000 inside
#   reflect, dilation 1: beside and merged differ by 1.469 at the border, 0.000 inside
#   circular, dilation 1: beside and merged differ by 1.458 at the border, 0.000 inside
#   zeros, dilation 2: beside RuntimeError, merged (1, 8, 12, 12)
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q torch==2.13.0 peft==0.21.2 transformers==5.23.0 accelerate==1.15.0
cat > "$work/geometry.py" <<'PY'
import sys

import torch
from peft import LoraConfig, get_peft_model
from torch import nn


def both(mode, dilation):
    """The output with the adapter beside the layer, None if it has none, and merged into it."""
    torch.manual_seed(0)
    layer = nn.Conv2d(8, 8, 3, padding=dilation, dilation=dilation, padding_mode=mode)
    model = get_peft_model(nn.Sequential(layer), LoraConfig(r=4, target_modules=["0"], init_lora_weights=False))
    photo = torch.randn(1, 8, 12, 12)
    with torch.no_grad():
        try:
            beside = model(photo)
        except RuntimeError:
            beside = None
        return beside, model.merge_and_unload()(photo)


border = {}
for mode in ("zeros", "reflect", "circular"):
    beside, merged = both(mode, 1)
    off = (beside - merged).abs()
    inside = off[..., 1:-1, 1:-1].max().item()
    border[mode] = off.max().item()
    print(f"{mode}, dilation 1: beside and merged differ by {border[mode]:.3f} at the border, {inside:.3f} inside")
beside, merged = both("zeros", 2)
print(f"zeros, dilation 2: beside {'RuntimeError' if beside is None else 'works'}, merged {tuple(merged.shape)}")
same = border["zeros"] < 1e-4 and beside is None and merged.shape[2:] == (12, 12)
sys.exit(0 if same and min(border["reflect"], border["circular"]) > 0.1 else 1)
PY
"$work/venv/bin/python" -W ignore "$work/geometry.py"
