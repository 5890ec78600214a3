"""What a file declares is looked at before any memory is taken for it."""

from __future__ import annotations

import io
import struct
import tracemalloc
import warnings
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks import mutated
from e2gan.errors import ImageError
from e2gan.images import LARGE, PHOTO, PREVIEW, UPLOAD, Limits, open_image
from tests.images.patches import chunk, saved, tiff


def refused(data: bytes, **options: Any) -> str:
    with pytest.raises(ImageError) as caught, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        open_image(data, **options)
    return str(caught.value)


def png(width: int, height: int, depth: int = 8, kind: int = 2, rows: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def sized(data: bytes, at: int, form: str, *values: int) -> bytes:
    return data[:at] + struct.pack(form, *values) + data[at + struct.calcsize(form) :]


SMALL = Image.new("RGB", (16, 16), "red")


def swollen(width: int, height: int) -> dict[str, bytes]:
    """Small files that declare a size, by format."""
    jpeg, gif, bmp = saved(SMALL, "JPEG"), saved(SMALL.quantize(4), "GIF"), saved(SMALL, "BMP")
    jp2 = saved(SMALL, "JPEG2000")
    jp2 = sized(jp2, jp2.index(b"ihdr") + 4, ">II", height, width)
    codestream = jp2.index(b"\xff\x51")
    for at in (6, 22):
        jp2 = sized(jp2, codestream + at, ">II", width, height)
    found = {
        "png": png(width, height),
        "png-16": png(width, height, 16, 6),
        "bmp": sized(bmp, 18, "<ii", width, height),
        "ppm": f"P6 {width} {height} 255\n".encode() + bytes(40),
        "jp2": jp2,
    }
    if max(width, height) < 65_536:
        found["jpeg"] = sized(jpeg, jpeg.index(b"\xff\xc0") + 5, ">HH", height, width)
        at = gif.index(b",") + 5
        found["gif"] = sized(sized(gif, 6, "<HH", width, height), at, "<HH", width, height)
    for kind in (np.uint8, np.uint16):
        small = tiff(np.zeros((16, 16), kind), photometric="minisblack")
        data = small.replace(struct.pack("<HHII", 256, 4, 1, 16), struct.pack("<HHII", 256, 4, 1, width))
        data = data.replace(struct.pack("<HHII", 257, 4, 1, 16), struct.pack("<HHII", 257, 4, 1, height))
        if data == small:
            data = small.replace(struct.pack("<HHIH", 256, 3, 1, 16), struct.pack("<HHIH", 256, 3, 1, width % 65_536))
            data = data.replace(struct.pack("<HHIH", 257, 3, 1, 16), struct.pack("<HHIH", 257, 3, 1, height % 65_536))
        found[f"tiff-{np.dtype(kind).itemsize}"] = data
    return found


@pytest.mark.parametrize("size", [(3000, 2000), (2, 60_000), (60_000, 2), (100_000, 20)])
@pytest.mark.parametrize("format", swollen(16, 16))
def test_a_small_file_that_declares_much_is_refused_before_memory_is_taken(format: str, size: tuple[int, int]) -> None:
    data = swollen(*size).get(format)
    if data is None:
        pytest.skip("the format cannot declare that")
    limits = Limits(size[0] * size[1], side=50_000)
    tracemalloc.start()
    try:
        assert "\n" not in refused(data, limits=limits)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("format", ["png", "bmp", "ppm", "jpeg", "gif", "tiff-1", "tiff-2"])
def test_a_file_too_short_for_its_size_is_refused_within_the_limits(format: str) -> None:
    tracemalloc.start()
    try:
        assert "damaged or cut off" in refused(swollen(3000, 2000)[format])
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_side_is_bounded_however_few_pixels() -> None:
    assert "a side longer than the 300,000 pixels" in refused(png(300_001, 1))


def test_pictures_from_strangers_may_take_less() -> None:
    assert PREVIEW.memory < UPLOAD.memory < PHOTO.memory == 1_500_000_000 < LARGE.memory
    medium = png(5000, 4000, rows=bytes(5000 * 4000 * 3 + 4000))
    assert refused(medium, limits=PREVIEW) == "the picture: larger than the 8.33 megapixels allowed (5000×4000)"


def test_deep_pictures_take_more() -> None:
    limits = Limits(12 * 16 * 16)
    assert open_image(saved(SMALL), limits=limits).size == (16, 16)
    assert "larger than" in refused(tiff(np.zeros((16, 16, 3), np.float32), photometric="rgb"), limits=limits)


def test_a_picture_in_memory_is_not_refused() -> None:
    assert open_image(SMALL, limits=Limits(1)).size == (16, 16)
    with Image.open(io.BytesIO(saved(SMALL))) as lazy, pytest.raises(ImageError, match="larger than"):
        open_image(lazy, limits=Limits(1))


def test_a_stream_is_not_read_without_end() -> None:
    class Endless(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            buffer[:] = bytes(len(buffer))
            return len(buffer)

    with pytest.raises(ImageError, match="larger than the 1 MB allowed"):
        open_image(io.BufferedReader(Endless()), limits=Limits(2_000_000))


def test_damaged_pictures_of_every_format_are_opened_or_refused() -> None:
    """The short form of `python -m benchmarks.mutated`."""
    outcome = mutated.try_all(len(mutated.seeds()) * 8, seed=1)
    assert outcome.opened and outcome.refused


def test_the_undamaged_ones_are_all_opened() -> None:
    for name, data in mutated.seeds().items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert min(open_image(data, name=name, limits=PREVIEW).size) > 0
