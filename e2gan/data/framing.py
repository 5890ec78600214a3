"""Framing: turning a photo into the picture that a teacher edits, and writing that as a JPEG."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

from PIL import Image, ImageOps

from e2gan.errors import ImageError
from e2gan.images import open_image
from e2gan.recipe import Framing

__all__ = ["frame", "framed_photo", "to_jpeg"]

WIDEST = 3
"""Maximum ratio of a whole photo's longer side to its shorter one."""


def framed_photo(path: Path, framing: Framing, *, sha256: str | None = None) -> tuple[Image.Image, bytes]:
    """A photo as the RGB picture that a teacher edits, and the same picture as JPEG bytes.

    Raises ImageError or OSError: the photo cannot be read, is too small to be kept whole, or does not match the
    digest `sha256`, if that is given.
    """
    data = path.read_bytes()
    if sha256 not in (None, hashlib.sha256(data).hexdigest()):
        raise ImageError(f"{path.name}: changed while the pairs were made; make them again")
    photo = open_image(data, name=path.name, opaque=True)
    picture = frame(photo, framing)
    if min(picture.size) < framing.least and framing.whole:
        raise ImageError(
            f"{path.name}: {photo.width}×{photo.height}: the shorter side must have {framing.least} pixels"
        )
    if picture is photo and _is_plain_jpeg(data):
        return photo, data
    return picture, to_jpeg(picture, framing.quality)


def frame(photo: Image.Image, framing: Framing, how: Image.Resampling = Image.Resampling.LANCZOS) -> Image.Image:
    """A photo's middle square, or all of it, scaled as ``how`` says; the photo itself if it already fits.

    A whole photo is scaled until its shorter side is ``framing.side``, unless that is shorter already.  The proportions
    stay, except for what is cropped at the edges: everything beyond `WIDEST` of a panorama, and whatever exceeds a
    multiple of 8 pixels on each side.
    """
    side = framing.side
    if not framing.whole:
        done = photo.size == (side, side)
        return photo if done else ImageOps.fit(photo, (side, side), how)
    shorter = min(photo.size)
    width, height = (min(length, WIDEST * shorter) for length in photo.size)
    picture = _middle(photo, width, height)
    if shorter > side:
        width, height = (round(length * side / shorter) for length in (width, height))
        picture = picture.resize((width, height), how)
    width, height = width - width % 8, height - height % 8
    return _middle(picture, min(width, WIDEST * height), min(height, WIDEST * width))


def _middle(picture: Image.Image, width: int, height: int) -> Image.Image:
    if picture.size == (width, height):
        return picture
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))


def _is_plain_jpeg(data: bytes) -> bool:
    """Whether every reader decodes these bytes as `open_image` does: as upright sRGB."""
    with Image.open(io.BytesIO(data)) as header:
        # EXIF may turn the picture or change the meaning of its colours.
        plain = not {"icc_profile", "exif", "xmp"} & header.info.keys()
        return header.format == "JPEG" and header.mode == "RGB" and plain


def to_jpeg(picture: Image.Image, quality: int) -> bytes:
    # No chroma subsampling: grades and paintings depend on colour, and the pairs are the training target.
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()
