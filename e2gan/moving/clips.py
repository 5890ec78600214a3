"""Editing a clip: read, edit, make steady and write, at the same time."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from itertools import chain
from typing import Any

import numpy as np
from PIL import Image

from e2gan.files import atomic_path
from e2gan.images import PHOTO, Limits
from e2gan.moving.defaults import STEADY
from e2gan.moving.reading import Frame, open_clip
from e2gan.moving.steady import Steady
from e2gan.moving.writing import ClipWriter, codec_for
from e2gan.pipeline import pipeline
from e2gan.progress import Progress

__all__ = ["edit_clip"]

AHEAD = 16_000_000
"""Pixels of frames that are read before they are edited, or wait for the encoder."""


def edit_clip(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    edit: Callable[[Image.Image], Image.Image],
    *,
    name: str | None = None,
    steady: float = STEADY,
    codec: str | None = None,
    keep_location: bool = False,
    limits: Limits = PHOTO,
    progress: Progress | None = None,
) -> None:
    """Edit every frame of a clip, and write the clip whole or not at all.

    Each frame keeps its time, so a variable frame rate stays.  Frames are turned upright; sound, subtitles, chapters
    and metadata are copied.  An HDR clip is brought to SDR, and an interlaced one becomes progressive.

    Args:
        source: the clip's path.
        target: where to write; the suffix says in which container.
        edit: edits a frame, RGB, such as ``lambda frame: editor.apply(frame, "vangogh")``.  The result's
            ``info["e2gan"]``, which the editor sets, becomes the last line of the clip's comment.
        name: what errors call the clip; by default its path, and that of ``target``.
        steady: from 0, where frames are edited independently, to 1 (`e2gan.moving.steady`).
        codec: ``h264``, ``h265``, ``vp9`` or ``av1``; by default H.264, in WebM VP9.
        keep_location: whether the metadata may say where the clip was recorded.
        limits: how large a frame may be.
        progress: ``advance`` is called with the frames done and their number, as far as it is known.

    Raises:
        ImageError: the clip cannot be read, or cannot be written like this.
        E2GANError: the file cannot be written.
    """
    advance = (progress or Progress()).advance
    codec = codec_for(target, codec)
    steadied = Steady(steady)
    with open_clip(source, name=name, limits=limits) as clip, atomic_path(target) as path:
        items = clip.read()
        early = []
        for item in items:
            early.append(item)
            if isinstance(item, Frame):
                break
        first = early.pop()
        size = first.image.size

        def edited(item: Frame | Any) -> Frame | Any:
            """A frame's edit; anything else as it is."""
            if not isinstance(item, Frame):
                return item
            result = edit(item.image)
            image = Image.fromarray(steadied(np.asarray(item.image), np.asarray(result.convert("RGB"))))
            image.info = result.info
            return Frame(image, item.time, item.duration)

        with ClipWriter(
            path, clip, size, name=name or os.fspath(target), codec=codec, keep_location=keep_location
        ) as writer:
            everything = chain([first], early, items)
            done = 0
            with closing(pipeline(everything, edited, writer.write, size=_size, most=AHEAD)) as written:
                for is_frame in written:
                    done += is_frame
                    if is_frame:
                        advance(done, max(done, clip.count or done), {})


def _size(item: Frame | Any) -> int:
    return item.image.width * item.image.height if isinstance(item, Frame) else int(item.size)
