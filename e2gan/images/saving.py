"""Saving pictures: encode them with their metadata, and write them whole or not at all."""

from __future__ import annotations

import io
import json
import os
import re
import warnings
from collections.abc import Mapping
from html import unescape
from typing import Any, BinaryIO

import numpy as np
from PIL import ExifTags, Image, PngImagePlugin

from e2gan.errors import ImageError
from e2gan.files import atomic_write
from e2gan.images import boxes, heif, metadata, png
from e2gan.images.formats import READABLE, format_for
from e2gan.images.limits import PHOTO
from e2gan.images.opening import ImageWarning, Source, one_line, open_image, opened, silence

__all__ = ["ENCODING", "LONGEST_SIDE", "metadata_options", "read_provenance", "recorded", "save_image"]

ENCODING: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": "4:4:4", "optimize": True},
    "PNG": {"compress_level": 4},
    "WEBP": {"quality": 92, "method": 4},
    "TIFF": {},
}
"""Encoder settings.  Painted strokes have sharp edges in colour, so there is no chroma subsampling; Pillow writes
EXIF directories only into uncompressed TIFFs."""

LONGEST_SIDE = {"JPEG": 65_535, "PNG": 2**31 - 1, "WEBP": 16_383, "TIFF": 2**31 - 1}


def save_image(
    image: Image.Image,
    target: str | os.PathLike[str] | BinaryIO,
    *,
    format: str | None = None,
    provenance: Mapping[str, Any] | None = None,
    keep_location: bool = False,
) -> None:
    """Write a picture, whole or not at all, with its metadata and provenance.

    The metadata is what :func:`open_image` leaves in ``info``: rights, authors, what the camera wrote and the print
    resolution, as EXIF, XMP, and IPTC if the format has a place for it.  The provenance is a JSON object in a text
    chunk ``e2gan`` of a PNG, and in the XMP of the others; :func:`read_provenance` reads it back.  JPEG holds no
    transparency: such a picture is put on white, and an :class:`ImageWarning` says so.

    Args:
        image: RGB or RGBA; other modes are converted as :func:`open_image` does.
        target: a path, replaced in one step, or a stream open for binary writing.
        format: one of the values of :data:`e2gan.images.WRITABLE`; by default the one for the path's suffix.
        provenance: what made the picture; by default ``info["e2gan"]``, which the editor sets.
        keep_location: whether the metadata may say where the photo was taken.

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
    name = "the picture" if path is None else os.fspath(path)
    data = _encode(image, format, record, name, keep_location)
    if isinstance(target, (str, os.PathLike)):
        atomic_write(target, data)
    else:
        target.write(data)


def _encode(image: Image.Image, format: str, record: str | None, name: str, position: bool) -> bytes:
    info = image.info
    if image.mode not in ("RGB", "RGBA"):
        image = open_image(image, name=name)
    if max(image.size) > LONGEST_SIDE[format]:
        hint = "use PNG or TIFF"
        raise ImageError(f"{name}: {format} cannot hold {image.width}×{image.height} pixels", hint=hint)
    if image.mode == "RGBA" and format == "JPEG":
        if np.asarray(image.getchannel("A")).min() < 255:
            warnings.warn(f"{name}: JPEG has no transparency: the picture is laid on white", ImageWarning, stacklevel=3)
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image).convert("RGB")
    options = {**ENCODING[format], **metadata_options(info, format, record, name, position)}
    buffer = io.BytesIO()
    try:
        image.save(buffer, format=format, **options)
    except (OSError, ValueError, MemoryError) as fault:
        raise ImageError(f"{name}: cannot be written as {format} ({one_line(fault)})") from fault
    return buffer.getvalue()


def metadata_options(
    info: Mapping[Any, Any], format: str, record: str | None, name: str, position: bool
) -> dict[str, Any]:
    """Pillow's options that write the metadata."""
    dpi, iptc = info.get("dpi"), metadata.clean_iptc(info.get("iptc") or b"")
    limit = metadata.MARKER_LIMIT if format == "JPEG" else None
    told = record if format != "PNG" else None
    exif, dropped = metadata.exif_for_file(info.get("exif") or b"", position=position, dpi=dpi, limit=limit)
    if dropped:
        warnings.warn(
            f"{name}: too long for a JPEG, and left out of its EXIF: {', '.join(dropped)}", ImageWarning, stacklevel=4
        )
    xmp = metadata.xmp_packet(
        info.get("xmp") or b"", iptc, told, position=position, limit=limit, alone=format == "WEBP"
    )
    options: dict[str, Any] = {}
    if dpi and format != "WEBP":
        options["dpi"] = dpi
    if format == "PNG":
        texts = PngImagePlugin.PngInfo()
        if record:
            texts.add_itxt("e2gan", record)
        if xmp:
            texts.add_itxt("XML:com.adobe.xmp", xmp.decode())
        if iptc:
            texts.add_text("Raw profile type iptc", metadata.iptc_for_png(iptc, position=position), zip=True)
        options["pnginfo"] = texts
    elif format == "TIFF":
        exif = metadata.load_exif(exif.tobytes())  # Pillow writes directories into a TIFF only of EXIF that was read
        if xmp:
            exif[ExifTags.Base.XMLPacket] = xmp
        if iptc:
            exif[metadata.IPTC_TAG] = metadata.iptc_for_tiff(iptc, position=position)
    else:
        if xmp:
            options["xmp"] = xmp
        if format == "JPEG" and (segment := metadata.iptc_for_jpeg(iptc, position=position)):
            options["extra"] = segment
    if len(exif):
        options["exif"] = exif
    return options


