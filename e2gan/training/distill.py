"""Data distillation: a teacher edits photos, in parallel and one picture at a time (paper §3).

`make_teacher` finds a teacher by id; `distill` runs it over photos.  Where the pictures go is
the caller's business: `e2gan.training.pairs` lays them out as a dataset.
"""

from __future__ import annotations

import difflib
import inspect
import io
import multiprocessing
import os
import pickle
import signal
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from PIL import ExifTags, Image, ImageOps

from e2gan.errors import E2GANError, ImageError, TeacherError
from e2gan.files import atomic_write
from e2gan.images import open_image

__all__ = ["Distilled", "Job", "Teacher", "default_workers", "distill", "find_factory", "make_teacher", "square_photo"]


class Teacher(Protocol):
    """Edits a photo.

    RGB in, RGB of the same size out, deterministic: the same photo gives the same picture in every process.
    Making one must be cheap and only check the options; load networks on the first call.  A factory must be
    picklable (a class or function of a module), because each worker process makes its own teacher.
    """

    def __call__(self, photo: Image.Image) -> Image.Image: ...


@dataclass(frozen=True)
class Job:
    """One photo to edit, and where its two pictures go."""

    photo: Path
    """The photo, any format and size."""
    input: Path
    """Where the square photo goes (JPEG)."""
    output: Path
    """Where the teacher's picture of it goes (JPEG)."""


@dataclass(frozen=True)
class Distilled:
    """What became of a job."""

    job: Job
    fault: str | None = None
    """Why there is no pair (an unreadable photo, a teacher's failure), one line; None when there is one."""


def find_factory(id: str) -> Callable[..., Teacher]:
    """The factory of an installed teacher.  Raises TeacherError or PluginError (unknown or ambiguous id)."""
    from e2gan.plugins import registry

    return registry().teacher(id).factory


def make_teacher(id: str, options: Mapping[str, Any]) -> Teacher:
    """The teacher `id` with these options.  Raises TeacherError (unknown id, wrong options)."""
    return _make(find_factory(id), id, options)


def _make(factory: Callable[..., Teacher], id: str, options: Mapping[str, Any]) -> Teacher:
    """Call the factory; options it does not take are one clear error."""
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):
        return factory(**options)
    try:
        signature.bind(**options)
    except TypeError:
        known = [name for name, p in signature.parameters.items() if p.kind is not p.VAR_KEYWORD]
        for name in options:
            if name not in known:
                close = difflib.get_close_matches(name, known, 1)
                hint = f"did you mean '{close[0]}'?" if close else f"its options: {', '.join(known) or 'none'}"
                raise TeacherError(f"the teacher '{id}' has no option '{name}'", hint=hint) from None
        needed = [n for n, p in signature.parameters.items() if p.default is p.empty and n not in options]
        raise TeacherError(f"the teacher '{id}' needs the option '{needed[0]}'") from None
    return factory(**options)


def default_workers() -> int:
    """One process for each processor this program may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def distill(
    teacher_id: str,
    options: Mapping[str, Any],
    jobs: Sequence[Job],
    *,
    size: int = 256,
    quality: int = 95,
    workers: int | None = None,
) -> Generator[Distilled, None, None]:
    """Run a teacher over photos; yields each job when it is done, in any order.

    Photos are oriented, centre-cropped to a square and scaled to `size` pixels; a JPEG that is already
    so is kept byte for byte.  Each picture is written atomically.  `workers` processes of one thread
    each share the work (default: one a processor; 1 runs in this process).  Leaving the iterator early,
    or Ctrl-C, drops the jobs not begun and lets the running ones finish their picture.

    Raises TeacherError when the teacher cannot be made or a worker process dies.
    """
    factory = find_factory(teacher_id)
    teacher = _make(factory, teacher_id, options)
    workers = min(default_workers() if workers is None else workers, len(jobs))
    if workers <= 1:
        for job in jobs:
            yield _edit(teacher, job, size, quality)
        return
    maker = (factory, teacher_id, dict(options))
    try:
        pickle.dumps(maker)
    except Exception:
        raise TeacherError(
            f"the teacher '{teacher_id}' cannot be sent to another process", hint="run it with one worker"
        ) from None
    pool = ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=_begin_worker, initargs=maker
    )
    try:
        for future in as_completed([pool.submit(_edit_in_worker, job, size, quality) for job in jobs]):
            yield future.result()
    except BrokenProcessPool:
        raise TeacherError(
            f"a process running the teacher '{teacher_id}' died",
            hint="often memory: try fewer workers; what is done is kept",
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_teacher: Teacher
"""The teacher of a worker process."""


def _begin_worker(factory: Callable[..., Teacher], id: str, options: Mapping[str, Any]) -> None:
    global _teacher
    # Ctrl-C reaches every process of a terminal: the parent decides, and a picture begun is finished.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Read by the libraries when they load: the processes already share the processors among them.
    os.environ.update(OMP_NUM_THREADS="1", OPENCV_FOR_THREADS_NUM="1")
    _teacher = _make(factory, id, options)


def _edit_in_worker(job: Job, size: int, quality: int) -> Distilled:
    return _edit(_teacher, job, size, quality)


def _edit(teacher: Teacher, job: Job, size: int, quality: int) -> Distilled:
    """Make one pair; faults of the photo or of the teacher on it are returned, faults of the disk raised."""
    try:
        photo, encoded = square_photo(job.photo, size, quality)
    except (ImageError, OSError) as error:
        return Distilled(job, _one_line(error))
    try:
        picture = teacher(photo)
        if picture.size != photo.size:
            raise TeacherError(f"the teacher returned {picture.size} for a photo of {photo.size}")
    except MemoryError:
        raise
    except Exception as error:
        return Distilled(job, f"the teacher failed ({_one_line(error)})")
    atomic_write(job.input, encoded)
    atomic_write(job.output, _jpeg(picture, quality))
    return Distilled(job)


def square_photo(path: Path, size: int = 256, quality: int = 95) -> tuple[Image.Image, bytes]:
    """The centre of a photo as a size × size RGB picture, and that as JPEG bytes.

    Raises ImageError or OSError: the photo cannot be read.
    """
    data = path.read_bytes()
    photo = open_image(data, name=path.name).convert("RGB")
    if photo.size == (size, size) and _is_plain_jpeg(data):
        return photo, data
    photo = ImageOps.fit(photo, (size, size), Image.Resampling.LANCZOS)
    return photo, _jpeg(photo, quality)


def _is_plain_jpeg(data: bytes) -> bool:
    """Whether any reader sees in these bytes what `open_image` sees: upright sRGB."""
    with Image.open(io.BytesIO(data)) as header:
        upright = header.getexif().get(ExifTags.Base.Orientation, 1) == 1
        return header.format == "JPEG" and header.mode == "RGB" and upright and "icc_profile" not in header.info


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    # No chroma subsampling: grades and paintings are about colour, and the pairs are the training target.
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, E2GANError) else f"{type(error).__name__}: {text}"
