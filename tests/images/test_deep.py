"""TIFFs as scanners, cameras and painting programs write them; deep PNGs and HEICs; raw photos; gain maps."""

from __future__ import annotations

import io
import struct
import warnings
from typing import Any

import numpy as np
import pillow_heif
import pytest
import tifffile
from PIL import Image

from e2gan.errors import ImageError
from e2gan.images import ImageWarning, formats, open_image
from e2gan.installing import install_command
from tests.images.patches import P3, SEEN, gamma, in_primaries, laid_out, light, looks, off, profile, saved, srgb, tiff
from tests.images.table import COLOURS

X = np.linspace(0, 1, 96)[None, :].repeat(64, 0)
RAMP = np.stack([X, X[:, ::-1], np.full_like(X, 0.45)], -1)
LOOKS = (RAMP * 255)[16::32, 16::32].reshape(6, 3)
GREY = (X * 255)[16::32, 16::32].reshape(6, 1).repeat(3, 1)
U16 = np.rint(RAMP * 65_535).astype(np.uint16)
U8 = np.rint(RAMP * 255).astype(np.uint8)
FULL = np.full((64, 96, 1), 0.6)

TYPES: dict[str, tuple[Any, float]] = {
    "u1": (np.uint8, 255),
    "u2": (np.uint16, 65_535),
    "u4": (np.uint32, 2**32 - 1),
    "i2": (np.int16, 32_767),
    "i4": (np.int32, 2**31 - 1),
    "f2": (np.float16, 1),
    "f4": (np.float32, 1),
    "f8": (np.float64, 1),
}


def as_type(samples: np.ndarray, kind: str) -> np.ndarray:
    dtype, most = TYPES[kind]
    return (samples if most == 1 else np.rint(samples * most)).astype(dtype)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", TYPES)
def test_every_type_of_sample(kind: str, order: Any) -> None:
    assert off(tiff(as_type(RAMP, kind), photometric="rgb", byteorder=order), LOOKS) <= 2
    assert off(tiff(as_type(X, kind), photometric="minisblack", byteorder=order), GREY) <= 2
    planes = np.moveaxis(as_type(RAMP, kind), -1, 0).copy()
    assert off(tiff(planes, photometric="rgb", planarconfig="separate", byteorder=order), LOOKS) <= 2


@pytest.mark.parametrize("kind", ["u1", "u2", "u4"])
def test_white_is_zero(kind: str) -> None:
    assert off(tiff(as_type(1 - X, kind), photometric="miniswhite"), GREY) <= 2


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_packed_bits(bits: int) -> None:
    most = 2**bits - 1
    assert off(tiff(np.rint(X * most).astype(np.uint16), photometric="minisblack", bitspersample=bits), GREY) <= 2
    assert off(tiff(np.rint(RAMP * most).astype(np.uint16), photometric="rgb", bitspersample=bits), LOOKS) <= 2


@pytest.mark.parametrize("kind", ["u1", "u2", "f4"])
def test_opacity_associated_or_not(kind: str) -> None:
    for share, extra in ((1.0, "unassalpha"), (0.6, "assocalpha")):
        for samples, photometric, expected in ((RAMP, "rgb", LOOKS), (X[..., None], "minisblack", GREY)):
            pixels = as_type(np.concatenate([samples * share, FULL], -1), kind)
            shown = looks(tiff(pixels, photometric=photometric, extrasamples=[extra]))
            assert np.abs(shown[:, :3] - expected).max() <= 5
            assert np.abs(shown[:, 3] - 153).max() <= 1
    without = tiff(as_type(np.concatenate([RAMP, FULL], -1), kind), photometric="rgb", extrasamples=["unspecified"])
    assert looks(without).shape == (6, 3), "what is not said to be opacity is none"


@pytest.mark.parametrize("kind", ["u1", "u2", "f4"])
def test_separate_planes_of_opacity(kind: str) -> None:
    for samples, photometric, expected in ((RAMP, "rgb", LOOKS), (X[..., None], "minisblack", GREY)):
        for share, extra in ((1.0, "unassalpha"), (0.6, "assocalpha")):
            planes = np.moveaxis(as_type(np.concatenate([samples * share, FULL], -1), kind), -1, 0).copy()
            shown = looks(tiff(planes, photometric=photometric, planarconfig="separate", extrasamples=[extra]))
            assert np.abs(shown[:, :3] - expected).max() <= 5
            assert np.abs(shown[:, 3] - 153).max() <= 1


