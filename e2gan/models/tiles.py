"""Pictures of any size in bounded memory: tiles that share what they take from the whole picture.

An edit depends on the whole picture only by its norms, and by the tokens that others attend to (`e2gan.models.norms`).
They are measured first, on samples from all over the picture, at its full resolution.  With them given, what is left
is local, so a tile is edited with a margin of its surroundings and has no seam: a pixel's edit does not depend on where
the tiles lie.  The first and the last layers, whose activations are large and whose view is narrow, are computed strip
by strip within a tile.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from e2gan.models.boxes import Box
from e2gan.models.generator import Generator, shares_of
from e2gan.models.layout import GeneratorConfig
from e2gan.models.look import Look
from e2gan.models.norms import Fixed, Measured, Own

__all__ = ["Photo", "Tiling", "edit_in_tiles", "fitting", "measure"]

FIRST = 8
"""Pixels that the first layers see around a strip."""

LAST = 16
"""Pixels that the last layers see around a strip."""

SMALLEST = 256
"""Smallest side of a tile: with less, most of the work would be on margins."""

BYTES = 700
"""Bytes that the edit of a tile takes for each of its pixels and its margin's, in float32; measured and rounded up."""

NOTHING = (None, None, None)
"""Shares with which nothing bypasses the bottleneck."""


@dataclass(frozen=True)
class Tiling:
    """Sizes in pixels, multiples of 8."""

    tile: int = 1408
    """Side of the squares whose trunk is computed at once."""
    strip: int = 128
    """Rows of the first and the last layers that are computed at once."""
    sample: int = 256
    """Side of the samples on which is measured what all tiles share."""
    samples: int = 16
    """Number of samples: together one megapixel.  A picture that is not larger is its own only sample."""


def fitting(memory: float, config: GeneratorConfig) -> Tiling:
    """The largest tiles, up to the usual ones, whose edit takes no more than so many bytes; or the smallest."""
    margins = 2 * (LAST + trunk_margin(config))
    if memory >= BYTES * (Tiling.tile + margins) ** 2:
        return Tiling()
    window = int(math.sqrt(max(0.0, memory) / BYTES))
    return Tiling(tile=max(SMALLEST, (window - margins) // 128 * 128))


Photo = Callable[[Box], Tensor]
"""The part of the photo (1, 3, H, W) in [-1, 1] as the generator sees it, with its noise, in the generator's type."""


def measure(generator: Generator, photo: Photo, picture: Box, look: Look, tiling: Tiling | None = None) -> Fixed:
    """Measure what all tiles of a picture share; ``look`` has one row, and the picture's sides are multiples of 8."""
    boxes = samples(picture, tiling or Tiling())
    look = look.expand(len(boxes))
    measured = Measured()
    shares = shares_of(look.skips)
    x, half, full = generator.encode(torch.cat([photo(box) for box in boxes]), shares, measured)
    x = generator.trunk(x, look.prompt, look.prompt_bias, shares[2], measured)
    generator.enlarge(x, half, full, shares, measured)
    return Fixed(measured)


def samples(picture: Box, tiling: Tiling) -> list[Box]:
    """Boxes of one size from all over the picture; the whole of a picture that is not larger than all of them."""
    height, width = picture.bottom - picture.top, picture.right - picture.left
    area = tiling.samples * tiling.sample**2
    if height * width <= area:
        return [picture]
    rows, columns = min(tiling.sample, height), min(tiling.sample, width)
    count = area // (rows * columns)
    down = min(max(1, round(math.sqrt(count * height / width))), height // rows)
    across = min(max(1, count // down), width // columns)
    down = min(max(1, count // across), height // rows)

    def starts(length: int, side: int, number: int) -> list[int]:
        """Evenly, multiples of 8; the middle if there is only one."""
        free = length - side
        return [free * (2 * n + 1) // (2 * number) // 8 * 8 for n in range(number)]

    return [
        Box(top, top + rows, left, left + columns)
        for top in starts(height, rows, down)
        for left in starts(width, columns, across)
    ]


def edit_in_tiles(
    generator: Generator, photo: Photo, picture: Box, look: Look, norms: Own, tiling: Tiling | None = None
) -> Iterator[tuple[Box, Tensor]]:
    """The generator's picture, part by part: each box with its (1, 3, H, W) in [-1, 1].

    Args:
        generator: on a CPU or a GPU, with concepts folded in.
        picture: the whole; its sides are multiples of 8.
        look: of one row.
        norms: what `measure` returned.
    """
    tiling = tiling or Tiling()
    shares = shares_of(look.skips)
    bypassed = shares[:2] != (None, None)
    margin = LAST + trunk_margin(generator.config)
    for tile in picture.tiles(tiling.tile):
        window = tile.grown(margin, picture)
        x = torch.cat([_encoded(generator, photo, strip, picture, norms) for strip in window.strips(tiling.strip)], 2)
        x = generator.trunk(x, look.prompt, look.prompt_bias, shares[2], norms)
        for strip in tile.strips(tiling.strip):
            seen = strip.grown(LAST, picture)
            half = full = None
            if bypassed:
                wider = seen.grown(FIRST, picture)
                _, half, full = generator.encode(photo(wider), shares, norms)
                half, full = (
                    None if part is None else seen.of(part, wider, scale) for part, scale in ((half, 2), (full, 1))
                )
            made = generator.decode(seen.of(x, window, 4), half, full, shares, norms)
            yield strip, strip.of(made, seen)


def trunk_margin(config: GeneratorConfig) -> int:
    """Pixels that the trunk sees around it: two pixels of its quarter size for a residual block, and five for a
    transformer block, whose tokens are half as many."""
    return -(-4 * (2 * config.res_blocks + 5 * len(config.tb_positions)) // 8) * 8


def _encoded(generator: Generator, photo: Photo, strip: Box, picture: Box, norms: Own) -> Tensor:
    seen = strip.grown(FIRST, picture)
    x, _, _ = generator.encode(photo(seen), NOTHING, norms)
    return strip.of(x, seen, 4)
