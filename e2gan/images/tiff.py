"""TIFF: finding the photo among a file's pictures, and reading its samples if they are deeper than 8 bits.

Pillow reads samples of up to 8 bits.  Deeper samples, separate planes, floating point and Lab go through
tifffile, with imagecodecs for compressed data.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from e2gan.errors import ImageError
from e2gan.images.colour import STRIP, from_lab
from e2gan.images.limits import CLEAR, DECODED, Limits

__all__ = ["CONVERTED", "Page", "check_length", "is_tiff", "read_page", "read_samples"]

_GREY = {0, 1}
_RGB, _PALETTE, _CMYK, _YCBCR, _LAB, _ICC_LAB, _ITU_LAB = 2, 3, 5, 6, 8, 9, 10
CONVERTED = frozenset((_LAB, _ICC_LAB, _ITU_LAB))
"""Photometric interpretations whose samples `read_samples` converts to sRGB."""

_SENSOR = {32803: "a colour filter array", 34892: "linear raw"}
_KINDS = {4: "a mask", 32844: "LogL", 32845: "LogLuv", 51177: "a depth map"}

_REDUCED, _MASK = 1, 4
"""Bits of NewSubfileType: a smaller version of another picture, and a transparency mask."""

_RATIOS = {1: 1, 5: 4096, 8: 1100, 32946: 1100, 32773: 64}
"""Maximum bytes that one compressed byte can encode, by compression: none, LZW, deflate twice, PackBits."""

_COMPRESSIONS = {1, 5, 7, 8, 32946, 32773, 33003, 33005, 34712, 34892, 34925, 50000, 50001, 50002, 52546}
"""Supported compressions of deep pictures: LZW, JPEG, deflate, PackBits, JPEG 2000, LZMA, Zstandard, WebP, JPEG XL."""

_JPEG = 7

_PLAIN = {1, 5, 8, 32946, 32773, 34925, 50000}
"""Compressions that keep samples as they are: none converts YCbCr to RGB."""

_PILLOWS = {1, 2, 3, 4, 5, 6, 7, 8, 32946, 32773, 34925, 50000}
"""Compressions of pictures of up to 8 bits that Pillow's libtiff reads."""

_DNG_VERSION, _ORIENTATION, _PROFILE = 50706, 274, 34675
_XMP, _IPTC, _RESOURCES = 700, 33723, 34377

METADATA_LIMIT = 64 << 20
"""Maximum bytes of one value of metadata."""
_MAKERS = ("NIKON", "Canon", "SONY", "PENTAX", "RICOH", "SAMSUNG", "Phase One", "Hasselblad", "Leaf", "KODAK", "EPSON")


# It logs oddities of files, which Python would print if logging is not set up.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


@dataclass
class Page:
    """The photo of a TIFF."""

    width: int
    height: int
    first: bool
    """Whether it is the file's first picture, the one that other readers use."""
    shallow: bool
    """Whether Pillow reads it correctly: unsigned samples of at most 8 bits."""
    raw: bool
    """Whether the file is a raw photo of a camera."""
    several: bool
    """Whether there are other pictures that are not smaller versions of this one."""
    per_pixel: int
    """Bytes that a pixel takes while its samples are read."""
    orientation: int
    profile: bytes
    xmp: bytes
    iptc: bytes
    resources: bytes
    """Photoshop's image resources, which may hold IPTC, too."""
    offset: int
    """The file offset of the first directory, which holds the metadata."""
    big: bool
    page: Any


