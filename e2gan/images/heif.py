"""HEIC and HEIF, through libheif (pillow-heif)."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from e2gan.images.colour import Colour, from_nclx
from e2gan.images.limits import HDR, PER_PIXEL, Limits

__all__ = ["BRANDS", "Heif", "read_heif"]

BRANDS = frozenset(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2", b"msf1", b"miaf")
)


@dataclass
class Heif:
    """The primary picture of a file, which libheif has turned upright."""

    pixels: Image.Image | np.ndarray
    """A Pillow image for 8 bits a sample; (H, W, C) or (H, W) uint16 of full range for more."""
    alpha: bool
    """Whether the last channel is the opacity."""
    several: bool
    """Whether the file contains other pictures, too."""
    colour: Colour | None
    exif: bytes
    xmp: bytes


def read_heif(data: bytes, name: str, limits: Limits) -> Heif:
    """Decode a file.

    Raises:
        ImageError: the picture is larger than the limits allow.
        Exception: whatever libheif raises on a damaged file.
    """
    import pillow_heif

    file = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)
    width, height = file.size
    limits.check(name, width, height, HDR + 4 if ";" in file.mode else PER_PIXEL["HEIF"])
    info: dict[str, Any] = file.info
    colour = None
    if profile := info.get("icc_profile"):
        colour = Colour(profile=profile)
    elif nclx := info.get("nclx_profile"):
        colour = from_nclx(int(nclx["color_primaries"]), int(nclx["transfer_characteristics"]))
    pixels: Image.Image | np.ndarray
    if ";" in file.mode:
        pixels = np.asarray(file)
        if file.has_alpha and file.premultiplied_alpha:
            share = np.maximum(pixels[..., -1:], 1) / np.float32(65_535)
            pixels = np.concatenate(
                [np.minimum(pixels[..., :-1] / share, 65_535).astype(np.uint16), pixels[..., -1:]], -1
            )
    else:
        pixels = Image.frombytes(file.mode, file.size, file.data, "raw", file.mode, file.stride)
        if file.mode == "RGBa":
            pixels = pixels.convert("RGBA")
    exif, xmp = info.get("exif") or b"", info.get("xmp") or b""
    return Heif(pixels, bool(file.has_alpha), len(file) > 1, colour, exif, xmp)
