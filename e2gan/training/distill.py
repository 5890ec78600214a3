"""Data distillation: a teacher edits photos, in parallel and one picture at a time (paper §3).

`make_teacher` finds a teacher by id; `distill` runs it over photos.  Where the pictures go is
the caller's business: `e2gan.training.pairs` lays them out as a dataset.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from PIL import Image, ImageOps

from e2gan.errors import E2GANError, ImageError, TeacherError
from e2gan.files import atomic_write
from e2gan.images import open_image
from e2gan.options import check_options
from e2gan.processes import BrokenProcessPool, in_workers
from e2gan.recipe import Framing

if TYPE_CHECKING:
    from e2gan.plugins import Entry

__all__ = [
    "Crew",
    "Distilled",
    "Job",
    "Teacher",
    "default_workers",
    "distill",
    "edit",
    "find_teacher",
    "frame",
    "framed_photo",
    "make_teacher",
    "teacher_version",
    "to_jpeg",
]


WIDEST = 3
"""Of a whole photo's longer side, most times its shorter one."""


class Teacher(Protocol):
    """Edits a photo.

    RGB in, a square or a whole photo, RGB of the same size out, deterministic: the same photo gives the same picture
    in every process.  Making one must be cheap and only check the options; load networks on the first call.  A factory
    must be picklable (a class or function of a module), because each worker process makes its own teacher.

    A teacher may have more:

    ``load()``
        Loads the networks, or does nothing when they are.  What it raises ends the job as it stands, while a call
        that raises only leaves its photo without a pair.
    ``edit_batch(photos)`` and ``batch_size``
        A list of photos to the list of their pictures, and how many to give at a time: for what is faster so.
    ``in_process = True``
        The networks are large: load them in this process only, not once in each worker.
    """

    def __call__(self, photo: Image.Image) -> Image.Image: ...


@dataclass(frozen=True)
class Job:
    """One photo to edit, and where its two pictures go."""

    photo: Path
    """The photo, any format and size."""
    sha256: str
    """Of the photo's file: what is there now must be what the pictures' names were made from."""
    input: Path
    """Where the framed photo goes (JPEG)."""
    output: Path
    """Where the teacher's picture of it goes (JPEG)."""


@dataclass(frozen=True)
class Distilled:
    """What became of a job."""

    job: Job
    fault: str | None = None
    """Why there is no pair (an unreadable photo, a teacher's failure), one line; None when there is one."""


def find_teacher(id: str) -> Entry:
    """An installed teacher.  Raises TeacherError or PluginError (unknown or ambiguous id)."""
    from e2gan.plugins import registry

    return registry().teacher(id)


def teacher_version(id: str) -> str:
    """The distribution an installed teacher comes from and its version; raises as `find_teacher`."""
    return find_teacher(id).version


def make_teacher(id: str, options: Mapping[str, Any]) -> Teacher:
    """The teacher `id` with these options.  Raises TeacherError (unknown id, wrong options)."""
    entry = find_teacher(id)
    table = entry.options
    if table is not None:
        check_options(id, table, options)
    teacher: Teacher = entry.factory(**options)
    return teacher