@pytest.mark.parametrize("compression", [None, "lzw", "deflate"])
def test_ycbcr(compression: str | None) -> None:
    pixels = np.asarray(Image.fromarray(U8).convert("YCbCr"))
    photo = (pixels, {"photometric": "ycbcr", "compression": compression})
    assert off(pages(photo), LOOKS) <= 3
    # Behind a smaller version, where Pillow does not look.
    behind = pages((THUMB, {"photometric": "rgb", "subfiletype": 1}), photo)
    assert off(behind, LOOKS) <= 3
    every, fewer = (struct.pack("<HHIHH", 530, 3, 2, each, each) for each in (1, 2))
    assert every in behind
    with pytest.raises(ImageError, match="fewer samples of colour"):
        open_image(behind.replace(every, fewer))


def test_a_palette_of_bytes() -> None:
    """As some programs write it, though TIFF wants 16 bits."""
    codes = np.arange(96, dtype=np.uint8)[None].repeat(64, 0)
    table = np.stack([np.arange(256), np.arange(256)[::-1], np.full(256, 117)]).astype(np.uint16)
    expected = table.T[codes][16::32, 16::32].reshape(6, 3)
    for colormap in (table, table * 257):
        assert off(tiff(codes, photometric="palette", colormap=colormap), expected) == 0


@pytest.mark.parametrize("tile", [None, (32, 32)])
@pytest.mark.parametrize(
    ("compression", "most"), [("lzw", 2), ("deflate", 2), ("zstd", 2), ("lzma", 2), ("jpegxl", 8), ("jpeg2000", 4)]
)
def test_compressions(compression: str, most: int, tile: Any) -> None:
    predictor = compression in ("lzw", "deflate", "zstd")
    for pixels in (U8, U16):
        assert (
            off(tiff(pixels, photometric="rgb", compression=compression, predictor=predictor, tile=tile), LOOKS) <= most
        )


def test_lab() -> None:
    lab = COLOURS["Lab"]
    sixteen = np.concatenate([lab[..., :1] * 655.35, lab[..., 1:] * 256 % 65_536], -1).round().astype(np.uint16)
    icc = np.concatenate([lab[..., :1] * 652.8, (lab[..., 1:] + 128) * 256], -1).round().astype(np.uint16)
    eight = np.concatenate([lab[..., :1] * 2.55, lab[..., 1:] % 256], -1).round().astype(np.uint8)
    for planes in (eight, sixteen):
        separate = tiff(np.moveaxis(planes, -1, 0).copy(), photometric="cielab", planarconfig="separate")
        assert np.array_equal(open_image(separate), open_image(tiff(planes, photometric="cielab")))
    assert np.abs(np.asarray(open_image(tiff(eight, photometric="cielab"))) - COLOURS["RGB"] * 255).max() <= 9
    for pixels, photometric in ((sixteen, "cielab"), (lab.astype(np.float32), "cielab"), (icc, "icclab")):
        opened = np.asarray(open_image(tiff(pixels, photometric=photometric))).astype(int)
        assert np.abs(opened - COLOURS["RGB"] * 255).max() <= 3


