"""The only module that calls G'MIC."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e2gan.errors import TeacherError
from e2gan.installing import install_command

__all__ = ["SMALLEST", "run"]

Pixels = NDArray[np.uint8]

SMALLEST = 32
"""Some filters fail on smaller pictures, which are therefore extended by reflection and cropped afterwards."""

_REPEATABLE = "_cpus=1 srand 0"
"""The beginning of every command.

The random state belongs to the process: a new interpreter seeds it from the clock, and each filter passes it on.
Several filters split the picture into one part for each processor, which is visible, so they are told of only one.
"""

_alone = threading.Lock()
"""Prevents two threads from sharing the random state."""


def run(command: str, pixels: Pixels) -> Pixels:
    """RGB pixels (H, W, 3) after `command`, in the same shape.  `command` comes from the catalogue, never from outside.

    Raises:
        TeacherError: G'MIC is not installed, or fails on this picture.
    """
    try:
        import gmic
    except ImportError as fault:
        raise TeacherError(
            f"the teacher 'gmic' needs the package gmic, which is not installed or does not load ({fault})",
            hint=f"{install_command('gmic')}; on Linux it needs libX11, too (Debian: apt install libx11-6)",
        ) from fault
    height, width = pixels.shape[:2]
    photo = gmic.Image.from_yxc(_drawn_out(pixels))
    with _alone:
        # Each picture gets its own interpreter, because the variables that a filter sets outlive its run.
        try:
            result = gmic.Gmic().run(f"{_REPEATABLE} {command}", gmic.ImageList([photo]))
        except gmic.GmicException as fault:
            raise TeacherError(f"G'MIC failed on this photo: {' '.join(str(fault).split())[:200]}") from None
        picture = _rgb(result[0].to_numpy())
    return picture[:height, :width]


def _drawn_out(pixels: Pixels) -> Pixels:
    lacking = [(0, max(SMALLEST - side, 0)) for side in pixels.shape[:2]]
    return np.ascontiguousarray(np.pad(pixels, (*lacking, (0, 0)), "symmetric"))


def _rgb(image: Any) -> Pixels:
    """G'MIC's floats (W, H, 1, channels), of one to four channels, as RGB bytes (H, W, 3)."""
    colours = np.asarray(image)[:, :, 0].transpose(1, 0, 2)
    count = colours.shape[2]
    if count in (2, 4):  # with opacity: composed on white paper
        opacity = colours[..., -1:].clip(0, 255) / 255
        colours = colours[..., :-1] * opacity + 255 * (1 - opacity)
    if count < 3:
        colours = colours.repeat(3, 2)
    return np.round(np.nan_to_num(colours).clip(0, 255)).astype(np.uint8)
