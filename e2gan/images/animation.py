"""Animated pictures: GIF, APNG and animated WebP, frame by frame, with their times."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from e2gan.errors import ImageError
from e2gan.files import atomic_write
from e2gan.images.limits import CLEAR, PHOTO, Limits
from e2gan.images.opening import one_line, open_image, opened, silence
from e2gan.images.saving import ENCODING, LONGEST_SIDE, metadata_options

__all__ = ["ANIMATED", "Animation", "is_animation", "open_animation", "save_animation"]

ANIMATED = {".gif": "GIF", ".png": "PNG", ".apng": "PNG", ".webp": "WEBP"}
"""The formats that hold an animation, by suffix."""

SIGNATURES = (b"GIF8", b"\x89PNG", b"RIFF")

SHORTEST = 2
"""Hundredths of a second: browsers show a frame of a GIF that is shorter, but not 0, for a tenth of a second."""

COLOURS = 255
"""Colours of a GIF, which needs one more for what is transparent."""

SAMPLES = 16
"""Most frames from which a GIF's colours are chosen."""


class Animation:
    """An animated picture that is being read."""

    def __init__(self, image: Any, name: str, limits: Limits) -> None:
        self._image, self._name = image, name
        self.format = str(image.format)
        """Pillow's name of it: GIF, PNG or WEBP."""
        self.count: int = image.n_frames
        self.plays = _plays(image)
        """How often it is shown; 0 for ever."""
        self.still_first = bool(image.info.get("default_image"))
        """Whether the first frame is a PNG's still picture, which the animation leaves out."""
        self.durations: list[float] = []
        """Milliseconds that each frame is shown, filled by `frames`."""
        if image.width * image.height * (CLEAR + 4 * self.count) > limits.memory:
            raise ImageError(
                f"{name}: its {self.count} frames of {image.width}×{image.height} pixels are too many", hint=limits.hint
            )
        limits.check(name, image.width, image.height, CLEAR)

    def frames(self) -> Iterator[Image.Image]:
        """The frames as they are shown, as `e2gan.images.open_image` gives pictures.

        Raises:
            ImageError: the file is damaged or cut off.
        """
        self.durations = []
        for number in range(self.count):
            with _faults(self._name), silence():
                self._image.seek(number)
                self._image.load()
                frame = self._image.copy()
            self.durations.append(float(self._image.info.get("duration") or 0))
            yield open_image(frame, name=self._name)


def is_animation(source: str | os.PathLike[str]) -> bool:
    """Whether the file is a GIF, PNG or WebP of several frames; False for one that cannot be read."""
    try:
        with open(source, "rb") as file:
            if not file.read(4).startswith(SIGNATURES):
                return False
            file.seek(0)
            with silence(), Image.open(file, formats=["GIF", "PNG", "WEBP"]) as image:
                return bool(getattr(image, "is_animated", False))
    except Exception:  # whoever opens it says what is wrong
        return False


@contextmanager
def open_animation(
    source: str | os.PathLike[str], *, name: str | None = None, limits: Limits = PHOTO
) -> Iterator[Animation]:
    """Open an animated picture.

    Raises:
        ImageError: it is missing or damaged, has another format, or its frames exceed the limits.
    """
    name = name or os.fspath(source)
    with ExitStack() as stack:
        with _faults(name), silence():
            stream = stack.enter_context(opened(source, name, limits))
            animation = Animation(Image.open(stream, formats=["GIF", "PNG", "WEBP"]), name, limits)
        yield animation


@contextmanager
def _faults(name: str) -> Iterator[None]:
    try:
        yield
    except ImageError:
        raise
    # Decoders raise almost anything on damaged files.
    except Exception as fault:
        reason = getattr(fault, "strerror", None) or f"damaged or cut off ({one_line(fault)})"
        raise ImageError(f"{name}: {reason}") from fault


