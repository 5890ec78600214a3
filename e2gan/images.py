"""Pictures from and to the outside world: read, put upright, brought to 8-bit sRGB; written with provenance.

Whatever comes in (any size, mode, depth, colour profile and EXIF orientation of the
formats in :data:`READABLE`), the rest of the program sees an upright RGB or RGBA
picture of 8 bits in sRGB.  Whatever cannot be read is one
:class:`~e2gan.errors.ImageError` that names the file.
"""

from __future__ import annotations

import errno
import html
import io
import json
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from PIL import ExifTags, Image, ImageCms, PngImagePlugin, UnidentifiedImageError

from e2gan.errors import E2GANWarning, ImageError
from e2gan.files import atomic_write

__all__ = [
    "MAX_PIXELS",
    "READABLE",
    "WRITABLE",
    "ImageWarning",
    "format_for",
    "open_image",
    "read_provenance",
    "save_image",
]

Source: TypeAlias = "str | os.PathLike[str] | bytes | BinaryIO | Image.Image"
"""Where a picture comes from: a file's path, its bytes, a stream open for binary reading, or a Pillow image."""

READABLE = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "PPM", "AVIF", "JPEG2000")
"""Formats that are read.  Not all that Pillow can: some of the others run programs, or are no photos."""

WRITABLE = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF"}
"""Formats that are written, by suffix."""

MAX_PIXELS = 2 * 89_478_485
"""About 179 megapixels, where Pillow takes a picture for a decompression bomb; more is refused before decoding."""

MAX_STREAM = 1 << 30
"""Most bytes read from a stream, which has no size to look at first."""

ENCODING: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": "4:4:4", "optimize": True},
    "PNG": {"compress_level": 4},
    "WEBP": {"quality": 92, "method": 4},
    "TIFF": {},
}
"""How pictures are encoded.  Painted strokes have sharp edges in colour, so no chroma subsampling; Pillow writes
the directories of EXIF only into TIFFs that are not compressed."""

LONGEST_SIDE = {"JPEG": 65_535, "PNG": 2**31 - 1, "WEBP": 16_383, "TIFF": 2**31 - 1}

EXIF_LIMIT = 65_000
"""Most bytes of EXIF that fit a JPEG beside its marker."""

_TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How to put a picture upright, by its EXIF orientation."""

_KEPT = tuple(
    ExifTags.Base[name]
    for name in ("ImageDescription", "Make", "Model", "Software", "DateTime", "Artist", "HostComputer", "Copyright")
)
"""EXIF tags of the first directory that are kept: those that tell of the photo, not of its old file."""

_STALE = (ExifTags.Base.MakerNote, ExifTags.IFD.Interop, ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight)
"""Tags of the camera's directory that are not: they hold positions in, or the size of, the old file.
A maker's note may hold a whole preview of the unedited photo, too."""

_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\
<rdf:Description rdf:about="" xmlns:e2gan="urn:e2gan:provenance:1"><e2gan:provenance>{}</e2gan:provenance>\
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""


class ImageWarning(E2GANWarning):
    """A picture is read or written, but something of it is left out."""


def open_image(source: Source, *, name: str | None = None) -> Image.Image:
    """Read a picture whole: RGB, or RGBA where it has transparency, 8 bits a channel, sRGB, upright.

    Width and height are those of the picture as it is displayed, its EXIF orientation applied.
    Greyscale, palette, CMYK and Lab become RGB; 16 bits become 8; a colour profile is converted
    to sRGB.  ``info["exif"]`` keeps what the camera wrote, without the orientation, the maker's
    note and the thumbnail; ``format`` is the file's.  Of an animation or of several pages the
    first is read, and an :class:`ImageWarning` says so.

    Args:
        name: what errors call the picture; the path where there is one.

    Raises:
        ImageError: there is no picture, it is damaged or cut off, of no readable format, or larger
            than :data:`MAX_PIXELS`.
    """
    if name is None:
        name = os.fspath(source) if isinstance(source, (str, os.PathLike)) else "the picture"
    try:
        with _silence(), _opened(source) as image:
            _check_size(image, name)
            # A phone's MPO is a JPEG with a second picture for its own use.
            several = bool(getattr(image, "is_animated", False)) and image.format != "MPO"
            format = "JPEG" if image.format == "MPO" else image.format
            image.load()
            exif = _read_exif(image)
            kept = _camera_exif(exif)
            if (orientation := exif.get(ExifTags.Base.Orientation)) in _TURNED:
                image = image.transpose(_TURNED[orientation])
            upright = _to_srgb(image, name)
    except ImageError:
        raise
    except Image.DecompressionBombError as fault:
        raise _too_large(name) from fault
    except UnidentifiedImageError as fault:
        raise ImageError(
            f"{name}: not a picture, or of a format that cannot be read",
            hint="JPEG, PNG, WebP, TIFF, GIF, BMP, PPM, AVIF and JPEG 2000 can",
        ) from fault
    # Decoders raise almost anything on damaged files.
    except Exception as fault:
        reason = getattr(fault, "strerror", None) or f"damaged or cut off ({_one_line(fault)})"
        raise ImageError(f"{name}: {reason}") from fault
    if several:
        warnings.warn(f"{name}: only the first of its frames or pages is used", ImageWarning, stacklevel=2)
    upright.info = {"exif": kept} if kept else {}
    upright.format = format
    return upright


