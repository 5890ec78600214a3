"""Which edits are already there: ``--skip-existing``."""

from __future__ import annotations

import filecmp
import os
import stat
from collections.abc import Mapping
from typing import Any

from e2gan.errors import E2GANError, MissingExtraError

__all__ = ["is_finished"]


def is_finished(source: str, target: str, made: Mapping[str, Any]) -> bool:
    """Whether the file ``target`` is a whole edit of ``source``, made as ``made`` says, and not older than it.

    Anything else in its place is not: a file that is cut off, another concept's edit, a copy of the photo.

    Args:
        made: the entries that the edit's provenance must have, or if None must not have.
    """
    try:
        photo, edit = os.stat(source), os.stat(target)
        if not stat.S_ISREG(edit.st_mode) or edit.st_mtime_ns < photo.st_mtime_ns:
            return False
        record = _provenance(target)
        if record is None or any(record.get(name) != value for name, value in made.items()):
            return False
        if filecmp.cmp(source, target, shallow=False):
            return False
        _read_whole(target)
    except MissingExtraError:
        raise
    except (OSError, ValueError, E2GANError):
        return False
    return True


def _is_clip(path: str) -> bool:
    from e2gan.images.formats import CLIPS

    return os.path.splitext(path)[1].lower() in CLIPS


def _provenance(path: str) -> Mapping[str, Any] | None:
    if _is_clip(path):
        from e2gan.moving import reading

        return reading.read_provenance(path)
    from e2gan.images import read_provenance

    return read_provenance(path)


def _read_whole(path: str) -> None:
    """Read the file to its end; raises ImageError if it is damaged or cut off."""
    if _is_clip(path):
        from e2gan.moving.reading import check_whole

        check_whole(path)
        return
    from e2gan.images import LARGE, open_image
    from e2gan.images.animation import is_animation, open_animation

    if is_animation(path):
        with open_animation(path, limits=LARGE) as animation:
            for _ in animation.frames():
                pass
    else:
        open_image(path, limits=LARGE)
