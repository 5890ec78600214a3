"""What hides under transparency takes no part."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from e2gan.images import opaque, open_image
from tests.images.patches import saved, tiff

HIDDEN = [(0, 0, 0), (255, 255, 255), (220, 120, 60), (0, 255, 0)]


def disc(hidden: tuple[int, int, int], side: int = 48) -> np.ndarray:
    """A disc of one colour with soft edges, and another colour hidden around it: (side, side, 4) uint8."""
    y, x = np.mgrid[:side, :side]
    opacity = np.clip((side * 0.35 - np.hypot(x - side / 2 + 0.5, y - side / 2 + 0.5)) / 2 + 0.5, 0, 1)
    pixels = np.empty((side, side, 3), np.uint8)
    pixels[:] = hidden
    pixels[opacity > 0] = (220, 120, 60)
    return np.dstack([pixels, np.rint(opacity * 255).astype(np.uint8)])


def test_hidden_colours_become_those_around_them() -> None:
    for hidden in HIDDEN:
        seen = np.asarray(opaque(Image.fromarray(disc(hidden)))).astype(int)
        assert np.abs(seen - (220, 120, 60)).max() <= 6


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF", "16-bit TIFF"])
def test_what_looks_alike_opens_alike(format: str) -> None:
    opened = []
    for hidden in HIDDEN:
        pixels = disc(hidden)
        if format == "16-bit TIFF":
            data = tiff(pixels.astype(np.uint16) * 257, photometric="rgb", extrasamples=["unassalpha"])
        else:
            data = saved(pixels, format, **({"lossless": True, "exact": True} if format == "WEBP" else {}))
        opened.append(np.asarray(open_image(data)))
        assert np.array_equal(opened[-1][..., 3], pixels[..., 3])
    assert all(np.array_equal(opened[0], other) for other in opened[1:])


def test_half_transparent_pixels_keep_their_colours() -> None:
    pixels = np.full((8, 8, 4), (10, 200, 90, 128), np.uint8)
    pixels[:4] = (255, 0, 0, 0)
    opened = np.asarray(open_image(saved(pixels)))
    assert (opened[4:] == (10, 200, 90, 128)).all()
    assert np.abs(opened[:4, :, :3].astype(int) - (10, 200, 90)).max() <= 1


def test_what_shows_nothing_is_white() -> None:
    assert opaque(Image.new("RGBA", (5, 3), (9, 9, 9, 0))).getcolors() == [(15, (255, 255, 255))]


def test_what_hides_nothing_is_left_as_it_is() -> None:
    plain = Image.new("RGB", (4, 4), (1, 2, 3))
    assert opaque(plain) is plain
    pixels = np.full((4, 4, 4), (1, 2, 3, 77), np.uint8)
    assert np.array_equal(np.asarray(opaque(Image.fromarray(pixels))), pixels[..., :3])


def test_the_picture_itself_is_not_changed() -> None:
    for size in ((1, 1), (7, 5)):
        image = Image.new("RGBA", size, (1, 2, 3, 100))
        image.putpixel((0, 0), (50, 60, 70, 100))
        before = image.tobytes()
        opaque(image, faint=200)
        assert image.tobytes() == before


@settings(max_examples=40)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_any_picture_is_filled(width: int, height: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    pixels = chance.integers(0, 256, (height, width, 4), dtype=np.uint8)
    pixels[..., 3] *= chance.random((height, width)) < 0.3
    other = pixels.copy()
    other[pixels[..., 3] == 0, :3] ^= 0xFF
    filled = np.asarray(opaque(Image.fromarray(pixels)))
    assert np.array_equal(filled, np.asarray(opaque(Image.fromarray(other))))
    visible = pixels[..., 3] > 0
    assert np.array_equal(filled[visible], pixels[visible][:, :3])