@contextmanager
def _silence() -> Iterator[None]:
    """Without Pillow's warnings of large pictures and odd metadata: the large are refused here, the odd is left out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _opened(source: Source) -> Iterator[Image.Image]:
    """The picture, its header read; its file is closed afterwards."""
    if isinstance(source, Image.Image):
        yield source
        return
    with ExitStack() as stack:
        if isinstance(source, bytes):
            source = io.BytesIO(source)
        elif isinstance(source, (str, os.PathLike)):
            source = stack.enter_context(open(source, "rb"))
        if not source.seekable():
            source = io.BytesIO(source.read(MAX_STREAM))
        if not source.read(1):
            raise OSError(errno.ENODATA, "the file is empty")
        source.seek(0)
        Image.init()
        yield Image.open(source, formats=[name for name in READABLE if name in Image.OPEN])


def _check_size(image: Image.Image, name: str) -> None:
    if image.width < 1 or image.height < 1:
        raise ImageError(f"{name}: has no pixels ({image.width}×{image.height})")
    if image.width * image.height > MAX_PIXELS:
        raise _too_large(name)


def _too_large(name: str) -> ImageError:
    return ImageError(
        f"{name}: larger than the {MAX_PIXELS // 1_000_000} megapixels allowed",
        hint="make it smaller first; the limit guards against files that swell to fill the memory",
    )


def _to_srgb(image: Image.Image, name: str) -> Image.Image:
    """A new picture of mode RGB, or RGBA where ``image`` can be transparent."""
    alpha = None
    profile = image.info.get("icc_profile")
    if image.mode == "La":  # which Pillow converts to nothing else
        image = image.convert("LA")
    if image.mode.startswith(("I", "F")):
        image, alpha = _from_deep(image, name)
    elif image.has_transparency_data:
        rgba = image.convert("RGBA")
        alpha = rgba.getchannel("A")
        image = image.convert("L") if image.mode == "LA" else rgba.convert("RGB")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode not in ("L", "RGB", "CMYK", "LAB"):
        image = image.convert("RGB")
    converted = _through_profile(image, profile) or image.convert("RGB")
    if alpha is not None:
        converted.putalpha(alpha)
    return converted


def _from_deep(image: Image.Image, name: str) -> tuple[Image.Image, Image.Image | None]:
    """8-bit grey, and the opacity if one grey stands for transparent, of a picture with deeper pixels."""
    if image.mode == "F":
        raise ImageError(f"{name}: floating-point pixels have no fixed range", hint="save it with 8 or 16 bits")
    deep = np.asarray(image).clip(0, 65_535)
    grey = Image.fromarray(np.rint(deep / np.float32(257)).astype(np.uint8))
    transparent = image.info.get("transparency")
    if not isinstance(transparent, int):
        return grey, None
    return grey, Image.fromarray(np.where(deep == transparent, 0, 255).astype(np.uint8))


def _through_profile(image: Image.Image, profile: bytes | None) -> Image.Image | None:
    """The picture converted from its colour profile to sRGB; None if it needs none, or it is no use."""
    try:
        if image.mode == "LAB":
            source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        elif profile:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        else:
            return None
        # Most profiles are sRGB's own: leave those pixels exactly as they are.
        if ImageCms.getProfileDescription(source).startswith("sRGB"):
            return None
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    # A damaged profile, or one for another kind of picture: viewers ignore such a one, too.
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


# EXIF


def _read_exif(image: Image.Image) -> Image.Exif:
    """The EXIF of a loaded picture with its directories; empty if damaged."""
    try:
        exif = image.getexif()
        for directory in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            exif.get_ifd(directory)
        return exif
    except Exception:  # as decoders do
        return Image.Exif()


def _camera_exif(exif: Image.Exif) -> bytes:
    """What is worth keeping of a photo's EXIF, as bytes; empty if there is nothing, or it cannot be written."""
    kept = Image.Exif()
    for tag in _KEPT:
        if tag in exif:
            kept[tag] = exif[tag]
    for directory in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        values = {tag: value for tag, value in exif.get_ifd(directory).items() if tag not in _STALE}
        if values:
            kept[directory] = values
    if not len(kept):
        return b""
    try:
        data = kept.tobytes()
    except Exception:  # values of the wrong type
        return b""
    return data if len(data) <= EXIF_LIMIT else b""


