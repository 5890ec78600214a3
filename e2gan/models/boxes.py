"""Parts of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    import torch

__all__ = ["Box", "pixels_of"]


@dataclass(frozen=True)
class Box:
    """A part of a picture: rows from top to bottom, columns from left to right, the last ones excluded."""

    top: int
    bottom: int
    left: int
    right: int

    def grown(self, margin: int, within: Box) -> Box:
        """With a margin on all sides, as far as the picture goes."""
        return Box(
            max(within.top, self.top - margin),
            min(within.bottom, self.bottom + margin),
            max(within.left, self.left - margin),
            min(within.right, self.right + margin),
        )

    def of(self, x: torch.Tensor, box: Box, scale: int = 1) -> torch.Tensor:
        """This part of activations (N, C, H, W) that show ``box``, each of them ``scale`` pixels wide."""
        rows = slice((self.top - box.top) // scale, (self.bottom - box.top) // scale)
        columns = slice((self.left - box.left) // scale, (self.right - box.left) // scale)
        return x[..., rows, columns]

    def strips(self, rows: int) -> Iterator[Box]:
        for top in range(self.top, self.bottom, rows):
            yield Box(top, min(top + rows, self.bottom), self.left, self.right)

    def tiles(self, side: int) -> Iterator[Box]:
        for strip in self.strips(side):
            for left in range(self.left, self.right, side):
                yield Box(strip.top, strip.bottom, left, min(left + side, self.right))


def pixels_of(picture: Image.Image, box: Box) -> np.ndarray:
    """A part of an RGB picture, (H, W, 3) uint8; beyond its right and lower edges, it is mirrored there."""
    rows = _mirrored(box.top, box.bottom, picture.height)
    columns = _mirrored(box.left, box.right, picture.width)
    left, top = int(columns.min()), int(rows.min())
    pixels = np.array(picture.crop((left, top, int(columns.max()) + 1, int(rows.max()) + 1)))
    if box.bottom <= picture.height and box.right <= picture.width:
        return pixels
    return pixels[rows - top][:, columns - left]


def _mirrored(start: int, stop: int, length: int) -> np.ndarray:
    """Positions, from the length on mirrored at the last one, as NumPy's padding with ``reflect``."""
    if length == 1:
        return np.zeros(stop - start, np.intp)
    positions = np.arange(start, stop) % (2 * length - 2)
    return np.minimum(positions, 2 * length - 2 - positions)
