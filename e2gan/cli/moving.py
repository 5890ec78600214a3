"""``e2gan apply`` on what moves: clips and animations."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO

from e2gan.cli.output import Output
from e2gan.cli.program import needs_extra
from e2gan.moving.defaults import STEADY

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["ANIMATION", "CLIP", "edit_moving", "kind_of", "moving_options"]

CLIP, ANIMATION = "clip", "animation"


def kind_of(source: str, target: str) -> str:
    """Whether it is a clip or an animation; empty for a photo, and for an animation that becomes a still picture."""
    from e2gan.images.animation import ANIMATED, is_animation
    from e2gan.images.formats import CLIPS

    if _suffix(source) in CLIPS:
        return CLIP
    return ANIMATION if (target == "-" or _suffix(target) in ANIMATED) and is_animation(source) else ""


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()


def moving_options(kind: str, steady: float | None, codec: str | None) -> dict[str, Any]:
    """The options that apply to a clip or an animation; they are recorded with the edit."""
    options: dict[str, Any] = {"steady": (STEADY if kind == CLIP else 0.0) if steady is None else steady}
    if kind == CLIP:
        options["codec"] = codec
    return options


def edit_moving(
    kind: str,
    source: str,
    target: str | BinaryIO,
    edit: Callable[[Image.Image], Image.Image],
    out: Output,
    **options: Any,
) -> None:
    """Edit a clip or an animation, with its frames counted on a terminal.

    Args:
        edit: edits a frame; first called when the source has turned out to be readable.
        options: those of `e2gan.moving.clips.edit_clip` or `e2gan.moving.animations.edit_animation`.
    """
    with needs_extra("video"):
        if kind == CLIP or options["steady"]:
            import e2gan.moving.steady  # noqa: F401
        if kind == CLIP:
            from e2gan.moving.clips import edit_clip as edit_it
        else:
            from e2gan.moving.animations import edit_animation as edit_it  # type: ignore[assignment]
    with out.counter("frame") as progress:
        edit_it(source, target, edit, progress=progress, **options)  # type: ignore[arg-type]
