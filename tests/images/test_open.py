"""What comes in: every mode, depth, orientation and profile, and everything that is no picture."""

from __future__ import annotations

import io
import os
import struct
import threading
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageCms

from e2gan.errors import ImageError
from e2gan.images import ImageWarning, Limits, open_image
from tests.images.patches import chunk

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
CORNERS = np.array([[RED, GREEN, WHITE], [BLUE, WHITE, WHITE]], np.uint8)
"""Two rows of three pixels: no two orientations look alike."""


def encoded(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def pixels(image: Image.Image) -> list[Any]:
    return np.asarray(image).reshape(-1, len(image.getbands())).tolist()


def test_gives_rgb_from_path_bytes_stream_and_pillow(tmp_path: Path) -> None:
    picture = Image.fromarray(CORNERS)
    file = tmp_path / "photo.png"
    picture.save(file)
    with open(file, "rb") as stream:
        for source in (file, str(file), file.read_bytes(), stream, io.BytesIO(file.read_bytes()), picture):
            opened = open_image(source)
            assert opened.mode == "RGB" and opened.size == (3, 2)
            assert np.array_equal(opened, CORNERS)
    assert open_image(file).format == "PNG"


def test_leaves_a_pillow_image_as_it_was() -> None:
    picture = Image.fromarray(CORNERS)
    picture.info["note"] = "mine"
    opened = open_image(picture)
    opened.putpixel((0, 0), WHITE)
    assert opened.info == {} and picture.info == {"note": "mine"} and picture.getpixel((0, 0)) == RED


def test_reads_a_named_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(encoded(Image.fromarray(CORNERS))))
    writer.start()
    assert np.array_equal(open_image(pipe), CORNERS)
    writer.join()


@pytest.mark.parametrize(
    ("mode", "format", "color", "expected"),
    [
        ("1", "PNG", 1, WHITE),
        ("L", "PNG", 70, (70, 70, 70)),
        ("LA", "PNG", (70, 9), (70, 70, 70, 9)),
        ("RGBA", "PNG", (*RED, 9), (*RED, 9)),
        ("CMYK", "TIFF", (0, 255, 255, 0), RED),
        ("I;16", "PNG", 257 * 70, (70, 70, 70)),
        ("I;16", "TIFF", 65_535, WHITE),
        ("I", "TIFF", 257 * 70, (70, 70, 70)),
        ("YCbCr", "JPEG", (255, 128, 128), WHITE),
    ],
)
def test_brings_every_mode_to_eight_bit_rgb(mode: str, format: str, color: Any, expected: tuple[int, ...]) -> None:
    opened = open_image(encoded(Image.new(mode, (4, 3), color), format))
    assert opened.size == (4, 3)
    assert set(map(tuple, pixels(opened))) == {expected}


def test_lab_is_converted() -> None:
    red, green, blue = pixels(open_image(encoded(Image.new("LAB", (2, 2), (255, 128, 128)), "TIFF")))[0]
    assert min(red, green, blue) > 240


def test_sixteen_bits_are_rounded_not_cut_off() -> None:
    deep = np.array([[0, 128, 129, 257, 65_278, 65_535]], np.uint16)
    opened = open_image(encoded(Image.fromarray(deep)))
    assert [p[0] for p in pixels(opened)] == [0, 0, 1, 1, 254, 255]


