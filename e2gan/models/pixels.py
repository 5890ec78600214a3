"""Converting 8-bit pictures to the networks' numbers, and back."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from PIL import Image
from torch import Tensor

__all__ = ["as_reported", "to_images", "to_tensor"]

DIFFERENCES = ("l1", "val_l1")
"""The figures of a training that are differences of pixels in [-1, 1]."""


def to_tensor(pictures: np.ndarray) -> Tensor:
    """(N, H, W, 3) uint8 to (N, 3, H, W) float32 in [-1, 1]."""
    return torch.tensor(pictures).permute(0, 3, 1, 2).float().div_(127.5).sub_(1).contiguous()


def to_images(x: Tensor) -> list[Image.Image]:
    """(N, 3, H, W) in [-1, 1], with values beyond clipped, to N pictures."""
    arrays = ((x.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray(array) for array in arrays]


def as_reported(figures: Mapping[str, float]) -> dict[str, float]:
    """A training's figures for people: differences of pixels are for values from 0 to 1, as in every report."""
    return {name: value / 2 if name in DIFFERENCES else value for name, value in figures.items()}