def default_workers() -> int:
    """One process for each processor this program may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def distill(
    teacher_id: str,
    options: Mapping[str, Any],
    jobs: Sequence[Job],
    *,
    framing: Framing | None = None,
    workers: int | None = None,
    ray: bool = False,
) -> Generator[Distilled, None, None]:
    """Run a teacher over photos; yields each job when it is done, in any order.

    Photos are put upright and framed (`frame`); a JPEG that is already so is kept byte for byte.  Each picture is
    written atomically.  `workers` processes of one thread each share the work (default: one a processor; 1 runs in
    this process, and so does a teacher that asks for it).  With `ray` the workers are a Ray cluster's
    (`e2gan.training.cluster`).  Leaving the iterator early, or Ctrl-C, drops the jobs not begun and lets the running
    ones finish their picture; a second Ctrl-C does not.

    Raises TeacherError when the teacher cannot be made or a worker process dies, E2GANError when a picture
    cannot be written.
    """
    framing = framing or Framing()
    factory = find_teacher(teacher_id).factory
    teacher = make_teacher(teacher_id, options)
    in_process = getattr(teacher, "in_process", False)
    batch = max(getattr(teacher, "batch_size", 1), 1) if hasattr(teacher, "edit_batch") else 1
    batches = [jobs[start : start + batch] for start in range(0, len(jobs), batch)]
    crew = Crew(factory, teacher_id, dict(options), framing)
    if ray and batches:
        from e2gan.training.cluster import run_on_ray

        crew.check()
        yield from run_on_ray(crew, batches, workers, alone=in_process)
        return
    workers = min(default_workers() if workers is None else workers, len(batches))
    if workers <= 1 or in_process:
        for some in batches:
            yield from edit(teacher, some, framing)
        return
    crew.check()
    try:
        # Closed at once when interrupted, so that nothing is still being written when this returns.
        with closing(in_workers(_edit_in_worker, batches, workers, _begin_worker, crew)) as done:
            for results in done:
                yield from results
    except BrokenProcessPool:
        raise TeacherError(
            f"a process running the teacher '{teacher_id}' died",
            hint="often memory: try fewer workers; what is done is kept",
        ) from None


@dataclass
class Crew:
    """What a worker process needs to know to do its part; it makes its own teacher."""

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
        # Read by the libraries when they load.
        os.environ.update(OMP_NUM_THREADS="1", OPENCV_FOR_THREADS_NUM="1")
        self._teacher = self.factory(**self.options)

    def edit(self, jobs: Sequence[Job]) -> list[Distilled]:
        return edit(self._teacher, jobs, self.framing)


_crew: Crew
"""That of a worker process."""


def _begin_worker(crew: Crew) -> None:
    global _crew
    crew.begin()
    _crew = crew


def _edit_in_worker(jobs: Sequence[Job]) -> list[Distilled]:
    return _crew.edit(jobs)


def edit(teacher: Teacher, jobs: Sequence[Job], framing: Framing) -> list[Distilled]:
    """Make the pairs of a batch; faults of a photo, or of the teacher on it, are returned, all others raised."""
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
        # Where a batch fails, whether for one of its photos or for memory, each photo gets its own chance below.
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


def framed_photo(path: Path, framing: Framing, *, sha256: str | None = None) -> tuple[Image.Image, bytes]:
    """A photo as the RGB picture that a teacher edits, and that as JPEG bytes.

    Raises ImageError or OSError: the photo cannot be read, is too small to be kept whole, or is not the one of the
    digest `sha256`, where given.
    """
    data = path.read_bytes()
    if sha256 not in (None, hashlib.sha256(data).hexdigest()):
        raise ImageError(f"{path.name}: changed while the pairs were made; make them again")
    photo = open_image(data, name=path.name, opaque=True)
    picture = frame(photo, framing)
    if min(picture.size) < framing.least and framing.whole:
        raise ImageError(
            f"{path.name}: {photo.width}×{photo.height}: the shorter side must have {framing.least} pixels"
        )
    if picture is photo and _is_plain_jpeg(data):
        return photo, data
    return picture, to_jpeg(picture, framing.quality)


def frame(photo: Image.Image, framing: Framing) -> Image.Image:
    """A photo's middle square, or the whole of it, scaled; the photo itself where it is so already.

    Whole, the shorter side becomes ``framing.side`` unless it is shorter, and the proportions stay, but for what is cut
    off at the edges: of a panorama what is beyond `WIDEST`, and of every side what is beyond a multiple of 8 pixels.
    """
    side = framing.side
    if not framing.whole:
        done = photo.size == (side, side)
        return photo if done else ImageOps.fit(photo, (side, side), Image.Resampling.LANCZOS)
    shorter = min(photo.size)
    width, height = (min(length, WIDEST * shorter) for length in photo.size)
    picture = _middle(photo, width, height)
    if shorter > side:
        width, height = (round(length * side / shorter) for length in (width, height))
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    width, height = width - width % 8, height - height % 8
    return _middle(picture, min(width, WIDEST * height), min(height, WIDEST * width))


def _middle(picture: Image.Image, width: int, height: int) -> Image.Image:
    if picture.size == (width, height):
        return picture
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))


def _is_plain_jpeg(data: bytes) -> bool:
    """Whether any reader sees in these bytes what `open_image` sees: upright sRGB."""
    with Image.open(io.BytesIO(data)) as header:
        # EXIF may turn the picture, or say that its colours are others.
        plain = not {"icc_profile", "exif", "xmp"} & header.info.keys()
        return header.format == "JPEG" and header.mode == "RGB" and plain


def to_jpeg(picture: Image.Image, quality: int) -> bytes:
    # No chroma subsampling: grades and paintings are about colour, and the pairs are the training target.
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def _one_line(error: Exception) -> str:
    hint = getattr(error, "hint", None)
    text = " ".join(f"{error}; {hint}".split() if hint else str(error).split())
    return text if isinstance(error, E2GANError) else f"{type(error).__name__}: {text}"
