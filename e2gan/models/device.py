"""The number formats that a device computes well in."""

from __future__ import annotations

import torch

__all__ = ["computes_bfloat16"]


def computes_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is faster than float32 on the device: a processor without instructions for it emulates it."""
    if device.type != "cpu":
        return device.type != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)
    # Not in PyTorch's public interface.
    return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())
