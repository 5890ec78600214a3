"""The seeds of strokes: a fixed tile of noise, added to a photo before the generator sees it.

The paper's generator takes a noise z with the photo (section 3), which implementations usually replace with dropout.
Here it is a tile of fixed values, so that a photo has the same edit on every machine and in every runtime.
Where a photo is flat, strokes start from the tile's values; without it they could start only from rounding errors.
"""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np

from e2gan.models.arrays import Array, functions_of

__all__ = ["SIDE", "noise_tile", "noisy"]

SIDE = 256
"""Side of the tile in pixels; it repeats beyond."""

_BYTES = 4
"""Bytes summed for each value: close to a normal distribution, and exact in whole numbers."""


@cache
def noise_tile() -> np.ndarray:
    """(SIDE, SIDE) float32 of mean 0 and standard deviation 1, the same on every machine."""
    data = hashlib.shake_256(b"e2gan noise").digest(SIDE * SIDE * _BYTES)
    sums = np.frombuffer(data, np.uint8).reshape(SIDE, SIDE, _BYTES).sum(-1, dtype=np.int64)
    return ((sums - sums.mean()) / sums.std()).astype(np.float32)


def noisy(photo: Array, strength: Array, offsets: Array | None = None) -> Array:
    """Photos with the tile added, equally to red, green and blue.

    Args:
        photo: (N, 3, H, W) in [-1, 1].
        strength: (N,): the noise's standard deviation, of values in [-1, 1].
        offsets: (N, 2) whole numbers: the tile's row and column at a photo's first pixel; 0 if None.

    Returns:
        (N, 3, H, W), which may leave [-1, 1].
    """
    f = functions_of(photo)
    tile = f.like(noise_tile(), photo)
    tiles = [tile] if offsets is None else [f.rolled(tile, -top, -left) for top, left in offsets.tolist()]
    noise = f.tiled(f.stack(tiles), *photo.shape[2:])
    return photo + f.like(strength, photo)[:, None, None, None] * noise[:, None]
