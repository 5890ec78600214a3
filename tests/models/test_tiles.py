"""Pictures in tiles: as the whole, wherever the tiles lie."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from e2gan.models.boxes import Box
from e2gan.models.generator import Generator
from e2gan.models.layout import GeneratorConfig, Skips
from e2gan.models.look import Look, look_of
from e2gan.models.tiles import (
    BYTES,
    BYTES_OF_WHOLE,
    LAST,
    SMALLEST,
    Photo,
    Tiling,
    edit_in_tiles,
    fitting,
    measure,
    samples,
    trunk_margin,
)

LAYOUTS = [
    ("none", (0.0, 0.0, 0.0), (2,)),
    ("mean", (1.0, 0.5, 0.25), (2,)),
    ("mean", (0.0, 0.0, 1.0), (0, 1)),
    ("binomial", (0.5, 0.0, 0.0), (3,)),
]


def generator(smoothing: str, positions: tuple[int, ...]) -> Generator:
    torch.manual_seed(0)
    config = GeneratorConfig(
        prompt_dim=8, width=8, heads=2, smoothing=smoothing, skips=True, res_blocks=3, tb_positions=positions
    )
    return Generator(config).eval().requires_grad_(False)


def look(skips: Skips) -> Look:
    return look_of(torch.randn(3, 8, generator=torch.Generator().manual_seed(1)), skips=skips)


def picture(height: int, width: int) -> tuple[Tensor, Box]:
    x = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(2)) * 2 - 1
    return x * torch.linspace(0.2, 1, width), Box(0, height, 0, width)


def edited(network: Generator, x: Tensor, whole: Box, look: Look, tiling: Tiling, measured_with: Tiling) -> Tensor:
    def photo(box: Box) -> Tensor:
        return box.of(x, whole)

    made = torch.full_like(x, torch.nan)
    shared = measure(network, photo, whole, look, measured_with)
    for box, part in edit_in_tiles(network, photo, whole, look, shared, tiling):
        box.of(made, whole)[:] = part
    return made


@pytest.mark.parametrize(("smoothing", "skips", "positions"), LAYOUTS)
@torch.inference_mode()
def test_a_picture_that_is_its_own_sample_is_edited_as_in_one_piece(
    smoothing: str, skips: Skips, positions: tuple[int, ...]
) -> None:
    network, x_and_box, seen = generator(smoothing, positions), picture(200, 264), look(skips)
    x, whole = x_and_box
    expected = network(x, seen.prompt, seen.prompt_bias, seen.skips)
    for tiling in (Tiling(96, 32), Tiling(128, 64), Tiling(512, 512)):
        made = edited(network, x, whole, seen, tiling, Tiling(whole=0))
        assert (made - expected).abs().max() < 5e-5


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize(("smoothing", "skips", "positions"), LAYOUTS)
@torch.inference_mode()
def test_what_a_picture_shares_is_measured_on_all_of_it(
    smoothing: str, skips: Skips, positions: tuple[int, ...], in_place: bool
) -> None:
    network, x_and_box, seen = generator(smoothing, positions), picture(200, 264), look(skips)
    x, whole = x_and_box
    expected = network(x, seen.prompt, seen.prompt_bias, seen.skips)
    if in_place:
        network.work_in_place()
    for strip in (8, 56, 512):
        few = Tiling(64, strip, sample=64, samples=2)
        made = edited(network, x, whole, seen, few, few)
        assert (made - expected).abs().max() < 5e-5


@torch.inference_mode()
def test_samples_stand_for_the_whole_and_tiles_can_lie_anywhere() -> None:
    network, seen = generator("mean", (2,)), look((0.0, 0.0, 0.5))
    x, whole = picture(256, 384)
    few = Tiling(sample=64, samples=6, whole=0)
    one = edited(network, x, whole, seen, Tiling(512, 512), few)
    assert (one - network(x, seen.prompt, seen.prompt_bias, seen.skips)).abs().mean() < 0.1
    for tiling in (Tiling(96, 32), Tiling(160, 40), Tiling(64, 64)):
        assert (edited(network, x, whole, seen, tiling, few) - one).abs().max() < 5e-5


@torch.inference_mode()
def test_a_pixel_sees_only_its_surroundings() -> None:
    """What is far away changes nothing, once the statistics are given."""
    network, seen = generator("mean", (2,)), look((1.0, 1.0, 1.0))
    x, whole = picture(64, 512)

    def photo_of(x: Tensor) -> Photo:
        return lambda box: box.of(x, whole)

    shared = measure(network, photo_of(x), whole, seen, Tiling(whole=0))
    other = x.clone()
    other[..., 256:] *= -1
    left = [
        {box: part for box, part in edit_in_tiles(network, photo_of(p), whole, seen, shared, Tiling(64, 64))}[
            Box(0, 64, 64, 128)
        ]
        for p in (x, other)
    ]
    assert torch.equal(*left)


sides = st.integers(4, 500).map(lambda n: 8 * n)


@given(sides, sides)
def test_samples_are_in_the_picture_of_one_size_and_together_no_larger_than_asked(height: int, width: int) -> None:
    tiling, whole = Tiling(sample=64, samples=16), Box(0, height, 0, width)
    boxes = samples(whole, tiling)
    assert len(set(boxes)) == len(boxes) >= 1
    sizes = {(box.bottom - box.top, box.right - box.left) for box in boxes}
    assert len(sizes) == 1
    ((rows, columns),) = sizes
    assert len(boxes) * rows * columns <= max(height * width * (boxes == [whole]), 16 * 64**2)
    for box in boxes:
        assert box.grown(0, whole) == box
        assert not any(n % 8 for n in (box.top, box.bottom, box.left, box.right))
    if boxes != [whole]:
        assert len(boxes) * rows * columns >= 16 * 64**2 / 4  # enough to stand for the picture


@given(sides, sides, st.integers(1, 40), st.integers(1, 40))
def test_tiles_cover_a_picture_once(height: int, width: int, tile: int, strip: int) -> None:
    whole = Box(0, height, 0, width)
    seen = torch.zeros(1, 1, height // 8, width // 8)
    for box in whole.tiles(64 * tile):
        for part in box.strips(8 * strip):
            part.of(seen, whole, 8)[:] += 1
    assert seen.eq(1).all()


@given(st.integers(0, 10**10), st.sampled_from([2, 4]))
def test_tiles_fit_the_memory_and_are_never_too_small_to_pay(memory: int, itemsize: int) -> None:
    config = GeneratorConfig()
    tiling = fitting(memory, config, itemsize)
    memory = memory * 4 // itemsize
    assert SMALLEST <= tiling.tile <= Tiling.tile
    assert tiling.tile % 8 == 0
    assert tiling.whole * BYTES_OF_WHOLE <= max(memory, 0)
    if tiling.tile > SMALLEST:
        assert BYTES * (tiling.tile + 2 * (LAST + trunk_margin(config))) ** 2 <= memory


def test_without_a_limit_tiles_are_the_usual_ones() -> None:
    assert fitting(float("inf"), GeneratorConfig()) == Tiling()