# Writing


def format_for(path: str | os.PathLike[str]) -> str:
    """The format that a file name's suffix asks for.

    Raises:
        ImageError: none that can be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in WRITABLE:
        ending = f"'{suffix}' pictures cannot be written" if suffix else "the name does not say which format to write"
        raise ImageError(f"{os.fspath(path)}: {ending}", hint=f"end it in one of: {', '.join(WRITABLE)}")
    return WRITABLE[suffix]


def save_image(
    image: Image.Image,
    target: str | os.PathLike[str] | BinaryIO,
    *,
    format: str | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write a picture, whole or not at all, with its EXIF (``info["exif"]``) and provenance.

    The provenance is a JSON object in a text chunk ``e2gan`` of a PNG, and in the XMP of the others;
    :func:`read_provenance` reads it back.  JPEG holds no transparency: such a picture is laid on
    white, and an :class:`ImageWarning` says so.

    Args:
        image: RGB or RGBA; other modes are converted as :func:`open_image` does.
        target: a path, replaced in one step, or a stream open for binary writing.
        format: one of the values of :data:`WRITABLE`; by default what the path's suffix says.
        provenance: what made the picture; by default what ``info["e2gan"]`` says, as the editor leaves it.

    Raises:
        ImageError: the format cannot be written or cannot hold a picture of that size.
        E2GANError: the file cannot be written.
    """
    path = target if isinstance(target, (str, os.PathLike)) else None
    if format is None:
        if path is None:
            raise ValueError("a stream's name does not say which format to write")
        format = format_for(path)
    record = image.info.get("e2gan") if provenance is None else json.dumps(dict(provenance))
    data = _encode(image, format, record, "the picture" if path is None else os.fspath(path))
    if isinstance(target, (str, os.PathLike)):
        atomic_write(target, data)
    else:
        target.write(data)


def _encode(image: Image.Image, format: str, record: str | None, name: str) -> bytes:
    exif = image.info.get("exif")
    if image.mode not in ("RGB", "RGBA"):
        image = open_image(image, name=name)
    if max(image.size) > LONGEST_SIDE[format]:
        hint = "PNG and TIFF can"
        raise ImageError(f"{name}: {format} cannot hold {image.width}×{image.height} pixels", hint=hint)
    if image.mode == "RGBA" and format == "JPEG":
        if np.asarray(image.getchannel("A")).min() < 255:
            warnings.warn(f"{name}: JPEG holds no transparency: laid on white", ImageWarning, stacklevel=3)
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image).convert("RGB")
    options: dict[str, Any] = dict(ENCODING[format])
    if exif:
        options["exif"] = exif
    if record and format == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt("e2gan", record)
    elif record:
        xmp = _XMP.format(html.escape(record, quote=False)).encode()
        if format == "TIFF":
            tags = Image.Exif()
            tags.load(exif or b"")
            tags[ExifTags.Base.XMLPacket] = xmp
            options["exif"] = tags
        else:
            options["xmp"] = xmp
    buffer = io.BytesIO()
    try:
        image.save(buffer, format=format, **options)
    except (OSError, ValueError, MemoryError) as fault:
        raise ImageError(f"{name}: cannot be written as {format} ({_one_line(fault)})") from fault
    return buffer.getvalue()


def read_provenance(source: Source) -> dict[str, Any] | None:
    """What :func:`save_image` wrote about how a picture was made; None if it says nothing.

    Raises:
        ImageError: the picture cannot be read, or its provenance is no JSON object.
    """
    name = os.fspath(source) if isinstance(source, (str, os.PathLike)) else "the picture"
    try:
        with _silence(), _opened(source) as image:
            if not isinstance(source, Image.Image):
                image.load()  # a PNG's text may stand after its pixels
            info = dict(image.info)
    except Exception as fault:
        reason = getattr(fault, "strerror", None) or f"not a sound picture ({_one_line(fault)})"
        raise ImageError(f"{name}: {reason}") from fault
    record = info.get("e2gan")
    if record is None and isinstance(xmp := info.get("xmp"), bytes):
        found = re.search(rb"<e2gan:provenance>(.*?)</e2gan:provenance>", xmp, re.DOTALL)
        record = html.unescape(found[1].decode("utf-8", "replace")) if found else None
    if record is None:
        return None
    try:
        provenance = json.loads(record)
    except (ValueError, TypeError, RecursionError):
        provenance = None
    if not isinstance(provenance, dict):
        raise ImageError(f"{name}: its provenance is damaged")
    return provenance


def _one_line(fault: Exception) -> str:
    return " ".join(str(fault).split())[:120] or type(fault).__name__
