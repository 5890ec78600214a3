from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageFilter

from e2gan.evaluation.ssim import ssim


def noise(seed: int = 0, side: int = 48) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (side // 4, side // 4, 3), dtype=np.uint8)
    return Image.fromarray(values).resize((side, side), Image.Resampling.BICUBIC)


def test_of_plain_pictures_only_the_means_count() -> None:
    a, b = (Image.new("L", (32, 32), value) for value in (51, 153))
    expected = (2 * 0.2 * 0.6 + 0.01**2) / (0.2**2 + 0.6**2 + 0.01**2)
    assert ssim(a, b) == pytest.approx(expected)


def test_it_is_the_formula_of_the_paper_with_its_window() -> None:
    x, y = (np.asarray(noise(seed).convert("L"), np.float64)[:11, :11] / 255 for seed in (0, 1))
    window = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    weights = np.outer(window, window) / window.sum() ** 2
    mx, my = (weights * x).sum(), (weights * y).sum()
    vx, vy = (weights * (x - mx) ** 2).sum(), (weights * (y - my) ** 2).sum()
    covariance = (weights * (x - mx) * (y - my)).sum()
    c1, c2 = 0.01**2, 0.03**2
    expected = (2 * mx * my + c1) * (2 * covariance + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    # Eleven pixels wide: the window lies inside at one place alone.
    a, b = (noise(seed).crop((0, 0, 11, 11)) for seed in (0, 1))
    assert ssim(a, b) == pytest.approx(expected)


def test_a_blurred_picture_is_less_alike_than_a_brighter_one() -> None:
    picture = noise()
    blurred, brighter = picture.filter(ImageFilter.GaussianBlur(4)), picture.point(lambda value: min(255, value + 8))
    assert ssim(picture, blurred) < 0.9 * ssim(picture, brighter)


pictures = arrays(np.uint8, st.tuples(st.integers(1, 24), st.integers(1, 24)))


@given(pictures, st.data())
def test_it_is_1_for_equal_pictures_and_the_same_both_ways(values: np.ndarray, data: st.DataObject) -> None:
    a = Image.fromarray(values)
    b = Image.fromarray(data.draw(arrays(np.uint8, values.shape)))
    assert ssim(a, a) == pytest.approx(1)
    assert ssim(a, b) == pytest.approx(ssim(b, a))
    assert abs(ssim(a, b)) <= 1 + 1e-9
