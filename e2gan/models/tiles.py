"""Pictures of any size in bounded memory: tiles that share what they take from the whole picture.

An edit depends on the whole picture only by its norms, and by the tokens that others attend to (`e2gan.models.norms`).
With them given, what is left is local, so a part is edited with a margin of its surroundings and has no seam: a pixel's
edit does not depend on where the parts lie.  So they are measured first, at full resolution:

- Up to `WHOLE` pixels, on the whole picture.  The first and the last layers, whose activations are large and whose view
  is narrow, are computed strip by strip, once for each norm; the trunk, which has a sixteenth of the pixels, at once.
- Beyond, on samples from all over the picture.  Then the trunk is computed tile by tile.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from e2gan.models.boxes import Box
from e2gan.models.generator import FIRST_LAYERS, Generator, Shares, joined, shares_of
from e2gan.models.layout import GeneratorConfig
from e2gan.models.look import Look
from e2gan.models.norms import IN_PLACE, Fixed, Measured, Own, moments

__all__ = ["Photo", "Shared", "Tiling", "edit_in_tiles", "fitting", "measure"]

FIRST = 8
"""Pixels that the first layers see around a strip."""

LAST = 16
"""Pixels that the last layers see around a strip."""

SMALLEST = 256
"""Smallest side of a tile: with less, most of the work would be on margins."""

WHOLE = 12_000_000
"""Pixels of the largest picture whose trunk is computed at once: those of a telephone's photo."""

BYTES_OF_WHOLE = 300
"""Bytes that this takes for each of the picture's pixels, in float32; measured and rounded up."""

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
    whole: int = WHOLE
    """Pixels up to which a picture's trunk is computed at once."""


def fitting(memory: float, config: GeneratorConfig, itemsize: int = 4) -> Tiling:
    """The largest tiles, up to the usual ones, whose edit takes no more than so many bytes; or the smallest.

    Args:
        itemsize: bytes of a value: 4 of float32, 2 in half precision.
    """
    margins = 2 * (LAST + trunk_margin(config))
    memory = min(max(0.0, memory), 2.0**40) * 4 / itemsize
    tile = (int(math.sqrt(memory / BYTES)) - margins) // 128 * 128
    return Tiling(tile=min(Tiling.tile, max(SMALLEST, tile)), whole=min(WHOLE, int(memory / BYTES_OF_WHOLE)))


Photo = Callable[[Box], Tensor]
"""The part of the photo (1, 3, H, W) in [-1, 1] as the generator sees it, with its noise, in the generator's type."""


@dataclass(frozen=True)
class Shared:
    """What the parts of a picture have in common."""

    norms: Fixed
    trunk: Tensor | None = None
    """The trunk's output (1, C, H/4, W/4), where it was computed at once."""


def measure(generator: Generator, photo: Photo, picture: Box, look: Look, tiling: Tiling | None = None) -> Shared:
    """Measure what the parts of a picture share; ``look`` has one row, and the picture's sides are multiples of 8."""
    tiling = tiling or Tiling()
    if (picture.bottom - picture.top) * (picture.right - picture.left) <= tiling.whole:
        return _measure_whole(generator, photo, picture, look, tiling)
    boxes = samples(picture, tiling)
    look = look.expand(len(boxes))
    measured = Measured()
    shares = shares_of(look.skips)
    x, half, full = generator.encode(torch.cat([photo(box) for box in boxes]), shares, measured)
    x = generator.trunk(x, look.prompt, look.prompt_bias, shares[2], measured)
    generator.enlarge(x, half, full, shares, measured)
    return Shared(Fixed(measured))


