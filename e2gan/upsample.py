"""Bring a small edit back to the size of its photo, with the photo as the guide.

The edit is explained, window by window, as a line in the photo's luminance: the fast guided
filter (He, Sun: "Guided Image Filtering", PAMI 2013; "Fast Guided Filter", arXiv:1505.00996,
2015).  With y the small photo's luminance and e a channel of the small edit, a window gives
e ≈ a·y + b; both are averaged over a pixel's windows, enlarged, and applied to the
full photo's luminance Y.  What no line explains, such as brush strokes, is enlarged and added:

    up(a)·Y + up(b) + up(e - a·y - b)  =  up(a)·Y + up(e - a·y)

so b need not be known.  Where the edit follows the photo (a grade), the photo's finest detail
comes back; where it does not (painted strokes on a sky), a is near 0 and the edit is enlarged
as it is.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from e2gan.strength import mix

__all__ = ["guided_upsample"]

RADIUS = 4
"""Radius of the windows, in pixels of the small edit: 9×9."""

EPSILON = 2e-3
"""Variance of luminance (in 0 to 1) below which a window counts as flat, so that noise is not amplified."""

STRIP = 1 << 20
"""Pixels of the photo processed at once, which bounds the memory."""

LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)


def guided_upsample(
    photo: np.ndarray,
    small: np.ndarray,
    edit: np.ndarray,
    strength: float = 1.0,
    told: Callable[[float], None] = lambda pixels: None,
) -> np.ndarray:
    """Enlarge an edit to the size of its photo.

    Args:
        photo: (H, W, 3) uint8.
        small: (h, w, 3) uint8, the photo scaled down.
        edit: (h, w, 3) float32 in 0 to 1, the edit of ``small``.
        strength: 0 gives the photo, 1 the edit.
        told: is called with each number of pixels that are finished; what it raises ends the work.

    Returns:
        (H, W, 3) uint8.
    """
    y = _luminance(small)
    slope = _slope(y, edit)
    rest = edit - slope * y
    maps = [Image.fromarray(np.ascontiguousarray(m[..., c])) for m in (slope, rest) for c in range(3)]

    height, width = photo.shape[:2]
    result = np.empty_like(photo)
    rows = max(1, STRIP // width)
    for top in range(0, height, rows):
        strip = photo[top : top + rows]
        enlarged = [_enlarge(m, top, len(strip), height, width) for m in maps]
        luminance = _luminance(strip)[..., 0]
        whole = np.stack([a * luminance + b for a, b in zip(enlarged[:3], enlarged[3:])], axis=-1)
        result[top : top + rows] = mix(strip, whole, strength)
        told(strip.shape[0] * width)
    return result


def _luminance(picture: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 to (H, W, 1) float32 in 0 to 1."""
    red, green, blue = LUMINANCE / np.float32(255)  # no matrix product: `e2gan.models.arrays` says why
    return red * picture[..., :1] + green * picture[..., 1:2] + blue * picture[..., 2:]


def _slope(y: np.ndarray, edit: np.ndarray) -> np.ndarray:
    """The guided filter's a for each channel of ``edit``, averaged over windows: (h, w, 3)."""
    mean_y, mean_edit = _window_mean(y), _window_mean(edit)
    variance = _window_mean(y * y) - mean_y * mean_y
    covariance = _window_mean(y * edit) - mean_y * mean_edit
    return _window_mean(covariance / (variance + np.float32(EPSILON)))


def _window_mean(x: np.ndarray) -> np.ndarray:
    """Mean over the square windows around each pixel of (h, w, c), cut off at the edges."""
    for axis in (0, 1):
        n = x.shape[axis]
        total = np.cumsum(x, axis=axis, dtype=np.float64)
        total = np.concatenate([np.zeros_like(total.take([0], axis)), total], axis)
        first = np.maximum(np.arange(n) - RADIUS, 0)
        last = np.minimum(np.arange(n) + RADIUS + 1, n)
        count = (last - first).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        x = ((total.take(last, axis) - total.take(first, axis)) / count).astype(np.float32)
    return x


def _enlarge(image: Image.Image, top: int, rows: int, height: int, width: int) -> np.ndarray:
    """Rows ``top`` to ``top + rows`` of ``image`` enlarged to (height, width), smoothly."""
    scale = image.height / height
    box = (0, top * scale, image.width, min((top + rows) * scale, image.height))
    return np.asarray(image.resize((width, rows), Image.Resampling.BICUBIC, box=box))