def recorded(edit: Image.Image, settings: Mapping[str, Any]) -> Image.Image:
    """The edit, with the settings that are not None added to its provenance, ``info["e2gan"]``."""
    told = {name: value for name, value in settings.items() if value is not None}
    if told:
        edit.info["e2gan"] = json.dumps({**json.loads(edit.info["e2gan"]), **told})
    return edit


def read_provenance(source: Source) -> dict[str, Any] | None:
    """What :func:`save_image` wrote about how a picture was made; None if it says nothing.

    Raises:
        ImageError: the picture cannot be read, or its provenance is not a JSON object.
    """
    name = os.fspath(source) if isinstance(source, (str, os.PathLike)) else "the picture"
    try:
        with silence():
            record = _find_record(source, name)
    except ImageError:
        raise
    except Exception as fault:
        reason = getattr(fault, "strerror", None) or f"not a valid picture ({one_line(fault)})"
        raise ImageError(f"{name}: {reason}") from fault
    if record is None:
        return None
    try:
        provenance = json.loads(record)
    except (ValueError, TypeError, RecursionError):
        provenance = None
    if not isinstance(provenance, dict):
        raise ImageError(f"{name}: its provenance is damaged")
    return provenance


def _find_record(source: Source, name: str) -> str | None:
    if isinstance(source, Image.Image):
        return _record_in(source.info)
    with opened(source, name, PHOTO) as stream:
        head = stream.read(12)
        stream.seek(0)
        if head.startswith(png.SIGNATURE):
            told = png.read_png(stream.read())
            if not told.width or not told.compressed:
                raise ValueError("no pixels")
            return told.texts.get("e2gan")
        if boxes.is_iso_media(head):
            if not boxes.read_about(stream.read()).brands & (boxes.AVIF | heif.BRANDS):
                raise ValueError("not a HEIC or AVIF")
            return None  # save_image writes neither
        Image.init()
        with Image.open(stream, formats=[format for format in READABLE if format in Image.OPEN]) as image:
            return _record_in(image.info)


def _record_in(info: Mapping[Any, Any]) -> str | None:
    record = info.get("e2gan")
    comment = info.get("comment")
    if record is None and isinstance(comment, bytes) and comment.startswith(b'{"program": "e2gan"'):  # a GIF
        return comment.decode("utf-8", "replace")
    if record is None and isinstance(xmp := info.get("xmp"), bytes):
        match = re.search(rb"<e2gan:provenance>(.*?)</e2gan:provenance>", xmp, re.DOTALL)
        record = unescape(match[1].decode("utf-8", "replace")) if match else None
    return record
