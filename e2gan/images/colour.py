"""Converting the colours of a file to 8-bit sRGB.

A file defines its colours by an ICC profile or by numbers: primaries and a transfer curve, as in CICP (ITU-T H.273),
gAMA and cHRM, or EXIF.  Numbers become a profile, so that Little CMS converts both.  PQ and HLG (ITU-R BT.2100)
are mapped to SDR by the curve of ITU-R BT.2408, annex 5, with white at 203 cd/m².
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from PIL import Image, ImageCms

__all__ = [
    "ADOBE_RGB",
    "HLG_PEAK",
    "SRGB",
    "SRGB_CURVE",
    "Colour",
    "Curve",
    "Encoding",
    "Primaries",
    "from_cicp",
    "from_lab",
    "from_nclx",
    "named_by_gamma",
    "to_eight_bits",
    "to_srgb",
    "written_profile",
]

STRIP = 1 << 20
"""Pixels processed together if a library does not bound its memory itself."""

INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
"""The nearest to what Chromium does; it matters for profiles of tables only, as printers and scanners have them."""

WHITE_LEVEL = 203.0
"""Luminance of SDR white in HDR, cd/m² (ITU-R BT.2408, table 1)."""

HLG_PEAK = 1000.0
"""Luminance of the display that HLG is shown on, cd/m² (ITU-R BT.2100)."""

LARGEST = 100.0
"""Maximum value in a matrix of primaries, far above any real one's: what is larger no longer fits into a profile."""

D65 = (0.3127, 0.3290)
D50_XYZ = np.array([0.9642, 1.0, 0.8249])
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


@dataclass(frozen=True)
class Primaries:
    """Chromaticities (x, y) of red, green, blue and white."""

    red: tuple[float, float]
    green: tuple[float, float]
    blue: tuple[float, float]
    white: tuple[float, float] = D65

    def to_xyz(self) -> np.ndarray:
        """(3, 3): linear RGB to XYZ, adapted to D50 (Bradford) as ICC profiles are.

        Raises:
            ValueError: the values are not valid primaries.
        """
        corners = np.array([self.red, self.green, self.blue, self.white], np.float64)
        if not (corners > -0.2).all() or not (corners < 1.2).all() or self.white[1] <= 1e-4:
            raise ValueError("no primaries")
        x, y = corners.T
        xyz = np.stack([x, y, 1 - x - y])
        white = xyz[:, 3] / self.white[1]
        try:
            matrix = xyz[:, :3] * np.linalg.solve(xyz[:, :3], white)
        except np.linalg.LinAlgError as fault:
            raise ValueError("no primaries") from fault
        cones = BRADFORD @ D50_XYZ / (BRADFORD @ white)
        adapted = np.linalg.inv(BRADFORD) @ np.diag(cones) @ BRADFORD @ matrix
        if not np.abs(adapted).max() < LARGEST:
            raise ValueError("no primaries")
        return np.asarray(adapted)


@dataclass(frozen=True)
class Curve:
    """From a sample in 0 to 1 to light in 0 to 1: (a·x + b)ᵍ from d on, c·x below."""

    g: float
    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    d: float = 0.0


Transfer = Curve | Literal["pq", "hlg"]

