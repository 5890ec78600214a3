"""The tone of a concept: the affine map of colours that comes nearest to its teacher's."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from e2gan.models.layout import Tone

__all__ = ["fit_tone"]

TOWARDS_NEUTRAL = 1e-3
"""Weight of the squared distance from neutral against a pixel's squared error: enough for photos of one colour."""


def fit_tone(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> Tone:
    """Least squares over all pixels of (photo, edit) pairs, each (H, W, 3) uint8, rounded to four digits."""
    neutral = np.eye(3, 4)
    squares, products, pixels = np.zeros((4, 4)), np.zeros((3, 4)), 0
    for photo, edit in pairs:
        x, y = (picture.reshape(-1, 3) / 127.5 - 1 for picture in (photo, edit))
        x = np.column_stack([x, np.ones(len(x))])
        squares += x.T @ x
        products += y.T @ x
        pixels += len(x)
    pixels = max(pixels, 1)
    squares += TOWARDS_NEUTRAL * pixels * np.eye(4)
    products += TOWARDS_NEUTRAL * pixels * neutral
    fitted = np.linalg.solve(squares, products.T).T
    return tuple(tuple(round(float(value), 4) for value in row) for row in fitted)  # type: ignore[misc]
