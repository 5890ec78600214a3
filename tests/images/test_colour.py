"""Colours that a file tells otherwise than by being sRGB: what it looks like, whatever says so."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pillow_heif
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image

from e2gan.images import ImageWarning, open_image
from e2gan.images.colour import Encoding, Primaries, from_cicp, named_by_gamma, tone_mapped
from tests.images.patches import (
    ADOBE,
    BT2020,
    P3,
    SEEN,
    SRGB,
    chrm,
    chunk,
    gama,
    gamma,
    hlg,
    in_primaries,
    laid_out,
    light,
    looks,
    off,
    pq,
    profile,
    saved,
    srgb,
    tiff,
    with_chunks,
)

PLAIN = laid_out(SEEN / 255)
IN_P3 = laid_out(srgb(in_primaries(light(), P3)))
IN_PQ = laid_out(pq(in_primaries(light(), BT2020) * 203))
IN_HLG = laid_out(hlg(in_primaries(light(), BT2020) * 203))
LINEAR = laid_out(light())


def narrow(pixels: np.ndarray) -> np.ndarray:
    """The same in video range."""
    return np.rint(16 + pixels * (219 / 255)).astype(np.uint8)


def with_cicp(icc: bytes, *points: int) -> bytes:
    """A profile with one tag more: the code points of ITU-T H.273 (ICC.1:2022, 9.2.17)."""
    (count,) = struct.unpack_from(">I", icc, 128)
    # One tag more moves the others by 12 bytes.
    table, body = icc[132 : 132 + 12 * count], icc[132 + 12 * count :]
    moved = b"".join(struct.pack(">4sII", n, o + 12, s) for n, o, s in struct.iter_unpack(">4sII", table))
    at = 132 + 12 * (count + 1) + len(body)
    listed = struct.pack(">I", count + 1) + moved + struct.pack(">4sII", b"cicp", at, 12)
    whole = icc[:128] + listed + body + b"cicp\0\0\0\0" + bytes(points)
    return struct.pack(">I", len(whole)) + whole[4:]


PQ_PROFILE, HLG_PROFILE = with_cicp(profile("HDR", 1.0), 9, 16, 0, 1), with_cicp(profile("HDR", 1.0), 9, 18, 0, 1)

XYZ = ((1, 0), (0, 1), (0, 0), (1 / 3, 1 / 3))


def cicp(primaries: int, transfer: int, matrix: int = 0, full: int = 1) -> bytes:
    return chunk(b"cICP", bytes([primaries, transfer, matrix, full]))


def iccp(data: bytes) -> bytes:
    return chunk(b"iCCP", b"p\0\0" + zlib.compress(data))


PNGS = {
    "plain": (PLAIN, []),
    "P3 in cICP": (IN_P3, [cicp(12, 13)]),
    "PQ in cICP": (IN_PQ, [cicp(9, 16)]),
    "HLG in cICP": (IN_HLG, [cicp(9, 18)]),
    "P3 in cICP, video range": (narrow(IN_P3), [cicp(12, 13, full=0)]),
    "sRGB in cICP, video range": (narrow(PLAIN), [cicp(1, 13, full=0)]),
    "PQ in cICP, video range": (narrow(IN_PQ), [cicp(9, 16, full=0)]),
    "PQ in a profile's numbers": (IN_PQ, [iccp(PQ_PROFILE)]),
    "HLG in a profile's numbers": (IN_HLG, [iccp(HLG_PROFILE)]),
    "linear in gAMA": (LINEAR, [gama(1)]),
    "P3 in cHRM": (laid_out(gamma(in_primaries(light(), P3), 2.2)), [gama(1 / 2.2), chrm(P3)]),
    "Adobe RGB in cHRM": (laid_out(gamma(in_primaries(light(), ADOBE), 2.2)), [gama(1 / 2.2), chrm(ADOBE)]),
    "linear in a profile called sRGB": (LINEAR, [iccp(profile("sRGB linear", 1.0))]),
    "P3 in a profile": (laid_out(gamma(in_primaries(light(), P3), 2.2)), [iccp(profile("P3", 2.2, P3))]),
    "a profile of 1.2 MB": (LINEAR, [iccp(profile("Scanner", 1.0, extra=1_200_000))]),
    # Who goes before whom: the PNG specification, third edition, 4.3.
    "cICP before a profile": (IN_P3, [cicp(12, 13), iccp(profile("linear", 1.0))]),
    "a profile before sRGB": (LINEAR, [iccp(profile("linear", 1.0)), chunk(b"sRGB", b"\0")]),
    "a profile before gAMA": (LINEAR, [gama(1 / 2.2), iccp(profile("linear", 1.0))]),
    "sRGB before gAMA": (PLAIN, [chunk(b"sRGB", b"\0"), gama(1), chrm(P3)]),
    # What says nothing of use.
    "a cICP of YCbCr": (PLAIN, [cicp(12, 13, matrix=1)]),
    "a cICP of nothing known": (PLAIN, [cicp(200, 13)]),
    "a cICP that does not say": (PLAIN, [cicp(2, 2)]),
    "cHRM alone": (PLAIN, [chrm(P3)]),
    "a gAMA of 0": (PLAIN, [gama(0)]),
    "a gAMA for screens": (PLAIN, [gama(0.45455)]),
    "a damaged profile": (PLAIN, [chunk(b"iCCP", b"p\0\0nonsense")]),
    "cHRM of no triangle": (PLAIN, [gama(1), chrm(((0.3, 0.3),) * 4)]),
}


@pytest.mark.parametrize("name", PNGS)
def test_a_pngs_colours(name: str) -> None:
    pixels, chunks = PNGS[name]
    assert off(with_chunks(saved(pixels), *chunks)) <= (14 if "PQ" in name or "HLG" in name else 4)


def test_xyz_may_be_the_primaries() -> None:
    """Adapted to the white of sRGB: the neutral patches stay neutral, and others are what Chromium shows."""
    shown = looks(with_chunks(saved(PLAIN), cicp(10, 13)))
    expected = [(255, 0, 71), (0, 196, 22), (0, 106, 189), (255, 148, 0), (128, 128, 128), (230, 230, 230)]
    assert np.abs(shown[:, :3] - expected).max() <= 1


def test_primaries_that_are_no_colours_do_not_keep_a_photo_from_being_opened() -> None:
    for corners in (
        ((0.64, 0.33), (0.6401, 0.3301), (0.6402, 0.33021), (0.3127, 0.329)),
        ((0.64, 0.33), (0.3, 0.6), (0.15, 0.06), (0.9, 0)),
    ):
        assert off(with_chunks(saved(PLAIN), gama(1 / 2.2), chrm(corners))) == 0


@pytest.mark.parametrize("mode", ["L", "P", "LA", "RGBA"])
def test_every_mode_of_a_png_is_converted(mode: str) -> None:
    grey = np.repeat(np.array([[10], [60], [100], [150], [200], [250]]), 3, 1)
    picture = Image.fromarray(laid_out(light(grey)))
    data = with_chunks(saved(picture.quantize(16) if mode == "P" else picture.convert(mode)), gama(1))
    assert np.abs(looks(data)[:, :3] - grey).max() <= 12, "8 bits hold linear light in steps"


def test_deep_linear_light_keeps_its_shadows() -> None:
    import imagecodecs

    dark = np.repeat(np.array([[2], [5], [9], [17], [33], [70]]), 3, 1)
    deep = laid_out(light(dark), np.uint16)
    assert off(with_chunks(imagecodecs.png_encode(deep), gama(1)), dark) <= 1
    assert off(tiff(deep, photometric="rgb", iccprofile=profile("linear", 1.0)), dark) <= 1


def avif(pixels: np.ndarray, primaries: int, transfer: int, **options: Any) -> bytes:
    data = saved(pixels, "AVIF", quality=100, subsampling="4:4:4", speed=10, **options)
    at = data.index(b"colrnclx") + 8
    return data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :]


def heic(pixels: np.ndarray, primaries: int, transfer: int) -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(pixels)).save(
        buffer, quality=100, chroma=444, color_primaries=primaries, transfer_characteristics=transfer
    )
    return buffer.getvalue()


@pytest.mark.parametrize("encode", [avif, heic])
@pytest.mark.parametrize(
    ("pixels", "primaries", "transfer", "most"),
    [
        (PLAIN, 1, 13, 4),
        (IN_P3, 12, 13, 5),
        (IN_PQ, 9, 16, 14),
        (IN_HLG, 9, 18, 14),
        (PLAIN, 2, 2, 4),
        # Encoders mark what they were given as video; browsers show it as sRGB.
        *((PLAIN, 1, video, 4) for video in (1, 6, 14, 15)),
    ],
    ids=["sRGB", "P3", "PQ", "HLG", "unspecified", "BT.709", "BT.601", "BT.2020, 10 bits", "BT.2020, 12 bits"],
)
def test_nclx(encode: Any, pixels: np.ndarray, primaries: int, transfer: int, most: int) -> None:
    # In PQ a step of 8 bits is a large one, and AVIF is written as YCbCr of 8 bits.
    assert off(encode(pixels, primaries, transfer)) <= most + 6 * (transfer == 16)


def test_an_avifs_profile_goes_before_nclx() -> None:
    assert off(avif(LINEAR, 1, 13, icc_profile=profile("linear", 1.0))) <= 12


def test_hdr_is_said() -> None:
    with pytest.warns(ImageWarning, match="an HDR picture, brought to SDR"):
        open_image(with_chunks(saved(IN_PQ), cicp(9, 16)))


def test_highlights_are_compressed_and_the_rest_hardly() -> None:
    """White at 203 cd/m², and one patch four times as bright."""
    bright = light().copy()
    bright[5] = 4
    shown = looks(with_chunks(saved(laid_out(pq(in_primaries(bright, BT2020) * 203))), cicp(9, 16)))
    assert (shown[5] == 255).all()
    assert np.abs(shown[:5] - SEEN[:5]).max() <= 14


def test_the_tone_curve_is_bt2408s() -> None:
    """At the peak there is white, up to the knee nothing changes, and it rises everywhere."""
    nits = np.linspace(0, 1000, 500)
    mapped = tone_mapped(nits, 1000)
    assert mapped[-1] == pytest.approx(203, rel=1e-3)
    assert (np.diff(mapped) > 0).all()
    assert np.allclose(mapped[nits < 80], nits[nits < 80], rtol=1e-6)
    assert np.array_equal(tone_mapped(nits, 150), nits), "nowhere brighter than white: nothing is done"


def exif(space: int | None, index: str | None) -> Image.Exif:
    data = Image.Exif()
    camera: dict[int, Any] = {ExifTags.Base.ExposureTime: 0.01}
    if space is not None:
        camera[ExifTags.Base.ColorSpace] = space
    if index is not None:
        camera[ExifTags.IFD.Interop] = {1: index, 2: b"0100"}
    data[ExifTags.IFD.Exif] = camera
    return data


IN_ADOBE = laid_out(gamma(in_primaries(light(), ADOBE), 563 / 256))


@pytest.mark.parametrize(("space", "index"), [(65_535, "R03"), (None, "R03"), (2, None)])
@pytest.mark.parametrize("format", ["JPEG", "WEBP"])
def test_a_cameras_adobe_rgb(format: str, space: int | None, index: str | None) -> None:
    options = {"JPEG": {"quality": 98, "subsampling": 0}, "WEBP": {"lossless": True}}.get(format, {})
    data = saved(IN_ADOBE, format, exif=exif(space, index).tobytes(), **options)
    assert off(data) <= 6
    kept = open_image(data).getexif().get_ifd(ExifTags.IFD.Exif)
    assert kept.get(ExifTags.Base.ColorSpace) == (None if space is None else 1), "the output is sRGB, and says so"


def test_exif_does_not_tell_a_pngs_colours() -> None:
    """The precedence of the PNG specification has no place for it."""
    assert off(saved(PLAIN, "PNG", exif=exif(2, "R03").tobytes())) == 0


@pytest.mark.parametrize(("space", "index"), [(1, "R98"), (1, None), (65_535, "R98"), (65_535, None), (1, "R03")])
def test_a_cameras_srgb(space: int, index: str | None) -> None:
    assert off(saved(PLAIN, "WEBP", lossless=True, exif=exif(space, index).tobytes())) == 0


def test_a_profile_goes_before_exif() -> None:
    data = saved(PLAIN, "JPEG", quality=98, subsampling=0, exif=exif(2, None), icc_profile=profile("mine", 2.2))
    assert off(data) <= 6


def test_a_jpeg_2000s_profile() -> None:
    data = saved(IN_P3, "JPEG2000")
    at = data.index(b"colr") - 4
    (size,) = struct.unpack_from(">I", data, at)
    icc = profile("P3", 2.2, P3)
    box = struct.pack(">I", 11 + len(icc)) + b"colr\2\0\0" + icc
    header = data.index(b"jp2h") - 4
    grown = struct.unpack_from(">I", data, header)[0] + len(box) - size
    data = data[:header] + struct.pack(">I", grown) + data[header + 4 : at] + box + data[at + size :]
    assert off(data) <= 6


def grey_profile(exponent: float) -> bytes:
    """An ICC profile (version 2) of a grey whose light is a power of its samples."""
    rgb = bytearray(profile("grey", exponent))
    rgb[16:20] = b"GRAY"
    return bytes(rgb).replace(b"gTRC", b"kTRC", 1)


@pytest.mark.parametrize("exponent", [1.0, 1.8, 2.2])
@pytest.mark.parametrize("kind", [grey_profile, lambda exponent: profile("for colours", exponent, P3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_is_converted_by_profiles_of_grey_and_of_colours(exponent: float, kind: Any, dtype: Any) -> None:
    samples = np.linspace(0, 1, 96)[None].repeat(64, 0)
    most = np.iinfo(dtype).max
    codes = np.rint(samples * most).astype(dtype)
    expected = srgb((codes / most) ** exponent) * 255
    opened = np.asarray(open_image(saved(Image.fromarray(codes), icc_profile=kind(exponent)))).astype(float)
    assert np.abs(opened - expected[..., None]).max() <= 1.1


def test_an_image_of_pillows_is_converted_too() -> None:
    for data in (with_chunks(saved(LINEAR), gama(1)), saved(LINEAR, icc_profile=profile("linear", 1.0))):
        with Image.open(io.BytesIO(data)) as image:
            opened = np.asarray(open_image(image))
        assert np.abs(opened[16::32, 16::32].reshape(6, 3) - SEEN).max() <= 4


@given(st.integers(0, 255), st.integers(0, 255))
def test_any_code_points_mean_colours_or_nothing(primaries: int, transfer: int) -> None:
    colour = from_cicp(primaries, transfer)
    assert colour is None or isinstance(colour.encoding, Encoding)
    assert looks(with_chunks(saved(PLAIN), cicp(primaries, transfer))).shape == (6, 3)


@given(st.floats(0, 100), st.lists(st.floats(0, 2), min_size=8, max_size=8))
def test_any_gamma_and_primaries_mean_colours_or_nothing(value: float, corners: list[float]) -> None:
    pairs = [tuple(corners[i : i + 2]) for i in range(0, 8, 2)]
    colour = named_by_gamma(value, Primaries(*pairs))  # type: ignore[arg-type]
    assert colour is None or colour.encoding is not None
    assert looks(with_chunks(saved(PLAIN), gama(value), chrm(tuple(pairs)))).shape == (6, 3)  # type: ignore[arg-type]


def test_primaries_of_srgb_are_no_conversion() -> None:
    chunks = [gama(0.45455), chrm(SRGB)]
    assert off(with_chunks(saved(PLAIN), *chunks)) <= 4
