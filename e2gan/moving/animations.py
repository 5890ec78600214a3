"""Editing an animation: GIF, APNG or animated WebP."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import BinaryIO

import numpy as np
from PIL import Image

from e2gan.images import PHOTO, Limits
from e2gan.images.animation import open_animation, save_animation
from e2gan.progress import Progress

__all__ = ["edit_animation"]


def edit_animation(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str] | BinaryIO,
    edit: Callable[[Image.Image], Image.Image],
    *,
    name: str | None = None,
    steady: float = 0.0,
    format: str | None = None,
    keep_location: bool = False,
    limits: Limits = PHOTO,
    progress: Progress | None = None,
) -> None:
    """Edit every frame of an animation, and write it whole or not at all.

    Each frame keeps its time and its transparency, and the animation the number of times it is shown.

    Args:
        source: the path of a GIF, APNG or animated WebP.
        target: a path whose suffix is of one of these, or a stream.
        edit: edits a frame, RGB or RGBA, such as ``lambda frame: editor.apply(frame, "vangogh")``.
        name: what errors call the animation; by default its path.
        steady: as for `e2gan.moving.clips.edit_clip`; above 0 it needs the extra ``video``.
        format: ``GIF``, ``PNG`` or ``WEBP``; by default the one for the path's suffix; in a stream, the source's.
        keep_location: whether the metadata may say where it was taken.
        limits: how much memory it may take.
        progress: ``advance`` is called with the frames done and their number.

    Raises:
        ImageError: the animation cannot be read or written.
        E2GANError: the file cannot be written.
    """
    steadied = None
    if steady:
        from e2gan.moving.steady import Steady

        steadied = Steady(steady)
    advance = (progress or Progress()).advance
    edits: list[Image.Image] = []
    with open_animation(source, name=name, limits=limits) as animation:
        if not isinstance(target, (str, os.PathLike)):
            format = format or animation.format
        for frame in animation.frames():
            result = edit(frame)
            if steadied is not None:
                result = _steady(steadied, frame, result)
            edits.append(result)
            advance(len(edits), animation.count, {})
    save_animation(
        edits,
        target,
        durations=animation.durations,
        plays=animation.plays,
        still_first=animation.still_first,
        format=format,
        keep_location=keep_location,
    )


def _steady(
    steadied: Callable[[np.ndarray, np.ndarray], np.ndarray], frame: Image.Image, edit: Image.Image
) -> Image.Image:
    result = Image.fromarray(steadied(np.asarray(frame.convert("RGB")), np.asarray(edit.convert("RGB"))))
    if edit.mode == "RGBA":
        result.putalpha(edit.getchannel("A"))
    result.info = edit.info
    return result
