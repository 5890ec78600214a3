"""Steady edits: what is carried along, and what is not."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("cv2")

from e2gan.base import Base
from e2gan.editor import Editor
from e2gan.moving.steady import Steady
from tests.editor.tiny import PAINTING, write_tiny_concept


def scene(seed: int = 0, width: int = 160, height: int = 96) -> np.ndarray:
    """(height, width, 3) uint8: soft shapes."""
    random = np.random.default_rng(seed)
    shapes = Image.fromarray(random.integers(20, 236, (12, 20, 3), dtype=np.uint8))
    return np.asarray(shapes.resize((width, height), Image.Resampling.BICUBIC))


def grain(picture: np.ndarray, amount: int, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(-amount, amount + 1, picture.shape)
    return (picture.astype(int) + noise).clip(0, 255).astype(np.uint8)


def far(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(float) - b).mean())


def wavering(frames: list[np.ndarray]) -> float:
    return float(np.mean([far(a, b) for a, b in pairwise(frames)]))


def test_zero_leaves_each_edit_as_it_is() -> None:
    steady = Steady(0)
    for number in range(3):
        edit = grain(scene(), 40, number)
        assert np.array_equal(steady(scene(), edit), edit)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_out_of_range(share: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        Steady(share)


def test_equal_edits_stay_equal() -> None:
    steady = Steady()
    edits = [steady(scene(), 255 - scene()) for _ in range(4)]
    assert all(far(edit, 255 - scene()) < 0.6 for edit in edits)


def test_a_still_cameras_grain_hardly_wavers() -> None:
    photos = [grain(scene(), 6, number) for number in range(8)]
    edits = [grain(255 - scene(), 30, 100 + number) for number in range(8)]
    steady = Steady()
    results = [steady(photo, edit) for photo, edit in zip(photos, edits)]
    assert wavering(results[2:]) < 0.35 * wavering(edits[2:])
    assert far(results[-1], 255 - scene()) < far(edits[-1], 255 - scene())


def test_more_is_steadier() -> None:
    edits = [grain(scene(), 30, number) for number in range(6)]
    wavers = []
    for share in (0, 0.3, 0.6, 0.9):
        steady = Steady(share)
        wavers.append(wavering([steady(scene(), edit) for edit in edits]))
    assert wavers == sorted(wavers, reverse=True)


def test_brightness_that_jumps_is_smoothed() -> None:
    steady = Steady()
    base = scene() // 2
    levels = [steady(scene(), base + (20 if number % 2 else 0)).mean() for number in range(10)]
    assert max(levels[4:]) - min(levels[4:]) < 6


def test_an_edit_follows_a_pan() -> None:
    """What is carried lies where the photo has moved to, and stays sharp."""
    wide = scene(width=220)
    photos = [np.ascontiguousarray(wide[:, 4 * n : 4 * n + 160]) for n in range(10)]
    steady = Steady()
    results = [steady(photo, 255 - photo) for photo in photos]
    assert far(results[-1], 255 - photos[-1]) < 2.5


def test_what_comes_into_sight_is_not_covered_by_what_was_there() -> None:
    photos = []
    for number in range(6):
        photo = scene().copy()
        photo[30:60, 10 + 15 * number : 40 + 15 * number] = 250, 20, 20
        photos.append(photo)
    steady = Steady(1)
    results = [steady(photo, photo) for photo in photos]
    uncovered = results[-1][32:58, 72:82]  # where the square was a frame ago
    assert far(uncovered, photos[-1][32:58, 72:82]) < 20
    assert far(results[-1], photos[-1]) < 4


def test_a_cut_starts_anew() -> None:
    steady = Steady(1)
    steady(scene(1), np.zeros_like(scene()))
    edit = np.full_like(scene(), 200)
    assert np.array_equal(steady(scene(7), edit), edit)


def test_another_size_starts_anew() -> None:
    steady = Steady(1)
    steady(scene(), scene())
    edit = scene(3, 80, 48)
    assert np.array_equal(steady(scene(3, 80, 48), edit), edit)


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (33, 31), (1000, 20), (20, 1000), (1280, 720)])
def test_any_size(size: tuple[int, int]) -> None:
    steady = Steady()
    for number in range(3):
        photo = np.ascontiguousarray(grain(scene(width=size[0], height=size[1]), 3, number))
        assert steady(photo, photo).shape == photo.shape


def test_noise_lies_still_on_the_frame(new_base: Base, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The seeds of strokes are fixed to the frame's corner: what stays in the photo stays in the edit."""
    concept = write_tiny_concept(tmp_path_factory.mktemp("noise") / "oils", new_base, **PAINTING)
    editor = Editor(new_base, device="cpu", dtype="float32")
    flat = Image.new("RGB", (72, 40), (90, 120, 150))
    first = np.asarray(editor.apply(flat, concept))
    assert first.std() > 0.5  # strokes
    moved = flat.copy()
    moved.paste((200, 30, 30), (60, 30, 64, 34))
    editor.apply(moved, concept)
    assert np.array_equal(first, editor.apply(flat, concept))
    together = editor.apply_batch([flat, flat], concept)
    assert far(np.asarray(together[0]), np.asarray(together[1])) == 0
    assert far(np.asarray(together[0]), first) < 0.1
