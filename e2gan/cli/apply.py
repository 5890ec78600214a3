"""``e2gan apply``: edit photos."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from e2gan.cli.program import EXIT_ERROR, notes, quiet_option, report, say, stdout_for_results, with_bar
from e2gan.errors import E2GANError, ImageError

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["apply"]

STREAM = "-"
"""Standard input, or standard output."""

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""glibc's names for its settings."""

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".gif", ".bmp", ".ppm", ".pgm", ".avif", ".jp2")
"""What counts as a photo in a folder."""


@dataclass(frozen=True)
class Job:
    """One photo to edit; each end is a path or :data:`STREAM`."""

    source: str
    target: str

    @property
    def name(self) -> str:
        return "standard input" if self.source == STREAM else self.source


class Share(click.FloatRange):
    """A number from 0 to 1; click's own range lets NaN through."""

    def __init__(self) -> None:
        super().__init__(0, 1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is not in the range 0<=x<=1.", param, ctx)
        return number


@click.command()
@click.argument("concept")
@click.argument("photos", nargs=-1, required=True, metavar="PHOTO...")
@click.option("-o", "--output", required=True, metavar="OUT", help="A file for one photo, a folder for several.")
@click.option("--strength", type=Share(), default=1.0, show_default=True, help="0 leaves the photo as it is.")
@click.option(
    "--size",
    type=click.IntRange(32),
    metavar="PIXELS",
    help="Longer side to edit at; smaller gives broader strokes. The result keeps the photo's size.",
)
@click.option("--base", metavar="BASE", help="A base's id or folder; by default the one the concept names.")
@click.option("--device", metavar="DEVICE", help="cpu, cuda or mps; by default the best there is.")
@click.option("--threads", type=click.IntRange(1), metavar="N", help="CPU threads.")
@quiet_option
def apply(
    concept: str,
    photos: tuple[str, ...],
    output: str,
    strength: float,
    size: int | None,
    base: str | None,
    device: str | None,
    threads: int | None,
    quiet: bool,
) -> None:
    """Edit photos with a concept.

    CONCEPT is the id of an installed concept (see e2gan list), a folder such as ./my-concept,
    hub:OWNER/NAME@REVISION, or a blend such as vangogh=0.6,ukiyoe=0.4. Plugins may know more sources.

    A PHOTO is a file, a folder (every photo directly in it), or - for standard input. OUT is a
    file for one photo, a folder for several, or - for standard output. A photo that cannot be
    read does not stop the others.
    """
    from e2gan.base import DEFAULT
    from e2gan.blend import Concepts, OtherModel, resolve

    jobs = plan(photos, output)
    failed = 0
    with notes(quiet), stdout_for_results() as results:
        found = resolve(concept)
        # Another model has no use for a base.
        named = DEFAULT if isinstance(found, OtherModel) else found[0].concept.base_id
        blend: Concepts = found if isinstance(found, OtherModel) else {part.concept: part.weight for part in found}

        _keep_freed_memory()
        from e2gan.editor import Editor

        editor = Editor(base or named, device=device, threads=threads)
        editor.use(blend)
        for job in with_bar(jobs, "photo", shown=len(jobs) > 1 and not quiet):
            try:
                photo = _read(job)
                _write(editor.apply(photo, blend, strength, size), job, photo.format, results)
            except E2GANError as error:
                failed += 1
                report(error)
    if len(jobs) > 1:
        done = f"{len(jobs) - failed} of {len(jobs)}" if failed else f"{len(jobs)}"
        if failed or not quiet:
            say(f"{done} photos edited into {output}")
    elif not failed and not quiet and output != STREAM:
        say(f"wrote {jobs[0].target}")
    if failed:
        sys.exit(EXIT_ERROR)


def _keep_freed_memory() -> None:
    """Have the C library reuse freed memory instead of giving it back to the system.

    The generator's layers free and ask for hundreds of megabytes in turn, and a fifth of the time
    would go to the system clearing the same pages again and again.  glibc alone has the switches.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def plan(photos: tuple[str, ...], output: str) -> list[Job]:
    """Which photo goes where.

    Raises:
        click.UsageError: the photos and OUT do not fit together, or a photo would be overwritten.
        ImageError: a folder holds no photos.
    """
    into_folder = (
        len(photos) > 1
        or any(os.path.isdir(photo) for photo in photos)
        or os.path.isdir(output)
        or output.endswith(("/", os.sep))
    )
    if not into_folder:
        if output == STREAM:
            if sys.stdout.isatty():
                raise click.UsageError("standard output is a terminal: send the picture into a file or a pipe.")
        else:
            _check_suffix(output)
        jobs = [Job(photos[0], output)]
    elif output == STREAM:
        raise click.UsageError("standard output takes one photo: give a folder as OUT.")
    elif STREAM in photos:
        raise click.UsageError("the photo from standard input has no name: give a file as OUT, and no other photo.")
    elif os.path.isfile(output):
        raise click.UsageError(f"OUT must be a folder for several photos, and {output} is a file.")
    else:
        jobs = [Job(source, _target(source, output)) for photo in photos for source in _photos_of(photo)]
    _check_targets(jobs)
    return jobs


def _check_suffix(output: str) -> None:
    from e2gan.images import format_for

    try:
        format_for(output)
    except ImageError as error:
        raise click.UsageError(f"{error}; {error.hint}.") from None


def _photos_of(photo: str) -> list[str]:

    if not os.path.isdir(photo):
        return [photo]
    try:
        names = sorted(os.listdir(photo))
    except OSError as fault:
        raise ImageError(f"{photo}: {fault.strerror}") from fault
    paths = [Path(photo, name) for name in names if not name.startswith(".")]
    found = [str(path) for path in paths if path.suffix.lower() in PHOTO_SUFFIXES and path.is_file()]
    if not found:
        raise ImageError(f"{photo}: no photos in this folder", hint="folders in it are not looked into")
    return found


def _target(source: str, folder: str) -> str:
    """The photo's own name in the folder; as PNG where its format cannot be written."""
    from e2gan.images import WRITABLE

    path = Path(source)
    return str(Path(folder, path.name if path.suffix.lower() in WRITABLE else path.stem + ".png"))


def _check_targets(jobs: list[Job]) -> None:
    """No two photos go to one file, and none to a photo."""
    sources = {(stat.st_dev, stat.st_ino): job.source for job in jobs if (stat := _stat(job.source))}
    taken: dict[str, str] = {}
    for job in jobs:
        key = os.path.normcase(job.target)
        if key in taken:
            raise click.UsageError(f"{taken[key]} and {job.source} would both be written to {job.target}.")
        taken[key] = job.source
        if (stat := _stat(job.target)) and (stat.st_dev, stat.st_ino) in sources:
            raise click.UsageError(
                f"the photo {sources[stat.st_dev, stat.st_ino]} would be overwritten: choose another OUT."
            )


def _stat(path: str) -> os.stat_result | None:
    try:
        return None if path == STREAM else os.stat(path)
    except (OSError, ValueError):
        return None


def _read(job: Job) -> Image.Image:
    from e2gan.images import open_image

    return open_image(sys.stdin.buffer if job.source == STREAM else job.source, name=job.name)


def _write(image: Image.Image, job: Job, format: str | None, stdout: BinaryIO) -> None:
    from e2gan.images import WRITABLE, save_image

    if job.target == STREAM:
        save_image(image, stdout, format=format if format in WRITABLE.values() else "PNG")
        stdout.flush()
    else:
        save_image(image, job.target)
