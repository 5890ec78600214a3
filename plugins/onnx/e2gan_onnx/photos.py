"""The photographs that come with the package, and those of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from e2gan.errors import DataError, ImageError
from e2gan.images import open_image

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CALIBRATE", "CHECK", "as_input", "calibration_photos", "check_photos"]

HERE = Path(__file__).parent / "photos"
CALIBRATE, CHECK = HERE / "calibrate", HERE / "check"

SIDE = 256
"""Side of a calibration photo, in pixels, as in the shipped base's training."""

MOST = 64
"""Maximum calibration photos: more hardly change the ranges, and each takes memory for every layer."""


def check_photos() -> list[Image.Image]:
    """Real photos of two sizes, each side a multiple of 16."""
    return [open_image(file, opaque=True) for file in sorted(CHECK.glob("*.jpg"))]


def calibration_photos(folder: Path) -> Iterator[Image.Image]:
    """Up to :data:`MOST` photos directly in a folder, chosen evenly, cut to squares of :data:`SIDE` pixels.

    Raises:
        DataError: there is no readable photo.
    """
    from PIL import ImageOps

    try:
        files = sorted(file for file in folder.iterdir() if file.is_file())
    except OSError as fault:
        raise DataError(f"{folder}: {fault.strerror}") from fault
    count = 0
    for file in files[:: -(-len(files) // MOST) or 1]:
        try:
            photo = open_image(file, opaque=True)
        except ImageError:
            continue  # a folder of photos may hold a text file
        count += 1
        yield ImageOps.fit(photo, (SIDE, SIDE), Image.Resampling.LANCZOS)
    if not count:
        raise DataError(f"{folder}: no photos to calibrate with", hint="give a folder with photos directly in it")


def as_input(*photos: Image.Image) -> np.ndarray:
    """RGB photos of one size as the (N, 3, H, W) float32 in [0, 1] that a model takes."""
    pixels = np.stack([np.asarray(photo.convert("RGB")) for photo in photos])
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), np.float32) / 255