def save_animation(
    frames: Sequence[Image.Image],
    target: str | os.PathLike[str] | BinaryIO,
    *,
    durations: Sequence[float],
    plays: int = 0,
    still_first: bool = False,
    format: str | None = None,
    keep_location: bool = False,
) -> None:
    """Write an animated picture, whole or not at all, with the metadata and provenance of its first frame.

    A GIF holds 255 colours, chosen for the whole animation; transparency of all or nothing; times in hundredths of a
    second; and no metadata but the provenance, as its comment.

    Args:
        frames: RGB or RGBA, of one size.
        target: a path or a stream.
        durations: milliseconds for each frame.
        plays: how often it is shown; 0 for ever.
        still_first: whether the first frame is a PNG's still picture, which the animation leaves out; the other
            formats have none.
        format: ``GIF``, ``PNG`` or ``WEBP``; by default the one for the path's suffix.
        keep_location: whether the metadata may say where the picture was taken.

    Raises:
        ImageError: the format holds no animation, or none of that size.
        E2GANError: the file cannot be written.
    """
    path = target if isinstance(target, (str, os.PathLike)) else None
    name = "the picture" if path is None else os.fspath(path)
    format = format or ANIMATED.get(Path(path or "").suffix.lower())
    if format is None:
        raise ImageError(f"{name}: this format holds no animation", hint=f"use {', '.join(ANIMATED)}")
    first = frames[0]
    if still_first and format != "PNG":
        frames, durations = frames[1:], durations[1:]
    if max(first.size) > {**LONGEST_SIDE, "GIF": 65_535}[format]:
        raise ImageError(f"{name}: {format} cannot hold {first.width}×{first.height} pixels", hint="use PNG")
    record = first.info.get("e2gan")
    options: dict[str, Any]
    if format == "GIF":
        frames = _indexed(frames)
        options = {"duration": _hundredths(durations), "disposal": 2, "optimize": False}
        options |= {"loop": max(plays - 1, 0)} if plays != 1 else {}
        options |= {"comment": record.encode()} if record else {}
    else:
        options = metadata_options(first.info, format, record, name, keep_location)
        options |= {**ENCODING[format], "loop": plays}
        options["duration"] = [round(each) for each in durations] if format == "WEBP" else list(durations)
        if format == "PNG":
            options["default_image"] = still_first
            options["duration"] = options["duration"][still_first:]
        frames = [_plain(frame) for frame in frames]
    buffer = io.BytesIO()
    try:
        frames[0].save(buffer, format=format, save_all=True, append_images=frames[1:], **options)
    except (OSError, ValueError, MemoryError) as fault:
        raise ImageError(f"{name}: cannot be written as {format} ({one_line(fault)})") from fault
    if isinstance(target, (str, os.PathLike)):
        atomic_write(target, buffer.getvalue())
    else:
        target.write(buffer.getvalue())


def _plays(image: Any) -> int:
    loop = image.info.get("loop")
    if image.format != "GIF":
        return int(loop or 0)
    # A GIF says how often it is repeated.
    return 1 if loop is None else 0 if loop == 0 else int(loop) + 1


def _plain(frame: Image.Image) -> Image.Image:
    """The frame without its ``info``, which Pillow would write, too."""
    frame = frame.copy()
    frame.info = {}
    return frame


def _hundredths(durations: Sequence[float]) -> list[int]:
    """Milliseconds that a GIF can hold, whose sum is the same as far as possible."""
    result, left = [], 0.0
    for duration in durations:
        left += duration / 10
        rounded = max(SHORTEST, round(left)) if duration > 0 else 0
        left -= rounded
        result.append(10 * rounded)
    return result


def _indexed(frames: Sequence[Image.Image]) -> list[Image.Image]:
    """The frames with the colours of one palette, and what is more than half transparent left out."""
    palette = _palette(frames)
    clear = any(frame.mode == "RGBA" for frame in frames)
    result = []
    for frame in frames:
        indexed = frame.convert("RGB").quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
        if clear:
            codes = np.asarray(indexed).copy()
            codes[np.asarray(frame.convert("RGBA").getchannel("A")) < 128] = COLOURS
            indexed = Image.fromarray(codes, "P")
            indexed.putpalette(palette.getpalette() or [])
            indexed.info["transparency"] = COLOURS
        result.append(indexed)
    return result


def _palette(frames: Sequence[Image.Image]) -> Image.Image:
    """A picture of 255 colours, chosen from frames over the whole time."""
    some = frames[:: max(1, -(-len(frames) // SAMPLES))]
    side = 128
    sheet = Image.new("RGB", (side * len(some), side))
    for number, frame in enumerate(some):
        sheet.paste(frame.convert("RGB").resize((side, side), Image.Resampling.NEAREST), (side * number, 0))
    return sheet.quantize(COLOURS, Image.Quantize.MEDIANCUT)
