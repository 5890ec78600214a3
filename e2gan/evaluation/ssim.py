"""Structural similarity of two pictures (Wang, Bovik, Sheikh and Simoncelli, 2004)."""

from __future__ import annotations

import numpy as np
from PIL import Image

from e2gan.errors import MissingExtraError

__all__ = ["ssim"]

SIGMA, RADIUS = 1.5, 5
"""Standard deviation and radius of the Gaussian window, in pixels: 11×11, as in the paper."""

C1, C2 = 0.01**2, 0.03**2
"""Constants that keep the quotients finite, for values from 0 to 1."""


def ssim(a: Image.Image, b: Image.Image) -> float:
    """Mean structural similarity of two pictures of one size, on luminance: -1 to 1, and 1 if they are equal.

    As in the paper, only places where the whole window is inside the picture count, at the scale the
    pictures have; a picture smaller than the window counts whole.

    Raises:
        MissingExtraError: scipy is not installed.
    """
    try:
        from scipy.ndimage import gaussian_filter
    except ImportError as error:
        raise MissingExtraError("scipy", "eval") from error

    def blur(values: np.ndarray) -> np.ndarray:
        blurred: np.ndarray = gaussian_filter(values, SIGMA, radius=RADIUS)
        return blurred

    x, y = (np.asarray(image.convert("L"), np.float64) / 255 for image in (a, b))
    mean_x, mean_y = blur(x), blur(y)
    variance_x, variance_y = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2
    covariance = blur(x * y) - mean_x * mean_y
    similarity = (2 * mean_x * mean_y + C1) * (2 * covariance + C2)
    similarity /= (mean_x**2 + mean_y**2 + C1) * (variance_x + variance_y + C2)
    inside = similarity[RADIUS:-RADIUS, RADIUS:-RADIUS]
    return float((inside if inside.size else similarity).mean())
