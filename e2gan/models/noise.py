"""The seeds of strokes: a fixed tile of noise, added to a photo before the generator sees it.

The paper's generator takes a noise z with the photo (section 3), which implementations usually replace with dropout.
Here it is a tile of fixed values, so that a photo has the same edit on every machine and in every runtime.
Where a photo is flat, strokes start from the tile's values; without it they could start only from rounding errors.
"""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np
import torch
from torch import Tensor

__all__ = ["SIDE", "noise_tile", "noisy"]

SIDE = 256
"""Side of the tile in pixels; it repeats beyond."""

_BYTES = 4
"""Bytes summed for each value: close to a normal distribution, and exact in whole numbers."""


@cache
def noise_tile() -> Tensor:
    """(SIDE, SIDE) float32 of mean 0 and standard deviation 1, the same on every machine."""
    data = hashlib.shake_256(b"e2gan noise").digest(SIDE * SIDE * _BYTES)
    sums = np.frombuffer(data, np.uint8).reshape(SIDE, SIDE, _BYTES).sum(-1, dtype=np.int64)
    return torch.from_numpy((sums - sums.mean()) / sums.std()).float()


def noisy(photo: Tensor, strength: Tensor, offsets: Tensor | None = None) -> Tensor:
    """Photos with the tile added, equally to red, green and blue.

    Args:
        photo: (N, 3, H, W) in [-1, 1].
        strength: (N,): the noise's standard deviation, of values in [-1, 1].
        offsets: (N, 2) whole numbers: the tile's row and column at a photo's first pixel; 0 if None.

    Returns:
        (N, 3, H, W), which may leave [-1, 1].
    """
    tile = noise_tile().to(photo.device, photo.dtype)
    tiles = [tile] if offsets is None else [tile.roll((-top, -left), (0, 1)) for top, left in offsets.tolist()]
    rows, columns = (torch.arange(length, device=photo.device) % SIDE for length in photo.shape[2:])
    noise = torch.stack(tiles).index_select(1, rows).index_select(2, columns)
    return photo + strength.to(photo).view(-1, 1, 1, 1) * noise[:, None]
