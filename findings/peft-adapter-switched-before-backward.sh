#!/usr/bin/env bash
# PEFT: of a loss over two adapters, the one that is active at backward() gets its gradient, and the other silently none.
#
# Guess:    the gradient belongs to the forward pass. Compute with one adapter, switch, compute with the other, add the losses:
#           one backward() fills both adapters' gradients, as two separate passes do. (Their pictures cannot share a
#           forward pass: a batch of several adapters is refused in training.)
# Happens:  set_adapter() turns requires_grad of the other adapter's weights off, and PyTorch looks at that again when
#           the gradient arrives. It is dropped: grad is None, an optimiser leaves that adapter as it is, and nothing is said.
# Versions: peft 0.21.2, torch 2.13.0, transformers 5.23.0, accelerate 1.15.0, Python 3.11, Linux
# Date:     2026-11-30
# Source:   https://huggingface.co/docs/peft/developer_guides/mixed_models, and set_adapter in
#           https://huggingface.co/docs/peft/package_reference/peft_model
# Output:
#   two backward passes:  red 0.611, blue 2.322
#   one for both losses:  red none, blue 2.322
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q torch==2.13.0 peft==0.21.2 transformers==5.23.0 accelerate==1.15.0
cat > "$work/switch.py" <<'PY'
import sys

import torch
from peft import LoraConfig, get_peft_model
from torch import nn

torch.manual_seed(0)
config = LoraConfig(r=1, target_modules=["0"])
model = get_peft_model(nn.Sequential(nn.Linear(4, 4)), config, "red")
model.add_adapter("blue", config)
x = torch.randn(3, 4)


def loss(adapter):
    model.set_adapter(adapter)
    return model(x).square().mean()


def gradients():
    found = {}
    for name, parameter in model.named_parameters():
        if ".lora_B." in name:
            found[name.split(".")[-2]] = None if parameter.grad is None else parameter.grad.abs().sum().item()
    model.zero_grad()
    return found


def told(found):
    return ", ".join(f"{name} {'none' if value is None else f'{value:.3f}'}" for name, value in found.items())


loss("red").backward()
loss("blue").backward()
apart = gradients()
(loss("red") + loss("blue")).backward()
together = gradients()
print("two backward passes: ", told(apart))
print("one for both losses: ", told(together))
sys.exit(0 if apart["red"] > 0.1 and together == {"red": None, "blue": apart["blue"]} else 1)
PY
"$work/venv/bin/python" -W ignore "$work/switch.py"
