"""The lattice measure: 1 for a pattern that repeats every few pixels, 0 for strokes, grain and flat areas."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from e2gan.evaluation.lattice import flat_areas, lattice_share


def picture(luma: np.ndarray) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(luma), 0, 255).astype(np.uint8)).convert("RGB")


def weave(period: int, height: int = 128, width: int = 160, strength: float = 12) -> np.ndarray:
    tile = np.random.default_rng(period).standard_normal((period, period))
    tiles = np.tile(tile, (-(-height // period), -(-width // period)))
    return strength * tiles[:height, :width]


def grain(height: int = 128, width: int = 160, strength: float = 12, seed: int = 0) -> np.ndarray:
    return strength * np.random.default_rng(seed).standard_normal((height, width))


@pytest.mark.parametrize("period", [2, 4, 8])
def test_what_repeats_every_few_pixels_is_a_lattice(period):
    share = lattice_share(picture(128 + weave(period)))
    assert share is not None and share > 0.9


def test_strokes_grain_and_other_periods_are_none():
    rows, columns = np.indices((256, 256))
    strokes = 128 + 30 * np.sin(rows / 1.7 + 3 * np.sin(columns / 23))
    for made in (128 + grain(), strokes, 128 + weave(7, 256, 256)):
        share = lattice_share(picture(made))
        assert share is not None and share < 0.02


def test_it_is_the_share_of_all_fine_detail():
    half = lattice_share(picture(128 + weave(8) + grain(seed=1)))
    strength = weave(8).var() / (weave(8).var() + grain().var())
    assert half == pytest.approx(strength, abs=0.1)


def test_a_flat_picture_has_none_and_a_small_area_says_nothing():
    assert lattice_share(picture(np.full((128, 128), 90.0))) == 0
    assert lattice_share(picture(128 + weave(8)), np.zeros((128, 160), bool)) is None
    assert lattice_share(picture(128 + weave(8, 24, 24))) is None


def test_only_the_area_counts():
    made = 128 + grain(256, 256)
    made[:, :128] = 128 + weave(8, 256, 128)
    left = np.zeros((256, 256), bool)
    left[:, :128] = True
    on, off = (lattice_share(picture(made), area) for area in (left, ~left))
    assert on is not None and off is not None and on > 0.8 and off < 0.05


def test_flat_areas_are_where_there_is_no_detail():
    photo = np.full((64, 128), 120.0)
    photo[:, 64:] += grain(64, 64, strength=40)
    flat = flat_areas(picture(photo))
    assert flat.shape == (64, 128)
    assert flat[:, :56].all() and not flat[:, 72:].any()


@given(st.integers(0, 2**32 - 1), st.integers(1, 80), st.integers(1, 80))
@settings(max_examples=40, deadline=None)
def test_it_is_a_share_of_any_picture(seed, height, width):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    share = lattice_share(Image.fromarray(pixels))
    assert share is None or 0 <= share <= 1