SRGB_CURVE = Curve(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
BT1886_CURVE = Curve(2.4)
"""How a display shows what BT.709's camera curve encoded (ITU-R BT.1886); browsers do the same with a PNG."""

VIDEO_TRANSFERS = frozenset((1, 6, 14, 15))
"""The camera curves of BT.709, BT.601 and BT.2020, which encoders write into files of sRGB pixels, too."""

SRGB_PRIMARIES = Primaries((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))

CICP_PRIMARIES = {
    1: SRGB_PRIMARIES,
    2: SRGB_PRIMARIES,  # unspecified
    4: Primaries((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), (0.310, 0.316)),
    5: Primaries((0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: Primaries((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    7: Primaries((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    8: Primaries((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), (0.310, 0.316)),
    9: Primaries((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    10: Primaries((1.0, 0.0), (0.0, 1.0), (0.0, 0.0), (1 / 3, 1 / 3)),  # CIE XYZ
    11: Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),
    12: Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    22: Primaries((0.630, 0.340), (0.295, 0.605), (0.155, 0.077)),
}
"""ITU-T H.273, table 2.  Unspecified primaries count as sRGB, as in browsers."""

CICP_TRANSFERS: dict[int, Transfer] = {
    1: BT1886_CURVE,
    2: SRGB_CURVE,  # unspecified
    4: Curve(2.2),
    5: Curve(2.8),
    6: BT1886_CURVE,
    7: Curve(1 / 0.45, 1 / 1.1115, 0.1115 / 1.1115, 1 / 4, 0.0912),
    8: Curve(1.0),
    11: BT1886_CURVE,
    13: SRGB_CURVE,
    14: BT1886_CURVE,
    15: BT1886_CURVE,
    16: "pq",
    17: Curve(2.6, (52.37 / 48) ** (1 / 2.6)),
    18: "hlg",
}
"""ITU-T H.273, table 3."""


@dataclass(frozen=True)
class Encoding:
    """RGB defined by numbers."""

    primaries: Primaries
    transfer: Transfer

    @property
    def hdr(self) -> bool:
        return isinstance(self.transfer, str)


@dataclass(frozen=True)
class Colour:
    """The meaning of a picture's samples: an ICC profile, or numbers."""

    profile: bytes = b""
    encoding: Encoding | None = None


SRGB = Encoding(SRGB_PRIMARIES, SRGB_CURVE)
ADOBE_RGB = Colour(encoding=Encoding(Primaries((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), Curve(563 / 256)))
"""Adobe RGB (1998), 4.3, which cameras mark by the interoperability index R03 (DCF 2.0)."""


def from_cicp(primaries: int, transfer: int) -> Colour | None:
    """Colours from code points of ITU-T H.273; None if these are unspecified or unknown."""
    if (primaries, transfer) == (2, 2) or primaries not in CICP_PRIMARIES or transfer not in CICP_TRANSFERS:
        return None
    return Colour(encoding=Encoding(CICP_PRIMARIES[primaries], CICP_TRANSFERS[transfer]))


def from_nclx(primaries: int, transfer: int) -> Colour | None:
    """The same for HEIF and AVIF, where the curves of video mean sRGB, as in browsers."""
    return from_cicp(primaries, 13 if transfer in VIDEO_TRANSFERS else transfer)


def named_by_gamma(gamma: float, primaries: Primaries | None) -> Colour | None:
    """Colours from a PNG's gAMA (the encoding exponent) and cHRM; None if these mean sRGB or nothing.

    An exponent near 1/2.2 without primaries means sRGB, which gAMA cannot express more exactly.
    """
    if not 0.05 < gamma < 20 or (primaries is None and abs(gamma * 2.2 - 1) < 0.05):
        return None
    encoding = Encoding(primaries or SRGB_PRIMARIES, Curve(1 / gamma))
    try:
        encoding.primaries.to_xyz()
    except ValueError:
        return None
    return Colour(encoding=encoding)


# Conversion


def to_srgb(
    pixels: Image.Image | np.ndarray, colour: Colour | None, *, own: bool = False, peak: float | None = None
) -> Image.Image:
    """Convert to 8-bit sRGB.

    Args:
        pixels: a Pillow image of mode L, RGB, CMYK or LAB; or (H, W) or (H, W, 3) of uint16, all of its range used.
        colour: what they mean; sRGB if None, or if it does not suit such pixels, as in viewers.
        own: whether the image may be modified.
        peak: the brightest value of HDR, in cd/m²; by default that of the picture.
    """
    colour = _by_numbers(colour)
    if colour and colour.encoding and colour.encoding.hdr:
        return _from_hdr(_samples(pixels), colour.encoding, peak)
    if isinstance(pixels, np.ndarray):
        return _from_deep(pixels, colour)
    converted = _through_profile(pixels, colour, own)
    if converted is not None:
        return converted
    return pixels if own and pixels.mode == "RGB" else pixels.convert("RGB")


def to_eight_bits(deep: np.ndarray) -> np.ndarray:
    """uint16 of full range to the nearest uint8."""
    return ((deep.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _by_numbers(colour: Colour | None) -> Colour | None:
    """A profile that declares PQ or HLG in its ``cicp`` tag (ICC.1:2022, 9.2.17), as numbers; others as they are."""
    if colour is None or not colour.profile:
        return colour
    tag = _tag(colour.profile, b"cicp")
    told = from_cicp(tag[8], tag[9]) if len(tag) == 12 else None
    return told if told and told.encoding and told.encoding.hdr else colour


def _tag(profile: bytes, name: bytes) -> bytes:
    """A tag of an ICC profile; empty if it has no such tag."""
    count = int.from_bytes(profile[128:132], "big")
    for at in range(132, min(132 + 12 * min(count, 100), len(profile) - 11), 12):
        found, offset, size = struct.unpack_from(">4sII", profile, at)
        if found == name:
            return profile[offset : offset + size]
    return b""


def _profile_of(colour: Colour, grey: bool) -> bytes:
    """The profile; for grey, one of RGB with the same curve: Little CMS computes grey in coarse steps."""
    profile = colour.profile or (written_profile(colour.encoding) if colour.encoding else b"")
    if grey and profile[16:24] == b"GRAYXYZ " and (curve := _tag(profile, b"kTRC")):
        return _matrix_profile(SRGB_PRIMARIES.to_xyz(), curve)
    return profile


def _through_profile(image: Image.Image, colour: Colour | None, own: bool) -> Image.Image | None:
    """The picture converted by Little CMS; None if it needs no conversion, or the profile does not suit it."""
    try:
        if image.mode == "LAB":
            source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        elif colour is None:
            return None
        else:
            profile = _profile_of(colour, image.mode == "L")
            if (colour.encoding and image.mode != "RGB") or (image.mode == "L" and profile[16:20] == b"RGB "):
                image = image.convert("RGB")
                own = True
            if _is_srgb(profile, image.mode):
                return None
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), image.mode, "RGB", INTENT)
        if own and image.mode == "RGB":
            ImageCms.applyTransform(image, transform, inPlace=True)
            return image
        return ImageCms.applyTransform(image, transform)
    # A damaged profile, or one for another kind of picture; viewers ignore these, too.
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


@lru_cache(maxsize=8)
def _is_srgb(profile: bytes, mode: str) -> bool:
    """Whether a profile's primaries and curves are sRGB's to the nearest value, so that pixels can stay as they are.

    It is judged by what it does, because names deceive.
    """
    if mode != "RGB":
        return False
    steps = np.linspace(0, 255, 9).round()
    cube = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(-1, 3)
    grey = np.arange(256)[:, None].repeat(3, 1)
    probe = np.concatenate([cube, grey]).astype(np.uint8)[None]
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), "RGB", "RGB", INTENT)
    converted = np.asarray(ImageCms.applyTransform(Image.fromarray(probe), transform)).astype(int)
    return bool(np.abs(converted - probe).max() <= 1)


def _from_deep(deep: np.ndarray, colour: Colour | None) -> Image.Image:
    """uint16 to 8-bit sRGB, through the profile at its full depth."""
    profile = b"" if colour is None else _profile_of(colour, deep.ndim == 2)
    grey_as_rgb = deep.ndim == 2 and profile[16:20] == b"RGB "
    out = np.empty((*deep.shape[:2], 3), np.uint8)
    convert = _deep_converter(profile, 3 if grey_as_rgb else deep.ndim) if profile else None
    for rows in _strips(deep):
        strip = deep[rows][..., None].repeat(3, -1) if grey_as_rgb else deep[rows]
        if convert is not None:
            strip = convert(strip)
        out[rows] = to_eight_bits(strip if strip.ndim == 3 else strip[..., None])
    return Image.fromarray(out)


def _deep_converter(profile: bytes, dimensions: int):  # type: ignore[no-untyped-def]
    """A function that converts a strip of uint16; None if none is needed, or the profile does not suit the strip."""
    import imagecodecs

    space = {b"RGB ": 3, b"GRAY": 2}.get(profile[16:20])
    if space != dimensions:
        return None
    kind = "rgb" if dimensions == 3 else "gray"
    target = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

    def convert(strip: np.ndarray) -> np.ndarray:
        return np.asarray(
            imagecodecs.cms_transform(
                np.ascontiguousarray(strip),
                profile,
                target,
                colorspace=kind,
                outcolorspace="rgb",
                outdtype="uint16",
                intent=int(INTENT),
            )
        )

    try:
        if kind == "rgb" and _is_srgb(profile, "RGB"):
            return None
        convert(np.zeros((1, 1, 3) if dimensions == 3 else (1, 1), np.uint16))
    except Exception:  # the library raises several kinds
        return None
    return convert


def _strips(deep: np.ndarray) -> Iterator[slice]:
    rows = max(1, STRIP // max(1, deep.shape[1]))
    for top in range(0, len(deep), rows):
        yield slice(top, top + rows)


def _samples(pixels: Image.Image | np.ndarray) -> np.ndarray:
    """(H, W, 3), uint8 or uint16."""
    if isinstance(pixels, Image.Image):
        return np.asarray(pixels if pixels.mode == "RGB" else pixels.convert("RGB"))
    return pixels if pixels.ndim == 3 else pixels[..., None].repeat(3, -1)


def from_lab(lightness: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """CIE L*a*b* (L 0 to 100, D50), each (H, W) float32, to sRGB (H, W, 3) uint16."""
    y = (lightness + 16) / 116
    f = np.stack([y + a / 500, y, y - b / 200], -1)
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * D50_XYZ.astype(np.float32)
    linear = xyz @ np.linalg.inv(SRGB_PRIMARIES.to_xyz()).T.astype(np.float32)
    return np.rint(_srgb_of(linear.clip(0, 1)) * 65_535).astype(np.uint16)


def _srgb_of(light: np.ndarray) -> np.ndarray:
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)


# HDR


def pq_to_light(signal: np.ndarray) -> np.ndarray:
    """PQ in 0 to 1 to luminance in cd/m², up to 10,000 (SMPTE ST 2084)."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = np.asarray(signal, np.float64) ** (1 / m2)
    return 10_000 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)


def light_to_pq(light: np.ndarray) -> np.ndarray:
    """Luminance in cd/m² to PQ in 0 to 1."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = np.asarray(light / 10_000, np.float64) ** m1
    return ((c1 + c2 * power) / (1 + c3 * power)) ** m2


def hlg_to_scene(signal: np.ndarray) -> np.ndarray:
    """HLG in 0 to 1 to the scene's light in 0 to 1 (ITU-R BT.2100, table 5)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    signal = np.asarray(signal, np.float64)
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)


def tone_mapped(light: np.ndarray, peak: float) -> np.ndarray:
    """Luminance of a picture with the maximum ``peak`` to that in SDR, both in cd/m², by BT.2408's annex 5.

    Luminance below a knee does not change; a picture that is nowhere brighter than SDR white does not change at all.
    """
    if peak <= WHITE_LEVEL:
        return light
    top = float(light_to_pq(np.array(peak)))
    most = float(light_to_pq(np.array(WHITE_LEVEL))) / top
    knee = 1.5 * most - 0.5
    e = np.minimum(light_to_pq(light) / top, 1)
    t = ((e - knee) / (1 - knee)).clip(0, 1)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * most
    return pq_to_light(np.where(e < knee, e, spline) * top)


def _from_hdr(samples: np.ndarray, encoding: Encoding, peak: float | None = None) -> Image.Image:
    """PQ or HLG, (H, W, 3) uint8 or uint16, to SDR in sRGB.

    By default, the peak is the picture's own: the brightest channel of all but one in 10,000 pixels.  The curve applies
    to the brightest channel of each pixel and the others follow, which keeps hues.
    """
    most = np.iinfo(samples.dtype).max
    codes = np.arange(most + 1) / most
    pq = encoding.transfer == "pq"
    table = (pq_to_light(codes) if pq else hlg_to_scene(codes)).astype(np.float32)
    share = np.linalg.inv(CICP_PRIMARIES[9].to_xyz()) @ encoding.primaries.to_xyz()
    luminance = (np.array([0.2627, 0.6780, 0.0593]) @ share).astype(np.float32)

    def light(rows: slice) -> np.ndarray:
        """cd/m², float32."""
        linear = table[samples[rows]]
        if pq:
            return linear
        # The display's own gamma (BT.2100: 1.2 at 1000 cd/m²) applies to luminance, which keeps hues.
        y = np.maximum(linear @ luminance, 1e-9)[..., None]
        return linear * (HLG_PEAK * y ** np.float32(0.2))

    if peak is None:
        bins = np.zeros(4096, np.int64)
        for rows in _strips(samples):
            brightest = light_to_pq(light(rows).max(-1))
            bins += np.bincount((brightest * 4095).astype(np.int64).ravel().clip(0, 4095), minlength=4096)
        above = np.cumsum(bins[::-1])[::-1]
        peak = float(pq_to_light(np.array((np.flatnonzero(above > bins.sum() // 10_000)[-1] + 1) / 4096)))

    grid = np.linspace(0, 1, 4096)
    mapped = tone_mapped(pq_to_light(grid), peak) / np.maximum(pq_to_light(grid), 1e-9)
    mapped[0] = 1
    to_srgb_light = (np.linalg.inv(SRGB_PRIMARIES.to_xyz()) @ encoding.primaries.to_xyz() / WHITE_LEVEL).astype(
        np.float32
    )
    encode = np.rint(_srgb_of(np.arange(65_536) / 65_535) * 255).astype(np.uint8)
    out = np.empty(samples.shape, np.uint8)
    for rows in _strips(samples):
        linear = light(rows)
        ratio = np.interp(light_to_pq(linear.max(-1)), grid, mapped).astype(np.float32)
        sdr = (linear * ratio[..., None]) @ to_srgb_light.T
        out[rows] = encode[(sdr.clip(0, 1) * 65_535 + 0.5).astype(np.uint16)]
    return Image.fromarray(out)


# A profile of numbers


@lru_cache(maxsize=32)
def written_profile(encoding: Encoding) -> bytes:
    """An ICC profile (version 4.3) of a matrix and three parametric curves; raises ValueError for invalid primaries."""
    curve = encoding.transfer
    assert isinstance(curve, Curve)
    parameters = _numbers(curve.g, curve.a, curve.b, curve.c, curve.d)
    return _matrix_profile(encoding.primaries.to_xyz(), b"para\0\0\0\0\0\3\0\0" + parameters)


def _numbers(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(value * 65_536) for value in values))


def _matrix_profile(matrix: np.ndarray, trc: bytes) -> bytes:
    """An ICC profile of a matrix (RGB to XYZ), and a curve for all three channels."""

    def text(words: str) -> bytes:
        data = words.encode("utf-16-be")
        return b"mluc\0\0\0\0" + struct.pack(">II4sII", 1, 12, b"enUS", len(data), 28) + data

    tags = [(b"desc", text("RGB")), (b"cprt", text("none")), (b"wtpt", b"XYZ \0\0\0\0" + _numbers(*D50_XYZ))]
    tags += [(name, b"XYZ \0\0\0\0" + _numbers(*matrix[:, i])) for i, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))]
    tags += [(name, trc) for name in (b"rTRC", b"gTRC", b"bTRC")]
    body, listed, at = b"", b"", 132 + 12 * len(tags)
    for name, data in tags:
        listed += struct.pack(">4sII", name, at + len(body), len(data))
        body += data + b"\0" * (-len(data) % 4)
    size = at + len(body)
    head = struct.pack(">I4sI4s4s4s12s4s", size, b"\0" * 4, 0x04300000, b"mntr", b"RGB ", b"XYZ ", b"\0" * 12, b"acsp")
    head = head.ljust(68, b"\0") + _numbers(*D50_XYZ)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + listed + body