def png(width: int, height: int, depth: int, rows: bytes) -> bytes:
    """A truecolour PNG put together by hand."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([depth, 2, 0, 0, 0])
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def test_sixteen_bit_colour() -> None:
    """Pillow writes none."""
    red, row_filter = b"\xff\xff" + b"\0\0" * 2, b"\0"
    assert pixels(open_image(png(1, 1, 16, row_filter + red))) == [list(RED)]


def test_palettes_with_and_without_transparency() -> None:
    palette = Image.fromarray(CORNERS).quantize(4)
    assert np.array_equal(open_image(encoded(palette, "GIF")), CORNERS)
    opaque = encoded(palette)
    assert open_image(opaque).mode == "RGB"
    see_through = open_image(encoded(palette, transparency=palette.getpixel((0, 0))))
    assert see_through.mode == "RGBA"
    assert [p[3] for p in pixels(see_through)] == [0, 255, 255, 255, 255, 255]


@pytest.mark.parametrize(("mode", "color"), [("L", 70), ("RGB", RED), ("I;16", 257 * 70)])
def test_one_colour_may_stand_for_transparent(mode: str, color: Any) -> None:
    picture = Image.new(mode, (2, 1))
    picture.putpixel((1, 0), color)
    assert [p[3] for p in pixels(open_image(encoded(picture, transparency=color)))] == [255, 0]


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_a_grey_of_few_bits_may_stand_for_transparent(depth: int) -> None:
    greys = [*range(2**depth)] * (8 // depth)
    row = int("".join(f"{grey:0{depth}b}" for grey in greys), 2).to_bytes(len(greys) * depth // 8, "big")
    header = struct.pack(">IIBBBBB", len(greys), 1, depth, 0, 0, 0, 0)
    for transparent in range(2**depth):
        told = chunk(b"IHDR", header) + chunk(b"tRNS", struct.pack(">H", transparent))
        data = b"\x89PNG\r\n\x1a\n" + told + chunk(b"IDAT", zlib.compress(b"\0" + row)) + chunk(b"IEND", b"")
        assert [p[3] for p in pixels(open_image(data))] == [255 * (grey != transparent) for grey in greys]


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(format: str, orientation: int) -> None:
    upright = Image.fromarray(CORNERS.repeat(16, 0).repeat(16, 1))
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    options = {"lossless": True} if format == "WEBP" else {"quality": 100} if format == "JPEG" else {}
    opened = open_image(encoded(stored, format, exif=exif, **options))
    assert opened.size == (48, 32)
    assert np.abs(np.asarray(opened).astype(int) - np.asarray(upright))[8::16, 8::16].max() < 12
    assert ExifTags.Base.Orientation not in opened.getexif()


def test_keeps_what_the_camera_wrote() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Acme"
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.XResolution] = 300
    exif[ExifTags.IFD.Exif] = {
        ExifTags.Base.ExposureTime: 0.01,
        ExifTags.Base.MakerNote: b"a preview",
        ExifTags.Base.ExifImageWidth: 3,
    }
    exif[ExifTags.IFD.GPSInfo] = {ExifTags.GPS.GPSLatitudeRef: "N"}
    kept = open_image(encoded(Image.fromarray(CORNERS), "JPEG", exif=exif)).getexif()
    directories = {ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo}
    assert {k: v for k, v in kept.items() if k not in directories} == {ExifTags.Base.Make: "Acme"}
    assert kept.get_ifd(ExifTags.IFD.Exif) == {ExifTags.Base.ExposureTime: 0.01}
    assert kept.get_ifd(ExifTags.IFD.GPSInfo) == {ExifTags.GPS.GPSLatitudeRef: "N"}


@pytest.mark.parametrize("exif", [b"Exif\0\0nonsense", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b""])
def test_damaged_exif_is_left_out(exif: bytes) -> None:
    opened = open_image(encoded(Image.fromarray(CORNERS), "JPEG", exif=exif))
    assert opened.size == (3, 2) and opened.info == {}


def swapped_profile() -> bytes:
    """An RGB profile in which red and blue have changed places: sRGB's own, with two tags renamed."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace(b"rXYZ", b"tXYZ").replace(b"bXYZ", b"rXYZ").replace(b"tXYZ", b"bXYZ")
    # Its description must not say sRGB any longer.
    return profile.replace("sRGB".encode("utf-16-be"), "sBGR".encode("utf-16-be"))


def test_a_colour_profile_is_converted_to_srgb() -> None:
    opened = open_image(encoded(Image.new("RGB", (2, 2), RED), icc_profile=swapped_profile()))
    red, green, blue = pixels(opened)[0]
    assert red < 5 and green < 5 and blue > 250
    assert "icc_profile" not in opened.info


def test_an_srgb_profile_changes_no_pixel() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    every = np.arange(256 * 3, dtype=np.uint16).reshape(1, 256, 3).astype(np.uint8)
    assert np.array_equal(open_image(encoded(Image.fromarray(every), icc_profile=profile)), every)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
@pytest.mark.parametrize("profile", [b"nonsense", b"\0" * 200])
def test_a_damaged_profile_is_left_out(mode: str, profile: bytes) -> None:
    assert open_image(encoded(Image.new(mode, (2, 2), "white"), icc_profile=profile)).getpixel((0, 0))[:3] == WHITE


