"""Peak signal-to-noise ratio, of pictures in 8 bits."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["psnr"]


def psnr(difference: np.ndarray) -> float:
    """PSNR in decibels, from the differences of all values in steps of 1/255; infinite if all are 0."""
    error = float(np.mean(np.square(difference)))
    return 10 * math.log10(255**2 / error) if error else math.inf
