"""What goes out: formats, metadata, provenance, and whole files or none."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, PngImagePlugin

from e2gan.errors import E2GANError, ImageError
from e2gan.images import ImageWarning, format_for, open_image, read_provenance, save_image

PROVENANCE = {"concepts": [{"id": "vangogh", "weight": 0.5}], "note": "a <b> & \"c\" 'd' é 画"}
SUFFIXES = ["jpg", "jpeg", "png", "webp", "tif", "tiff"]


def picture(mode: str = "RGB", size: tuple[int, int] = (24, 16)) -> Image.Image:
    random = np.random.default_rng(0)
    bands = [Image.fromarray(random.integers(0, 256, (3, 4), dtype=np.uint8)).resize(size) for _ in mode]
    return Image.merge(mode, bands)


def camera() -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Acme"
    exif[ExifTags.IFD.Exif] = {ExifTags.Base.ExposureTime: 0.01}
    return exif.tobytes()


@pytest.mark.parametrize("suffix", [*SUFFIXES, "JPG", "Png"])
def test_writes_the_format_of_the_suffix(suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"out.{suffix}"
    save_image(picture(), file)
    with Image.open(file) as written:
        assert written.format == format_for(file)
        assert written.mode == "RGB" and written.size == (24, 16)
    difference = np.abs(np.asarray(open_image(file)).astype(int) - np.asarray(picture()))
    assert difference.max() <= (0 if written.format in ("PNG", "TIFF") else 40)
    assert difference.mean() < 6
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


@pytest.mark.parametrize(
    ("name", "reason"), [("out.gif", "'.gif' pictures cannot be written"), ("out", "does not say which format")]
)
def test_other_suffixes_are_refused(name: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=re.escape(reason)) as caught:
        save_image(picture(), tmp_path / name)
    assert caught.value.hint == "use one of these suffixes: .jpg, .jpeg, .png, .webp, .tif, .tiff"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_exif_and_provenance_go_together(suffix: str, tmp_path: Path) -> None:
    image = picture()
    image.info["exif"] = camera()
    file = tmp_path / f"out.{suffix}"
    save_image(image, file, provenance=PROVENANCE)
    assert read_provenance(file) == PROVENANCE
    assert read_provenance(file.read_bytes()) == PROVENANCE
    kept = open_image(file).getexif()
    assert kept[ExifTags.Base.Make] == "Acme"
    assert kept.get_ifd(ExifTags.IFD.Exif) == {ExifTags.Base.ExposureTime: 0.01}


@settings(max_examples=40)
@given(
    st.dictionaries(st.text(), st.text() | st.integers() | st.lists(st.text(), max_size=3), max_size=4),
    st.sampled_from(SUFFIXES),
)
def test_any_provenance_comes_back(provenance: dict[str, Any], suffix: str) -> None:
    buffer = io.BytesIO()
    save_image(picture(size=(2, 2)), buffer, format=format_for(f"out.{suffix}"), provenance=provenance)
    assert read_provenance(buffer.getvalue()) == provenance


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_without_provenance_there_is_none(suffix: str, tmp_path: Path) -> None:
    save_image(picture(), tmp_path / f"out.{suffix}")
    assert read_provenance(tmp_path / f"out.{suffix}") is None


def test_provenance_that_the_image_carries_is_written(tmp_path: Path) -> None:
    image = picture()
    image.info["e2gan"] = '{"program": "e2gan"}'
    assert read_provenance(image) == {"program": "e2gan"}
    save_image(image, tmp_path / "out.webp")
    assert read_provenance(tmp_path / "out.webp") == {"program": "e2gan"}


@pytest.mark.parametrize("text", ["nonsense", "[1]", "{", "[" * 100_000])
def test_damaged_provenance_is_an_error(text: str, tmp_path: Path) -> None:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_itxt("e2gan", text)
    file = tmp_path / "out.png"
    picture().save(file, pnginfo=chunks)
    with pytest.raises(ImageError, match="its provenance is damaged"):
        read_provenance(file)


def test_provenance_of_no_picture_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"missing\.png: No such file"):
        read_provenance(tmp_path / "missing.png")
    with pytest.raises(ImageError, match="not a valid picture"):
        read_provenance(b"nonsense")
    with pytest.raises(ImageError, match="not a valid picture"):
        read_provenance(b"\0\0\0\x14ftypisom\0\0\0\0isom")  # a video


@given(st.binary(max_size=200))
def test_provenance_of_any_bytes_is_read_or_one_error(data: bytes) -> None:
    for start in (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe1"):
        with pytest.raises(ImageError):
            read_provenance(start + data)


@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
def test_transparency_is_kept(suffix: str, tmp_path: Path) -> None:
    image = picture("RGBA")
    save_image(image, tmp_path / f"out.{suffix}")
    assert np.array_equal(np.asarray(open_image(tmp_path / f"out.{suffix}"))[..., 3], np.asarray(image)[..., 3])


def test_jpeg_lays_transparency_on_white_and_says_so(tmp_path: Path) -> None:
    file = tmp_path / "out.jpg"
    with pytest.warns(ImageWarning, match=r"out\.jpg: JPEG has no transparency: the picture is laid on white"):
        save_image(Image.new("RGBA", (8, 8), (255, 0, 0, 0)), file)
    assert open_image(file).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.filterwarnings("error")
def test_jpeg_of_an_opaque_picture_needs_no_word(tmp_path: Path) -> None:
    save_image(Image.new("RGBA", (8, 8), (255, 0, 0, 255)), tmp_path / "out.jpg")


def test_a_stream_needs_a_format() -> None:
    with pytest.raises(ValueError, match="which format"):
        save_image(picture(), io.BytesIO())


def test_other_modes_are_converted(tmp_path: Path) -> None:
    save_image(picture("RGB").convert("L"), tmp_path / "out.png")
    assert open_image(tmp_path / "out.png").mode == "RGB"


def test_a_picture_too_wide_for_the_format_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=re.escape("WEBP cannot hold 16384×1 pixels")):
        save_image(Image.new("RGB", (16_384, 1)), tmp_path / "out.webp")
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "out.png"
    save_image(picture(), file)
    before = file.read_bytes()

    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(E2GANError, match=r"out\.png: No space left on device"):
        save_image(picture("RGBA"), file)
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["out.png"]
