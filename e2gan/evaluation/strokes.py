"""Fine detail: whether the picture has brush strokes, which colour distances do not see.

A blurred picture in the right colours has a small L1 distance to the teacher's.  Here, only detail
finer than a few pixels counts.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from e2gan.errors import MissingExtraError

__all__ = ["detail", "stroke_energy", "stroke_match"]

SIGMA = 2.0
"""Width of the blur that separates detail, in pixels: strokes on 256-pixel pictures are 3 to 10 wide."""


def detail(image: Image.Image) -> np.ndarray:
    """Luminance in [0, 1] minus its Gaussian blur: (H, W) float32 around 0."""
    try:
        from scipy.ndimage import gaussian_filter
    except ImportError as error:
        raise MissingExtraError("scipy", "eval") from error

    luminance = np.asarray(image.convert("L"), np.float32) / 255
    fine: np.ndarray = luminance - gaussian_filter(luminance, SIGMA)
    return fine


def stroke_energy(edited: list[np.ndarray], targets: list[np.ndarray]) -> float:
    """Energy of the edits' detail as a share of the teacher's: 1 is equal, below is blurred, above is noisy."""
    return _product(edited, edited) / max(_product(targets, targets), _TINY)


def stroke_match(edited: list[np.ndarray], targets: list[np.ndarray]) -> float:
    """Correlation of the edits' detail with the teacher's, -1 to 1: noise has the energy, but not the places."""
    energies = _product(edited, edited) * _product(targets, targets)
    return _product(edited, targets) / max(float(np.sqrt(energies)), _TINY)


_TINY = 1e-12
"""Replaces the energy of pictures without detail."""


def _product(a: list[np.ndarray], b: list[np.ndarray]) -> float:
    return float(sum(np.vdot(x, y) for x, y in zip(a, b, strict=True)))