def test_a_profile_for_another_kind_of_picture_is_left_out() -> None:
    opened = open_image(encoded(Image.new("L", (2, 2), 70), icc_profile=swapped_profile()))
    assert pixels(opened)[0] == [70, 70, 70]


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_several_frames_the_first_is_read_and_a_warning_says_so(format: str, tmp_path: Path) -> None:
    file = tmp_path / f"frames.{format.lower()}"
    frames = [Image.new("RGB", (4, 4), color) for color in (RED, BLUE)]
    frames[0].save(
        file, format, save_all=True, append_images=frames[1:], **({"lossless": True} if format == "WEBP" else {})
    )
    with pytest.warns(ImageWarning, match="only the first of its frames or pages is used"):
        opened = open_image(file)
    assert pixels(opened)[0][:3] == list(RED)


def test_one_frame_gives_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_image(encoded(Image.fromarray(CORNERS), "GIF"))


# What is no picture


def fault(source: Any, **options: Any) -> str:
    with pytest.raises(ImageError) as caught:
        open_image(source, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_names_the_file_that_cannot_be_read(tmp_path: Path) -> None:
    missing, empty, text = tmp_path / "missing.jpg", tmp_path / "empty.jpg", tmp_path / "text.jpg"
    empty.touch()
    text.write_text("no picture")
    assert fault(missing) == f"{missing}: No such file or directory"
    assert fault(empty) == f"{empty}: the file is empty"
    assert fault(text) == f"{text}: not a picture, or its format is not supported"
    assert fault(tmp_path) == f"{tmp_path}: Is a directory"
    assert fault(b"", name="standard input") == "standard input: the file is empty"
    assert fault("a\0b").startswith("a\\x00b: ")


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP"])
def test_a_picture_cut_off_is_an_error(format: str, tmp_path: Path) -> None:
    random = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(random), format)
    file = tmp_path / f"cut.{format.lower()}"
    file.write_bytes(data[: len(data) * 2 // 3])
    assert fault(file).startswith(f"{file}: damaged or cut off (")


def test_a_picture_without_pixels_is_an_error() -> None:
    assert fault(Image.new("RGB", (0, 5))) == "the picture: has no pixels (0×5)"


def test_formats_that_could_run_programs_are_not_opened() -> None:
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    assert "not a picture" in fault(postscript)


def test_a_decompression_bomb_is_refused_before_it_is_decoded() -> None:
    for side in (13_400, 1_000_000):
        assert " allowed" in fault(png(side, side, 8, b""))


def test_the_limit_is_the_programs_own_where_pillow_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert "larger than" in fault(encoded(Image.fromarray(CORNERS)), limits=Limits(5 * 12))


def test_a_large_photo_below_the_limit_gives_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert open_image(encoded(Image.fromarray(CORNERS))).size == (3, 2)


SEEDS = [
    encoded(
        Image.fromarray(CORNERS),
        "JPEG",
        exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0",
    ),
    encoded(Image.fromarray(CORNERS), "PNG", icc_profile=swapped_profile()),
    encoded(Image.fromarray(CORNERS).quantize(4), "GIF"),
    encoded(Image.fromarray(CORNERS), "WEBP"),
    encoded(Image.fromarray(CORNERS), "TIFF"),
    encoded(Image.fromarray(CORNERS), "BMP"),
    encoded(Image.fromarray(CORNERS), "PPM"),
    encoded(Image.fromarray(np.arange(6, dtype=np.uint16).reshape(2, 3)), "TIFF"),
]


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF", b"II*\0", b"BM", b"P6 "]),
)
def test_bytes_from_anywhere_give_a_picture_or_one_error(data: bytes, start: bytes) -> None:
    _opens_or_refuses(start + data)


@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=8), st.integers(0))
def test_damaged_pictures_give_a_picture_or_one_error(seed: bytes, changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(seed)
    for place, value in changes:
        data[place % len(data)] = value
    _opens_or_refuses(bytes(data[: len(data) - cut % (len(data) // 2)] if cut % 3 == 0 else data))


def _opens_or_refuses(data: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ImageWarning)
        try:
            opened = open_image(data)
        except ImageError as error:
            assert "\n" not in str(error)
        else:
            assert opened.mode in ("RGB", "RGBA") and min(opened.size) > 0
            assert set(opened.info) <= {"exif", "xmp", "iptc", "dpi"}
