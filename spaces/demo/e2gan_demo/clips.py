"""Clips and animations: read within the page's limits, and edited as by ``e2gan apply``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from e2gan.errors import ImageError
from e2gan.images import recorded
from e2gan.images.animation import is_animation, open_animation
from e2gan.images.formats import CLIPS
from e2gan.installing import install_command
from e2gan.moving.animations import edit_animation
from e2gan.moving.defaults import STEADY
from e2gan.progress import Progress
from e2gan_demo.limits import ANIMATION, FRAME, MAX_FRAMES, MAX_SECONDS

__all__ = [
    "ANIMATED",
    "CLIP",
    "FORMATS",
    "Moving",
    "check_frames",
    "edit_moving",
    "find_moving",
    "first_frame",
    "need_clips",
    "reads_clips",
]

CLIP, ANIMATED = "clip", "animation"

FORMATS = {CLIP: ("mp4", "webm", "mkv"), ANIMATED: ("gif", "png", "webp")}
"""Formats of edits by kind; the suffix is the name.  A clip's usual one is the first, an animation's is its own."""


@dataclass(frozen=True)
class Moving:
    """What is known of a clip or an animation that was checked."""

    kind: str
    """:data:`CLIP` or :data:`ANIMATED`."""
    frames: int
    """As far as the file tells."""
    seconds: float
    formats: tuple[str, ...]
    """Those in which its edit can be written, the usual one first."""
    notes: tuple[str, ...] = ()
    """What its edit will not have."""


def reads_clips() -> bool:
    """Whether the packages are installed that clips need, beyond animations: the extra ``video``."""
    try:
        import e2gan.moving.clips  # noqa: F401
    except ImportError:
        return False
    return True


def need_clips() -> None:
    """Raise ImageError if clips cannot be edited here."""
    if not reads_clips():
        raise ImageError("this page edits photos and animations, not clips", hint=install_command("e2gan[video]"))


def find_moving(path: Path) -> Moving | None:
    """Check a clip or an animation, without decoding it; None for any other file.

    Raises:
        ImageError: it is damaged, cut off, too long or too large, has no pictures, or clips cannot be read here.
    """
    if path.suffix.lower() in CLIPS:
        moving = _clip(path)
    elif is_animation(path):
        moving = _animation(path)
    else:
        return None
    check_frames(path, moving.frames)
    if moving.seconds > MAX_SECONDS:
        raise ImageError(
            f"{path.name}: its {moving.seconds:.1f} seconds are more than the {MAX_SECONDS} allowed here",
            hint="shorten it first",
        )
    return moving


def check_frames(path: Path, count: int) -> None:
    """Refuse a file with too many frames; raises ImageError."""
    if count > MAX_FRAMES:
        raise ImageError(f"{path.name}: has more than the {MAX_FRAMES:,} frames allowed here", hint="shorten it first")


def _clip(path: Path) -> Moving:
    need_clips()
    from e2gan.moving.reading import open_clip

    with open_clip(path, name=path.name, limits=FRAME) as clip:
        length = clip.check()
        notes = []
        if clip.hdr:
            notes.append("HDR becomes SDR")
        if clip.width % 2 or clip.height % 2:
            notes.append("its odd size becomes even")
        return Moving(CLIP, max(1, length.frames), length.seconds, FORMATS[CLIP], tuple(notes))


def _animation(path: Path) -> Moving:
    with open_animation(path, name=path.name, limits=ANIMATION) as animation:
        count, own = animation.count, animation.format.lower()
        check_frames(path, count)
        for _ in animation.frames():
            pass
        seconds = sum(animation.durations[animation.still_first :]) / 1000
    others = [format for format in FORMATS[ANIMATED] if format != own]
    return Moving(ANIMATED, count, seconds, (own, *others))


def first_frame(path: Path) -> Image.Image:
    """The first frame of a clip, RGB, upright; raises ImageError."""
    from e2gan.moving.reading import Frame, open_clip

    with open_clip(path, name=path.name, limits=FRAME) as clip:
        frame: Image.Image = next(item.image for item in clip.read() if isinstance(item, Frame))
        return frame


def edit_moving(
    moving: Moving,
    source: Path,
    target: Path,
    edit: Callable[[Image.Image], Image.Image],
    advance: Callable[[int], None],
) -> None:
    """Write the edit of a clip or an animation, exactly as ``e2gan apply`` does without further options.

    Args:
        edit: edits a frame, as `e2gan.editor.Editor.apply` does.
        advance: is told how many frames are done; what it raises ends the work, and nothing is written.

    Raises:
        ImageError: it cannot be decoded, or not be written in this format.
        E2GANError: the file cannot be written.
    """
    steady = STEADY if moving.kind == CLIP else 0.0
    progress = Progress(advance=lambda done, total, metrics: advance(done))

    def edited(frame: Image.Image) -> Image.Image:
        return recorded(edit(frame), {"steady": steady})

    options: dict[str, Any] = {"name": source.name, "steady": steady, "progress": progress}
    if moving.kind == CLIP:
        from e2gan.moving.clips import edit_clip

        edit_clip(source, target, edited, limits=FRAME, **options)
    else:
        edit_animation(source, target, edited, limits=ANIMATION, **options)
