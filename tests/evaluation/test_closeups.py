"""Which crops the report shows at full size."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter

from e2gan.evaluation import closeups
from e2gan.evaluation.closeups import KINDS, SIDE, choose_closeups, face_finder
from e2gan.installing import install_command


def noise(width: int, height: int, seed: int = 0, mean: float = 128, spread: float = 60) -> np.ndarray:
    grey = np.random.default_rng(seed).normal(mean, spread, (height, width, 1)).clip(0, 255).astype(np.uint8)
    return np.repeat(grey, 3, axis=2)


def foliage() -> Image.Image:
    """Leaves on the right, grey noise on the left."""
    pixels = noise(800, 400)
    pixels[:, 400:] = np.random.default_rng(1).integers(0, 200, (400, 400, 1)) * np.array([0.4, 1.0, 0.3])
    return Image.fromarray(pixels)


def sky() -> Image.Image:
    """A flat sky above rocks."""
    pixels = noise(640, 480, 2)
    pixels[:260] = (150, 180, 220)
    return Image.fromarray(pixels)


def night() -> Image.Image:
    """Lamps at the lower right."""
    picture = Image.fromarray(noise(700, 500, 3, mean=12, spread=6))
    draw = ImageDraw.Draw(picture)
    for n in range(8):
        draw.ellipse((480 + 24 * n, 400, 500 + 24 * n, 420), fill=(255, 230, 160))
    return picture


def plain(seed: int = 4) -> Image.Image:
    return Image.fromarray(noise(320, 320, seed))


def face(photo: Image.Image) -> closeups.Place | None:
    """A finder that sees one in the pictures of 320 pixels."""
    return (100.0, 10, 310) if photo.size == (320, 320) else None


PHOTOS = [plain(), sky(), foliage(), night()]


def chosen(photos: list[Image.Image], **more: object) -> tuple[dict[str, closeups.Closeup], dict[str, str]]:
    targets = [Image.new("RGB", photo.size, "red") for photo in photos]
    edited = [Image.new("RGB", photo.size, "blue") for photo in photos]
    found, missing = choose_closeups(photos, targets, edited, [str(n) for n in range(len(photos))], **more)  # type: ignore[arg-type]
    return {each.kind: each for each in found}, missing


def test_each_kind_is_found_where_it_is() -> None:
    found, missing = chosen(PHOTOS, faces=face)
    assert missing == {}
    assert list(found) == list(KINDS)
    assert {kind: each.source for kind, each in found.items()} == dict(zip(KINDS, ("0", "2", "1", "3")))
    for each in found.values():
        assert each.photo.size == each.target.size == each.edited.size == (SIDE, SIDE)
        assert (each.target.getpixel((0, 0)), each.edited.getpixel((0, 0))) == ((255, 0, 0), (0, 0, 255))
    leaves = np.asarray(found["foliage"].photo, float).mean(axis=(0, 1))
    assert leaves[1] > 1.5 * leaves[0], "the crop holds the leaves, not the grey half"
    assert (np.asarray(found["flat sky"].photo)[:, :, 2] == 220).mean() > 0.8
    assert np.asarray(found["night"].photo).max() > 200, "the crop holds the lamps"


def test_what_is_not_there_is_said() -> None:
    found, missing = chosen([plain(), plain(5)])
    assert found == {}
    assert list(missing) == list(KINDS)
    assert missing["face"] == f"not looked for: {install_command('e2gan[faces]')}"
    assert missing["night"] == "none among the test photos"
    assert chosen([sky()], faces=face)[1]["face"] == "none among the test photos"


def test_a_portrait_before_a_dark_wall_is_no_night() -> None:
    found, missing = chosen([night()], faces=lambda photo: (90.0, 100, 100))
    assert list(found) == ["face"] and "night" in missing


def test_a_dark_photo_without_lights_or_a_burnt_sky_is_none() -> None:
    dark = Image.fromarray(noise(320, 320, 6, mean=12, spread=6))
    white = Image.new("RGB", (320, 320), "white")
    assert chosen([dark, white])[0] == {}


def test_kinds_are_shown_of_different_photos_as_far_as_there_are() -> None:
    greener = sky()
    greener.paste(foliage().crop((400, 0, 800, 220)).resize((640, 220)), (0, 260))
    assert {kind: each.source for kind, each in chosen([greener, foliage()])[0].items()} == {
        "foliage": "1",
        "flat sky": "0",
    }
    alone, _ = chosen([greener])
    assert {kind: each.source for kind, each in alone.items()} == {"foliage": "0", "flat sky": "0"}


@settings(max_examples=25)
@given(width=st.integers(8, 700), height=st.integers(8, 700), row=st.integers(0, 700), column=st.integers(0, 700))
def test_a_crop_lies_inside_its_picture(width: int, height: int, row: int, column: int) -> None:
    found, _ = chosen(
        [Image.new("RGB", (width, height), "grey")], faces=lambda photo: (50.0, min(row, height), min(column, width))
    )
    assert found["face"].photo.size == (min(SIDE, width), min(SIDE, height))


def test_without_scikit_image_faces_are_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    monkeypatch.setitem(sys.modules, "skimage.feature", None)
    monkeypatch.setitem(sys.modules, "skimage.data", None)
    assert face_finder() is None


def portrait(side: int) -> Image.Image:
    """The astronaut who comes with scikit-image."""
    from skimage.data import astronaut

    return Image.fromarray(astronaut()[:300, 80:380]).resize((side, side), Image.Resampling.LANCZOS)


def test_the_cascade_finds_a_face() -> None:
    pytest.importorskip("skimage")
    finder = face_finder()
    assert finder is not None
    photo = Image.new("RGB", (700, 400), (90, 120, 90)).filter(ImageFilter.GaussianBlur(3))
    photo.paste(portrait(300), (350, 50))
    place = finder(photo)
    assert place is not None
    size, row, column = place
    assert 60 < size < 250 and 50 < row < 350 and 400 < column < 620
    assert finder(Image.new("RGB", (300, 200), "teal")) is None
    assert finder(Image.new("RGB", (300, 20), "teal")) is None