def test_a_profile_is_taken_at_full_depth() -> None:
    for kind in ("u2", "f4"):
        pixels = as_type(laid_out(gamma(in_primaries(light(), P3), 2.2), np.float64), kind)
        assert off(tiff(pixels, photometric="rgb", iccprofile=profile("P3", 2.2, P3)), SEEN) <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_deep_tiff_is_put_upright(orientation: int) -> None:
    from PIL import ImageOps

    corners = np.zeros((20, 30, 3), np.uint16)
    corners[:10, :10], corners[10:, 20:] = (65_535, 0, 0), (0, 0, 65_535)
    plain = Image.fromarray((corners // 257).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    with Image.open(io.BytesIO(saved(plain, "PNG", exif=exif))) as image:
        expected = ImageOps.exif_transpose(image)
    data = tiff(corners, photometric="rgb", extratags=[(274, "H", 1, orientation, True)])
    assert np.array_equal(open_image(data), expected)


def pages(*some: tuple[np.ndarray, dict[str, Any]]) -> bytes:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for samples, options in some:
            writer.write(samples, metadata=None, **options)
    return buffer.getvalue()


THUMB = np.zeros((8, 12, 3), np.uint8)


@pytest.mark.parametrize("photo", [U8, U16], ids=["8 bits", "16 bits"])
def test_a_smaller_version_is_never_taken_for_the_photo(photo: np.ndarray) -> None:
    rgb = {"photometric": "rgb"}
    for data in (
        pages((THUMB, {**rgb, "subfiletype": 1}), (photo, rgb)),
        pages((THUMB, {**rgb, "subfiletype": 1, "subifds": 1}), (photo, rgb)),
        pages((photo, {**rgb, "subifds": 1}), (photo[::2, ::2], {**rgb, "subfiletype": 1})),
        # What is not declared as one is recognised by its size.
        pages((THUMB, {**rgb, "subifds": 1}), (photo, rgb)),
        pages((THUMB[:5], {**rgb, "subifds": 2}), (THUMB, {**rgb, "subfiletype": 1}), (photo, rgb)),
        pages((THUMB, rgb), (photo, rgb)),
        pages((photo, rgb), (photo[::2, ::2], rgb), (photo[::4, ::4], rgb)),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            open_image(data)
        assert off(data, LOOKS) <= 2
    with pytest.warns(ImageWarning, match="only the first of its frames or pages"):
        open_image(pages((photo, rgb), (photo, rgb)))


def test_brighter_than_white_is_said() -> None:
    with pytest.warns(ImageWarning, match="brighter than 1"):
        open_image(tiff((RAMP * 3).astype(np.float32), photometric="rgb"))
    odd = RAMP.astype(np.float32)
    odd[0, :3, 0] = np.nan, np.inf, -np.inf
    assert open_image(tiff(odd, photometric="rgb")).size == (96, 64)


@pytest.mark.parametrize("compression", [None, "deflate", "lzw"])
def test_a_deep_tiff_cut_off_is_an_error(compression: str | None) -> None:
    noise = np.random.default_rng(0).integers(0, 65_536, (64, 64, 3), dtype=np.uint16)
    data = tiff(noise, photometric="rgb", compression=compression)
    with pytest.raises(ImageError, match="damaged or cut off"):
        open_image(data[: len(data) // 2])


# Raw photos

CFA = (np.rint(X * 4095)).astype(np.uint16)
DNG = [(50706, "B", 4, (1, 4, 0, 0), True), (271, "s", 0, "Phone", True)]


def raw_photo(**first: Any) -> bytes:
    return pages(
        (THUMB, {"photometric": "rgb", "subfiletype": 1, "subifds": 1, **first}),
        (
            CFA,
            {"photometric": 32803, "extratags": [(33421, "H", 2, (2, 2), True), (33422, "B", 4, (0, 1, 1, 2), True)]},
        ),
    )


RAWS = {
    "a DNG": raw_photo(extratags=DNG),
    "a DNG without previews": pages((CFA, {"photometric": 32803, "extratags": DNG})),
    "a sensor's TIFF": raw_photo(),
    "a maker's TIFF": pages(
        (THUMB, {"photometric": "rgb", "subfiletype": 1, "extratags": [(271, "s", 0, "NIKON", True)]}), (CFA, {})
    ),
    "CR2": b"II*\0\x10\0\0\0CR\2\0" + bytes(100),
    "CR3": b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(100),
    "RAF": b"FUJIFILMCCD-RAW 0201" + bytes(100),
    "ORF": b"IIRO\x08\0\0\0" + bytes(100),
    "RW2": b"IIU\0\x18\0\0\0" + bytes(100),
}


@pytest.mark.parametrize("name", RAWS)
@pytest.mark.parametrize("installed", [True, False])
def test_a_raw_photo_is_developed_or_refused_in_a_line(name: str, installed: bool, monkeypatch: Any) -> None:
    if not installed:
        monkeypatch.setattr(formats, "find_spec", lambda name: None)
    try:
        opened = open_image(RAWS[name], name="IMG_3")
    except ImageError as error:
        assert "IMG_3: a raw photo" in str(error) and "\n" not in str(error) and error.hint
        assert (install_command("e2gan[raw]") in error.hint) is not installed
    else:
        assert installed and opened.format == "raw"
        assert opened.width > THUMB.shape[1] and min(opened.size) > 32, "and not its preview"


def test_a_raw_photo_is_developed_in_its_cameras_white() -> None:
    """A DNG of a grey scene, whose sensor sees green twice as strong as red and blue."""
    scene = np.full((64, 96), 1000, np.uint16)
    scene[0::2, 1::2] = scene[1::2, 0::2] = 2000  # green, of red green / green blue
    d65 = [
        (round(value * 10_000), 10_000)
        for value in (3.2410, -1.5374, -0.4986, -0.9692, 1.8760, 0.0416, 0.0556, -0.2040, 1.0570)
    ]
    more = [
        (33421, "H", 2, (2, 2), True),
        (33422, "B", 4, (0, 1, 1, 2), True),
        (50706, "B", 4, (1, 4, 0, 0), True),
        (50708, "s", 0, "Test camera", True),
        (271, "s", 0, "Test", True),
        (50717, "I", 1, 4095, True),
        (50721, "2i", 9, tuple(each for pair in d65 for each in pair), True),
        (50728, "2I", 3, (1, 2, 1, 1, 1, 2), True),
        (50778, "H", 1, 21, True),
        (33432, "s", 0, "A photographer", True),
    ]
    opened = open_image(pages((scene, {"photometric": 32803, "extratags": more})), name="grey.dng")
    middle = np.asarray(opened)[24:40, 40:56].reshape(-1, 3).astype(int)
    assert np.ptp(middle.mean(0)) <= 6, "grey"
    assert opened.getexif()[0x8298] == "A photographer"


def test_a_tiff_of_a_raw_photos_name_is_one() -> None:
    with pytest.raises(ImageError, match="a raw photo"):
        open_image(tiff(U8, photometric="rgb"), name="photo.NEF")


# HEIC, and gain maps


def heic(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer, quality=90, chroma=444, **options)
    return buffer.getvalue()


def test_heic_is_read_by_any_name(tmp_path: Any) -> None:
    for name in ("a.heic", "a.jpg", "a"):
        file = tmp_path / name
        file.write_bytes(heic(Image.fromarray(laid_out(SEEN / 255))))
        assert open_image(file).format == "HEIF"
        assert off(file.read_bytes()) <= 4


def test_heic_is_turned_once() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x8298] = 6, "owner"
    opened = open_image(heic(Image.fromarray(U8), exif=exif.tobytes()))
    assert opened.size in ((64, 96), (96, 64)) and opened.getexif()[0x8298] == "owner"
    with Image.open(io.BytesIO(saved(U8, "PNG", exif=exif))) as image:
        from PIL import ImageOps

        upright = ImageOps.exif_transpose(image)
    assert opened.size == upright.size
    assert np.abs(np.asarray(opened).astype(int) - np.asarray(upright)).max() < 20


def test_a_gain_map_is_said_and_the_picture_for_ordinary_screens_used() -> None:
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/" hdrgm:Version="1.0" xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/"/>'
    )
    iso = b"urn:iso:std:iso:ts:21496:-1\0" + bytes(4)
    segment = b"\xff\xe2" + struct.pack(">H", len(iso) + 2) + iso
    plain = Image.fromarray(laid_out(SEEN / 255))
    gain = {"Adobe's": saved(plain, "JPEG", xmp=xmp), "ISO's": saved(plain, "JPEG", extra=segment)}
    for data in gain.values():
        with pytest.warns(ImageWarning, match="its HDR gain map is left out"):
            open_image(data)
    two = saved(plain, "MPO", save_all=True, append_images=[plain])
    # Apple says it in the second picture.
    apple = b"http://ns.adobe.com/xap/1.0/\0<a xmlns:b='http://ns.apple.com/HDRGainMap/1.0/' b:HDRGainMapVersion='1'/>"
    second = two.rindex(b"\xff\xd8\xff") + 2
    with pytest.warns(ImageWarning, match="its HDR gain map is left out"):
        open_image(two[:second] + b"\xff\xe1" + struct.pack(">H", len(apple) + 2) + apple + two[second:])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_image(saved(plain, "JPEG"))
        open_image(two)
        open_image(heic(plain))


@pytest.mark.parametrize("depth", [10, 12])
def test_a_deep_heic(depth: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(pillow_heif.options, "SAVE_HDR_TO_12_BIT", depth == 12)
    buffer = io.BytesIO()
    deep = laid_out(srgb(light()), np.uint16)
    pillow_heif.from_bytes("RGB;16", (96, 64), deep.tobytes()).save(buffer, quality=95, chroma=444)
    assert off(buffer.getvalue()) <= 3
