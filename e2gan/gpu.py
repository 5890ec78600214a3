"""Whether this machine has a GPU for PyTorch."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

__all__ = ["GPU_DRIVERS", "has_no_gpu"]

GPU_DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""What Linux has if a GPU of NVIDIA's or AMD's can compute, or one of Windows's that it runs under."""


def has_no_gpu() -> bool:
    """Whether PyTorch's best device here is the CPU; told, where possible, without importing it, as that takes long."""
    if "torch" not in sys.modules:
        if version("torch").endswith("+cpu"):
            return True
        if sys.platform == "linux" and not any(Path(driver).exists() for driver in GPU_DRIVERS):
            return True
    from e2gan.pytorch import choose_device

    return choose_device(None).type == "cpu"
