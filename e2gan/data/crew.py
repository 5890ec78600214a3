"""A crew of workers: each makes its own teacher and edits its part of the photos.

This module is the work itself; `e2gan.data.distill` runs it in processes of this machine, `e2gan.data.cluster` on Ray.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from e2gan.data.framing import framed_photo, to_jpeg
from e2gan.data.teachers import Teacher
from e2gan.errors import E2GANError, ImageError, TeacherError
from e2gan.files import atomic_write
from e2gan.recipe import Framing

__all__ = ["Crew", "Distilled", "Job", "edit"]


@dataclass(frozen=True)
class Job:
    """One photo to edit, and the files for its two pictures."""

    photo: Path
    """The photo, any format and size."""
    sha256: str
    """Digest of the photo's file, from which the pictures' names are made; the file must still match it."""
    input: Path
    """The file for the framed photo (JPEG)."""
    output: Path
    """The file for the teacher's picture of it (JPEG)."""


@dataclass(frozen=True)
class Distilled:
    """What became of a job."""

    job: Job
    fault: str | None = None
    """Why there is no pair (an unreadable photo, a teacher's failure), one line; None when there is one."""


@dataclass
class Crew:
    """What a worker process needs for its part of the work; it makes its own teacher."""

    factory: Callable[..., Teacher]
    teacher_id: str
    options: dict[str, Any]
    framing: Framing

    def check(self) -> None:
        """Raise TeacherError if this cannot be sent to another process."""
        try:
            pickle.dumps(self)
        except Exception:
            raise TeacherError(
                f"the teacher '{self.teacher_id}' cannot be sent to another process", hint="run it with one worker"
            ) from None

    def begin(self) -> None:
        """Make the teacher, with one thread for each library: the processes share the processors among them."""
        # The libraries read these when they load.
        os.environ.update(OMP_NUM_THREADS="1", OPENCV_FOR_THREADS_NUM="1")
        self._teacher = self.factory(**self.options)

    def edit(self, jobs: Sequence[Job]) -> list[Distilled]:
        return edit(self._teacher, jobs, self.framing)


def edit(teacher: Teacher, jobs: Sequence[Job], framing: Framing) -> list[Distilled]:
    """Make the pairs of a batch; return faults of a photo, or of the teacher on it, and raise all others."""
    getattr(teacher, "load", lambda: None)()
    results = []
    readable: list[tuple[Job, Image.Image, bytes]] = []
    for job in jobs:
        try:
            readable.append((job, *framed_photo(job.photo, framing, sha256=job.sha256)))
        except (ImageError, OSError) as error:
            results.append(Distilled(job, _one_line(error)))
    pictures = _pictures(teacher, [photo for _, photo, _ in readable])
    for (job, _, encoded), picture in zip(readable, pictures, strict=True):
        if isinstance(picture, Image.Image):
            atomic_write(job.input, encoded)
            atomic_write(job.output, to_jpeg(picture, framing.quality))
            results.append(Distilled(job))
        else:
            results.append(Distilled(job, f"the teacher failed ({_one_line(picture)})"))
    return results


def _pictures(teacher: Any, photos: list[Image.Image]) -> list[Image.Image | Exception]:
    """The teacher's picture of each photo, or what it failed with."""
    if len(photos) > 1:
        # If a batch fails, because of one of its photos or for lack of memory, each photo gets its own chance below.
        with suppress(Exception):
            pictures = teacher.edit_batch(photos)
            if [picture.size for picture in pictures] == [photo.size for photo in photos]:
                return list(pictures)
    return [_picture(teacher, photo) for photo in photos]


def _picture(teacher: Teacher, photo: Image.Image) -> Image.Image | Exception:
    try:
        picture = teacher(photo)
        if picture.size != photo.size:
            raise TeacherError(f"the teacher returned {picture.size} for a photo of {photo.size}")
        return picture
    except MemoryError:
        raise
    except Exception as error:
        return error


def _one_line(error: Exception) -> str:
    hint = getattr(error, "hint", None)
    text = " ".join(f"{error}; {hint}".split() if hint else str(error).split())
    return text if isinstance(error, E2GANError) else f"{type(error).__name__}: {text}"
