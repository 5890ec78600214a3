"""Whether an edit repeats itself every few pixels: the lattice that transposed convolutions leave in flat areas.

A generator that upsamples with strided transposed convolutions gives neighbouring pixels different sums (Odena et al.,
2016), and losses that reward texture accept the pattern as strokes.  This measures how much of an edit's fine detail
depends only on the pixel's row and column modulo 8.  Strokes average out over the picture; a lattice does not.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from e2gan.errors import MissingExtraError

__all__ = ["flat_areas", "lattice_share"]

PERIOD = 8
"""In pixels: the generator's stride, and a multiple of its parts'."""

FINE = 9
"""Side, in pixels, of the mean that is subtracted to leave fine detail."""

NEIGHBOURHOOD = 13
"""Side, in pixels, of the squares whose variance decides whether a photo is flat there."""

FLAT = 36.0
"""Largest variance of such a square, on values from 0 to 255: six steps around its mean."""

LEAST_PIXELS = 4096
"""Minimum pixels: a smaller area does not allow a measurement."""

LEAST_VARIANCE = 0.25
"""Minimum variance of fine detail, on values from 0 to 255: with less, there can be no lattice."""


def flat_areas(photo: Image.Image) -> np.ndarray:
    """(H, W) bool: where a photo has almost no detail, such as in skies."""
    mean = _mean_filter()
    grey = np.asarray(photo.convert("L"), np.float64)
    variance = mean(grey**2, NEIGHBOURHOOD, mode="mirror") - mean(grey, NEIGHBOURHOOD, mode="mirror") ** 2
    flat: np.ndarray = variance < FLAT
    return flat


def lattice_share(edit: Image.Image, area: np.ndarray | None = None) -> float | None:
    """The share, 0 to 1, of an edit's fine detail that repeats with a period of 8 pixels (or 2, or 4).

    Args:
        edit: the picture.
        area: (H, W) bool, where to look, such as its photo's `flat_areas`; everywhere if None.

    Returns:
        0 if there is no lattice or no detail; None if the area is too small to tell.
    """
    mean = _mean_filter()
    luma = np.asarray(edit.convert("RGB"), np.float64) @ (0.299, 0.587, 0.114)
    inner = slice(PERIOD, -PERIOD), slice(PERIOD, -PERIOD)  # filters see no border there
    detail = (luma - mean(luma, FINE))[inner]
    chosen = np.ones_like(detail, bool) if area is None else area[inner]
    if chosen.sum() < LEAST_PIXELS:
        return None
    rows, columns = np.indices(detail.shape) % PERIOD
    phases = (rows * PERIOD + columns)[chosen]
    variance = detail[chosen].var()
    if variance < LEAST_VARIANCE:
        return 0.0
    counts = np.bincount(phases, minlength=PERIOD**2)
    means = np.bincount(phases, detail[chosen], minlength=PERIOD**2) / np.maximum(counts, 1)
    # Means of that many values differ by chance alone.
    by_chance = variance / counts.mean()
    return float(max(0.0, means.var() - by_chance) / variance)


def _mean_filter() -> Callable[..., np.ndarray]:
    try:
        from scipy.ndimage import uniform_filter
    except ImportError as error:
        raise MissingExtraError("scipy", "eval") from error
    return uniform_filter
