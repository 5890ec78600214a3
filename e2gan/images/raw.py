"""Raw photos of cameras: recognising their files, and developing them with LibRaw (rawpy)."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np
from PIL import Image

from e2gan.errors import ImageError
from e2gan.images.formats import reads_raw
from e2gan.images.limits import Limits
from e2gan.installing import install_command

__all__ = ["develop", "is_raw"]

_BEGINNINGS = (
    (0, b"FUJIFILMCCD-RAW"),
    (0, b"IIRO"),  # Olympus
    (0, b"IIRS"),
    (0, b"MMOR"),
    (0, b"IIU\0"),  # Panasonic
    (0, b"FOVb"),
    (0, b"\0MRM"),
    (6, b"HEAPCCDR"),
    (8, b"CR\2"),
    (4, b"ftypcrx "),
)

DEVELOPED = 24
"""Bytes a pixel: the sensor's samples, LibRaw's four 16-bit channels twice, and the picture."""


def is_raw(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is a raw photo.  Those that are TIFFs are known by their directories."""
    return any(head[at : at + len(start)] == start for at, start in _BEGINNINGS)


def develop(stream: BinaryIO, name: str, limits: Limits) -> Image.Image:
    """The photo with the camera's white balance, upright, in 8-bit sRGB.

    Raises:
        ImageError: rawpy is not installed or cannot read the file.
    """
    if not reads_raw():
        raise ImageError(
            f"{name}: a raw photo, which needs the package 'rawpy'",
            hint=f"{install_command('e2gan[raw]')}; or export it as JPEG or TIFF from a raw converter",
        )
    import rawpy

    stream.seek(0)
    try:
        with rawpy.imread(stream) as raw:
            limits.check(name, raw.sizes.raw_width, raw.sizes.raw_height, DEVELOPED)
            developed = raw.postprocess(use_camera_wb=True, output_color=rawpy.ColorSpace.sRGB, gamma=(2.4, 12.92))
            # A sensor without colours gives one channel.
            return Image.fromarray(
                np.ascontiguousarray(developed.squeeze(-1) if developed.shape[-1] == 1 else developed)
            )
    except rawpy.LibRawError as fault:
        reason = fault.args[0] if fault.args else ""
        reason = reason.decode("ascii", "replace") if isinstance(reason, bytes) else str(reason)
        raise ImageError(
            f"{name}: a raw photo that LibRaw cannot read ({reason})",
            hint="export it as JPEG or TIFF from a raw converter",
        ) from fault