def _measure_whole(generator: Generator, photo: Photo, picture: Box, look: Look, tiling: Tiling) -> Shared:
    measured = Measured()
    norms, shares = Fixed(measured), shares_of(look.skips)

    def before_norm(x: Tensor, number: int) -> Tensor:
        """What the numbered one of the first layers makes of a photo, before its norm."""
        for name in FIRST_LAYERS[:number]:
            x = norms.instance_relu(name, generator.layer(name, x))
        return generator.layer(FIRST_LAYERS[number], x)

    def first(number: int) -> Iterator[Tensor]:
        for strip in picture.strips(tiling.strip):
            seen = strip.grown(FIRST, picture)
            yield strip.of(before_norm(photo(seen), number), seen, 2**number)

    for number in (0, 1):
        measured.moments[FIRST_LAYERS[number]] = moments(first(number))
    x = joined(first(2), (picture.bottom - picture.top) // 4)
    measured.moments[FIRST_LAYERS[2]] = moments([x])
    x = norms.instance_relu(FIRST_LAYERS[2], x)
    x = generator.trunk(x, look.prompt, look.prompt_bias, shares[2], IN_PLACE)

    def up2(seen: Box) -> Tensor:
        return generator.up2(seen.of(x, picture, 4))

    def up1(seen: Box) -> Tensor:
        half, _ = _bypassing(generator, photo, seen, picture, shares, norms)
        return generator.up1(generator.join(norms.instance_relu("up2", up2(seen)), half, shares[1]))

    for name, layer, scale in (("up2", up2, 2), ("up1", up1, 1)):
        windows = ((strip, strip.grown(LAST, picture)) for strip in picture.strips(tiling.strip))
        measured.moments[name] = moments(strip.of(layer(seen), seen, scale) for strip, seen in windows)
    return Shared(norms, x)


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
    generator: Generator, photo: Photo, picture: Box, look: Look, shared: Shared, tiling: Tiling | None = None
) -> Iterator[tuple[Box, Tensor]]:
    """The generator's picture, part by part: each box with its (1, 3, H, W) in [-1, 1].

    Args:
        generator: on a CPU or a GPU, with concepts folded in.
        picture: the whole; its sides are multiples of 8.
        look: of one row.
        shared: what `measure` returned.
    """
    tiling = tiling or Tiling()
    shares, norms = shares_of(look.skips), shared.norms
    margin = LAST + trunk_margin(generator.config)
    for tile in [picture] if shared.trunk is not None else picture.tiles(tiling.tile):
        if shared.trunk is not None:
            window, x = picture, shared.trunk
        else:
            window = tile.grown(margin, picture)
            strips = (_encoded(generator, photo, strip, picture, norms) for strip in window.strips(tiling.strip))
            x = joined(strips, (window.bottom - window.top) // 4)
            x = generator.trunk(x, look.prompt, look.prompt_bias, shares[2], norms)
        for strip in tile.strips(tiling.strip):
            seen = strip.grown(LAST, picture)
            half, full = _bypassing(generator, photo, seen, picture, shares, norms)
            made = generator.decode(seen.of(x, window, 4), half, full, shares, norms)
            yield strip, strip.of(made, seen)


def _bypassing(
    generator: Generator, photo: Photo, seen: Box, picture: Box, shares: Shares, norms: Own
) -> tuple[Tensor | None, Tensor | None]:
    """What bypasses the bottleneck at half and at full size, of a part of the picture."""
    if shares[:2] == (None, None):
        return None, None
    wider = seen.grown(FIRST, picture)
    _, half, full = generator.encode(photo(wider), shares, norms)
    return None if half is None else seen.of(half, wider, 2), None if full is None else seen.of(full, wider, 1)


def trunk_margin(config: GeneratorConfig) -> int:
    """Pixels that the trunk sees around it: two pixels of its quarter size for a residual block, and five for a
    transformer block, whose tokens are half as many."""
    return -(-4 * (2 * config.res_blocks + 5 * len(config.tb_positions)) // 8) * 8


def _encoded(generator: Generator, photo: Photo, strip: Box, picture: Box, norms: Own) -> Tensor:
    seen = strip.grown(FIRST, picture)
    x, _, _ = generator.encode(photo(seen), NOTHING, norms)
    return strip.of(x, seen, 4)
