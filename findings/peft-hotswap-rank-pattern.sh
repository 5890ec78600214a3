#!/usr/bin/env bash
# PEFT: hot-swapping an adapter of the very same configuration gives other outputs, where ranks come from rank_pattern.
#
# Guess:    hotswap_adapter puts a second adapter in the place of the first, so that the model then computes what a
#           model with the second adapter alone computes. PEFT checks the two configurations and says when they differ.
# Happens:  with one global lora_alpha and a rank_pattern, the equal configurations pass the check, and the swapped model
#           computes something else, without a word. The layer named in the pattern gets the scaling of the global rank.
#           With an alpha_pattern beside the rank_pattern the outputs agree.
# Versions: peft 0.21.2, torch 2.13.0, transformers 5.23.0, accelerate 1.15.0, Python 3.11, Linux
# Date:     2026-11-29
# Source:   https://huggingface.co/docs/peft/package_reference/hotswap
# Output:
#   rank_pattern alone: swapped differs from second by up to 12.71, of up to 11.81
#   with alpha_pattern: swapped differs from second by up to 0.00, of up to 24.52
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q torch==2.13.0 peft==0.21.2 transformers==5.23.0 accelerate==1.15.0
cat > "$work/swap.py" <<'PY'
import copy
import sys
import tempfile

import torch
from peft import LoraConfig, get_peft_model
from peft.utils.hotswap import hotswap_adapter
from torch import nn


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x):
        return self.b(self.a(x))


torch.manual_seed(0)
base, x = Two(), torch.randn(4, 8)


def adapter(seed, **patterns):
    config = LoraConfig(r=2, lora_alpha=2, target_modules=["a", "b"], rank_pattern={"a": 4}, **patterns)
    torch.manual_seed(seed)
    model = get_peft_model(copy.deepcopy(base), config)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            nn.init.normal_(parameter)
    return model


def difference(**patterns):
    first, second = adapter(1, **patterns), adapter(2, **patterns)
    with tempfile.TemporaryDirectory() as folder:
        second.save_pretrained(folder)
        hotswap_adapter(first, folder, adapter_name="default")
    wanted = second(x)
    return (first(x) - wanted).abs().max().item(), wanted.abs().max().item()


alone, agreeing = difference(), difference(alpha_pattern={"a": 4})
print("rank_pattern alone: swapped differs from second by up to %.2f, of up to %.2f" % alone)
print("with alpha_pattern: swapped differs from second by up to %.2f, of up to %.2f" % agreeing)
sys.exit(0 if alone[0] > 1 and agreeing[0] < 1e-4 else 1)
PY
"$work/venv/bin/python" -W ignore "$work/swap.py"