def is_tiff(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is a TIFF, or one of the raw formats based on it."""
    return head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def read_page(stream: BinaryIO, name: str) -> Page:
    """Find the photo among a file's pictures: the first that is not a smaller version of another.

    A smaller version is declared as one; or it has the proportions of another picture, and at most half its width; or
    it contains a larger one.

    Raises:
        ImageError: the file has no picture.
        Exception: whatever tifffile raises on a damaged file.
    """
    import tifffile

    stream.seek(0)
    with tifffile.TiffFile(stream) as file:
        families = list(_families(file))
        pages = [page for family in families for page in family]
        if not pages:
            raise ImageError(f"{name}: a TIFF without a picture")
        first = pages[0]
        declared = [page for page in pages if not int(page.subfiletype) & (_REDUCED | _MASK)] or pages[:1]
        whole = [page for page in declared if not _is_smaller(page, declared, families)]
        sensor = any(int(page.photometric) in _SENSOR for page in pages)
        raw = sensor or _DNG_VERSION in first.tags or _is_makers(first, pages)
        page = whole[0]
        bits = _bits(page)
        # Other pictures count only if they are not smaller: smaller ones are versions of the photo.
        size = page.imagewidth * page.imagelength
        several = sum(picture.imagewidth * picture.imagelength >= size for picture in whole) > 1
        formats = page.sampleformat if isinstance(page.sampleformat, tuple) else (page.sampleformat,)
        shallow = max(bits) <= 8 and min(bits) == max(bits) and {int(kind) for kind in formats} <= {1, 4}
        itemsize = (max(bits) + 7) // 8
        photometric, compression = int(page.photometric), int(page.compression)
        # Pillow does not know all layouts of separate planes, YCbCr without compression, and palettes of bytes.
        plain = (
            (int(page.planarconfig) == 1 or compression == _JPEG)
            and (photometric, compression) != (_YCBCR, 1)
            and not _is_bytes(page)
        )
        return Page(
            page.imagewidth,
            page.imagelength,
            page is first,
            shallow and plain and photometric in {0, 1, _RGB, _PALETTE, _CMYK, _YCBCR} and compression in _PILLOWS,
            raw,
            several,
            len(bits) * (itemsize + 2) + (CLEAR if page.extrasamples else DECODED),
            int(page.tags.valueof(_ORIENTATION, 1) or 1),
            bytes(page.tags.valueof(_PROFILE, b"") or b""),
            _raw_value(stream, first, _XMP),
            _raw_value(stream, first, _IPTC),
            _raw_value(stream, first, _RESOURCES),
            first.offset,
            file.is_bigtiff,
            page,
        )


def _families(file: Any) -> Iterator[list[Any]]:
    """The pictures of the main chain, each followed by those of its sub-directories."""
    for number, page in enumerate(file.pages):
        if number == 64:
            return
        page = page.aspage() if hasattr(page, "aspage") else page
        family = [page, *(below.aspage() if hasattr(below, "aspage") else below for below in page.pages or ())]
        yield [page for page in family if page.imagewidth and page.imagelength]


def _is_smaller(page: Any, pages: list[Any], families: list[list[Any]]) -> bool:
    """Whether a picture that is not declared as a smaller version of another one is one."""
    inside = next((family[1:] for family in families if family and page is family[0]), [])
    for other in pages:
        width, height = other.imagewidth, other.imagelength
        # Its height, if it has the other's proportions, is a rounded number.
        alike = abs(page.imagewidth * height / width - page.imagelength) <= 1 and page.imagewidth * 2 <= width
        larger = width * height > page.imagewidth * page.imagelength
        if alike or (larger and any(other is each for each in inside)):
            return True
    return False


def _is_bytes(page: Any) -> bool:
    """Whether a palette has bytes where TIFF wants 16 bits, as some programs write."""
    return int(page.photometric) == _PALETTE and int(np.max(page.colormap, initial=0)) < 256


def _raw_value(stream: BinaryIO, page: Any, tag: int) -> bytes:
    """A tag's value as it is in the file: what consists of bytes is often declared as numbers."""
    found = page.tags.get(tag)
    if found is None or not 4 < found.valuebytecount <= METADATA_LIMIT:
        return b""
    stream.seek(found.valueoffset)
    return stream.read(found.valuebytecount)


def _is_makers(first: Any, pages: list[Any]) -> bool:
    """Whether a camera wrote a preview first, followed by data that no TIFF reader knows."""
    maker = str(first.tags.valueof(271, "") or "")
    small = bool(int(first.subfiletype) & _REDUCED) or int(first.compression) == 6
    return maker.upper().startswith(tuple(brand.upper() for brand in _MAKERS)) and small and len(pages) > 1


def _bits(page: Any) -> tuple[int, ...]:
    bits = page.bitspersample
    return tuple(bits) if isinstance(bits, tuple) else (int(bits),) * int(page.samplesperpixel)


def read_samples(stream: BinaryIO, page: Page, name: str, limits: Limits) -> tuple[np.ndarray, np.ndarray | None, str]:
    """The samples of a deep picture.

    Returns:
        uint16 of full range: (H, W) of grey, (H, W, 3) of RGB or (H, W, 4) of CMYK; the opacity in the same
        type, or None; and a note, or "".

    Raises:
        ImageError: pictures of this kind are not supported, or the file is cut off.
        Exception: whatever tifffile raises on a damaged file.
    """
    import tifffile

    tiff = page.page
    photometric, compression = int(tiff.photometric), int(tiff.compression)
    if photometric in _SENSOR or photometric in _KINDS:
        raise ImageError(f"{name}: a TIFF of {_SENSOR.get(photometric) or _KINDS[photometric]}, which is not read")
    if compression not in _COMPRESSIONS:
        title = getattr(tiff.compression, "name", compression)
        raise ImageError(
            f"{name}: a TIFF with the compression {title}, which is not read", hint="save it with LZW or deflate"
        )
    if photometric == _YCBCR and compression in _PLAIN and page.page.tags.valueof(530, (2, 2)) != (1, 1):
        raise ImageError(
            f"{name}: a TIFF of YCbCr with fewer samples of colour, which is not read", hint="save it as RGB"
        )
    limits.check(name, page.width, page.height, page.per_pixel)
    check_length(stream, page, name)
    with tifffile.TiffFile(stream) as file:
        tiff.parent = file
        # One thread: several threads must not decode a damaged file at once.
        samples = tiff.asarray(maxworkers=1)
    while samples.ndim > (3 if int(tiff.samplesperpixel) > 1 else 2) and 1 in samples.shape:
        samples = samples.squeeze(samples.shape.index(1))
    if int(tiff.planarconfig) == 2 and samples.ndim == 3:
        samples = np.moveaxis(samples, 0, -1)
    if samples.ndim not in (2, 3) or samples.shape[:2] != (page.height, page.width):
        raise ImageError(f"{name}: a TIFF of {'×'.join(map(str, samples.shape))} samples, which is not a picture")
    return _arranged(samples, tiff, name)


def check_length(stream: BinaryIO, page: Page, name: str) -> None:
    """Refuse a file that is too short for what it declares, before allocating memory for it; raises ImageError."""
    tiff = page.page
    size = stream.seek(0, 2)
    stream.seek(0)
    offsets, counts = tiff.dataoffsets, tiff.databytecounts
    if not offsets or any(start + count > size for start, count in zip(offsets, counts)) or 0 in counts:
        raise ImageError(f"{name}: damaged or cut off (its pixels lie beyond its end)")
    needed = tiff.imagewidth * tiff.imagelength * sum(_bits(tiff)) // 8
    if sum(counts) * _RATIOS.get(int(tiff.compression), 1 << 40) < needed:
        raise ImageError(f"{name}: damaged or cut off ({sum(counts):,} bytes for {needed:,} bytes of pixels)")


def _arranged(samples: np.ndarray, tiff: Any, name: str) -> tuple[np.ndarray, np.ndarray | None, str]:
    photometric = int(tiff.photometric)
    colours = 1 if photometric in (*_GREY, _PALETTE) else 4 if photometric == _CMYK else 3
    if samples.ndim == 2:
        samples = samples[..., None]
    if samples.shape[-1] < colours:
        raise ImageError(f"{name}: a TIFF of {samples.shape[-1]} channels where {colours} are declared")
    extras = [int(extra) for extra in tiff.extrasamples]
    clear = bool(extras) and extras[0] in (1, 2) and samples.shape[-1] > colours
    highest = _highest(samples[..., :colours], tiff)
    if not clear and photometric in (1, _RGB, _CMYK) and samples.dtype == np.uint16 and highest == 65_535:
        return (samples[..., 0] if colours == 1 else samples[..., :colours]), None, ""  # as it is
    pixels = np.empty((*samples.shape[:2], 3 if photometric == _PALETTE else colours), np.uint16)
    alpha = np.empty(samples.shape[:2], np.uint16) if clear else None
    rows = max(1, STRIP // 4 // samples.shape[1])
    for top in range(0, len(samples), rows):
        part = samples[top : top + rows]
        body, strip = part[..., :colours], slice(top, top + rows)
        if photometric == _PALETTE:
            table = np.asarray(tiff.colormap)
            pixels[strip] = np.moveaxis(table[:, body[..., 0].clip(0, table.shape[1] - 1)], 0, -1)
            if _is_bytes(tiff):
                pixels[strip] *= 257
        elif photometric in CONVERTED:
            pixels[strip] = _from_lab_samples(body, photometric, name)
        else:
            pixels[strip] = _full_range(body, highest)
            if photometric == _YCBCR and int(tiff.compression) in _PLAIN:
                pixels[strip] = _from_ycbcr(pixels[strip])
        if alpha is not None:
            alpha[strip] = _full_range(part[..., colours], _highest(part[..., colours], tiff))
            if extras[0] == 1:
                share = np.maximum(alpha[strip], 1)[..., None].astype(np.float32) / 65_535
                pixels[strip] = np.minimum(pixels[strip] / share + 0.5, 65_535).astype(np.uint16)
        if photometric == 0:
            pixels[strip] = 65_535 - pixels[strip]
    floating = samples.dtype.kind == "f" and photometric not in CONVERTED
    over = floating and float(np.nanmax(samples[..., :colours], initial=0)) > 1.001
    note = "what is brighter than 1 in its floating-point pixels is cut off" if over else ""
    return (pixels[..., 0] if pixels.shape[-1] == 1 else pixels), alpha, note


def _highest(samples: np.ndarray, tiff: Any) -> int:
    """The brightest value: 1 for floating point and booleans, the type's maximum for whole numbers."""
    if samples.dtype.kind not in "ui":
        return 1
    bits = max(_bits(tiff)) - (samples.dtype.kind == "i")
    # Some programs save 16-bit samples in a wider type.
    return 65_535 if bits > 24 and int(samples.max(initial=0)) <= 65_535 else 2**bits - 1


def _full_range(samples: np.ndarray, highest: int) -> np.ndarray:
    """Samples of any type as uint16 of full range."""
    kind = np.float64 if samples.dtype.itemsize > 2 and samples.dtype.kind in "ui" else np.float32
    scaled = samples.astype(kind)
    if samples.dtype.kind == "f":
        np.nan_to_num(scaled, copy=False, nan=0, posinf=1, neginf=0)
    return (scaled.clip(0, highest) * kind(65_535 / highest) + kind(0.5)).astype(np.uint16)


def _from_ycbcr(samples: np.ndarray) -> np.ndarray:
    """Full-range YCbCr to RGB by the weights of ITU-R BT.601, TIFF's default (TIFF 6, section 21); both uint16."""
    y, cb, cr = np.moveaxis(samples.astype(np.float32), -1, 0)
    cb, cr = cb - 32_896, cr - 32_896
    rgb = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], -1)
    return (rgb.clip(0, 65_535) + 0.5).astype(np.uint16)


def _from_lab_samples(lab: np.ndarray, photometric: int, name: str) -> np.ndarray:
    """8-bit, 16-bit and float Lab (TIFF 6, section 23; Adobe's ICCLab for 9; ITU-T T.42's default range for 10)."""
    lightness, a, b = (lab[..., i].astype(np.float32) for i in range(3))
    if lab.dtype.kind == "f":
        return from_lab(lightness, a, b)
    if lab.dtype.itemsize not in (1, 2):
        raise ImageError(f"{name}: a TIFF of Lab with {8 * lab.dtype.itemsize} bits, which is not read")
    eight = lab.dtype.itemsize == 1
    unit = 1.0 if eight else 256.0
    if photometric == _LAB:
        signed = lab.view(np.int8 if eight else np.int16)
        return from_lab(lightness * (100 / (255 if eight else 65_535)), signed[..., 1] / unit, signed[..., 2] / unit)
    if photometric == _ICC_LAB:
        return from_lab(lightness * (100 / (255 if eight else 65_280)), a / unit - 128, b / unit - 128)
    most = 255 if eight else 65_535
    return from_lab(lightness * (100 / most), (a / most - 128 / 255) * 170, (b / most - 96 / 255) * 200)
