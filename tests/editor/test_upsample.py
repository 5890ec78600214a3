"""Small edits at the size of their photos."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from e2gan import upsample
from e2gan.strength import mix
from e2gan.upsample import guided_upsample
from tests.editor.tiny import photo


def smaller(picture: np.ndarray, factor: int = 4) -> np.ndarray:
    height, width = picture.shape[0] // factor, picture.shape[1] // factor
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))


def enlarged(picture: np.ndarray, like: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).resize(like.shape[1::-1], Image.Resampling.BICUBIC))


def grey(width: int, height: int) -> np.ndarray:
    return photo(width, height)[..., :1].repeat(3, -1)


def error(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(float) - b).mean())


def test_a_grade_keeps_the_photos_finest_detail() -> None:
    picture = grey(320, 240)
    edit = 0.8 - 0.6 * picture / 255
    small = smaller(picture)
    result = guided_upsample(picture, small, (0.8 - 0.6 * small / 255).astype(np.float32))
    plain = enlarged(np.rint(255 * (0.8 - 0.6 * small / 255)).astype(np.uint8), picture)
    assert error(result, 255 * edit) < 0.5 * error(plain, 255 * edit)


def test_strokes_survive() -> None:
    """What is in the edit alone is not wiped out: made small again, the result is the edit."""
    picture = photo(320, 240)
    small = smaller(picture)
    strokes = photo(80, 60, seed=9).astype(np.float32) / 255
    result = guided_upsample(picture, small, strokes)
    assert error(smaller(result), 255 * strokes) < 6


def test_flat_photos_get_the_edit_as_it_is() -> None:
    picture = np.full((160, 240, 3), 128, np.uint8)
    strokes = photo(60, 40, seed=9)
    result = guided_upsample(picture, smaller(picture), strokes.astype(np.float32) / 255)
    assert error(result, enlarged(strokes, picture)) < 0.5


def test_strips_leave_no_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = photo(123, 211)
    arguments = picture, smaller(picture), photo(30, 52, seed=3).astype(np.float32) / 255
    whole = guided_upsample(*arguments)
    monkeypatch.setattr(upsample, "STRIP", 123 * 7)
    assert np.abs(guided_upsample(*arguments).astype(int) - whole).max() <= 1


@settings(max_examples=40)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 9), st.integers(1, 9), st.floats(0, 1))
def test_any_size(width: int, height: int, small_width: int, small_height: int, strength: float) -> None:
    picture = photo(width, height)
    small = photo(small_width, small_height)
    result = guided_upsample(picture, small, small.astype(np.float32) / 255, strength)
    assert result.shape == picture.shape and result.dtype == np.uint8
    if strength == 0:
        assert np.array_equal(result, picture)


def test_mix_rounds_and_stays_in_range() -> None:
    picture = np.array([[[0, 100, 255]]], np.uint8)
    edit = np.array([[[-0.5, 0.5, 1.5]]], np.float32)
    assert mix(picture, edit, 1).tolist() == [[[0, 128, 255]]]
    assert mix(picture, edit, 0).tolist() == picture.tolist()
    assert mix(picture, edit, 0.5).tolist() == [[[0, 114, 255]]]
