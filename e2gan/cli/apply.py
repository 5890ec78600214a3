"""``e2gan apply``: edit photos."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from e2gan.cli.batch import Outcome, edit_photos
from e2gan.cli.finished import is_finished
from e2gan.cli.help import Command
from e2gan.cli.moving import ANIMATION, CLIP, edit_moving, kind_of, moving_options
from e2gan.cli.options import MemorySize, base_option, editor_options
from e2gan.cli.output import Output, output_options
from e2gan.cli.program import EXIT_ERROR, report
from e2gan.errors import E2GANError, ImageError
from e2gan.moving.defaults import CODECS, STEADY
from e2gan.stroke import MEDIUM, STROKES
from e2gan.terminal import one_line, say, stdout_for_results

if TYPE_CHECKING:
    from PIL import Image

    from e2gan.editor import Editor
    from e2gan.images import Limits

__all__ = ["apply"]

STREAM = "-"
"""Standard input, or standard output."""

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""glibc's names for the parameters of mallopt."""


@dataclass(frozen=True)
class Job:
    """One photo to edit; source and target are each a path or :data:`STREAM`."""

    source: str
    target: str
    moves: str = ""
    """:data:`CLIP` or :data:`ANIMATION`, or empty for a photo."""

    @property
    def name(self) -> str:
        return "standard input" if self.source == STREAM else self.source


@dataclass(frozen=True)
class Plan:
    """What the command will do."""

    jobs: list[Job]
    clashes: list[list[Job]]
    """Photos that would all be written to one file; the command edits none of them."""
    left_out: list[str]
    """Files in the folders that are not photos."""


class Share(click.FloatRange):
    """A number from 0 to 1; click's own range accepts NaN."""

    def __init__(self) -> None:
        super().__init__(0, 1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is not in the range 0<=x<=1.", param, ctx)
        return number


@click.command(
    cls=Command,
    section="use",
    examples=[
        "apply vangogh photo.jpg -o edited.jpg",
        "apply vangogh=0.6,ukiyoe=0.4 holiday/ -o edited/ --strength 0.8",
        "apply winter clip.mp4 -o edited.mp4",
    ],
)
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
@click.option(
    "--stroke",
    type=click.Choice(list(STROKES)),
    help="How coarse strokes are: fine edits at the photo's own size, medium at up to a megapixel, broad at up to a "
    "quarter of one. By default medium.",
)
@base_option
@click.option(
    "--large", is_flag=True, help="Also edit photos of more than 125 megapixels; only for files that you trust."
)
@click.option(
    "--memory",
    type=MemorySize(),
    help="Memory that the command should not exceed, such as 1.5GB: a photo that needs more to open is refused, and "
    "--stroke fine takes longer with less. By default half of what the machine has left.",
)
@click.option("--keep-location", is_flag=True, help="Keep the place where the photo was taken in the metadata.")
@click.option(
    "--skip-existing",
    is_flag=True,
    help="Skip photos whose edit, made with the same concept and options, is already whole in OUT.",
)
@click.option(
    "--steady",
    type=Share(),
    help="How much of the former frame's edit is carried along the motion: 0 edits each frame by itself, 1 carries "
    f"most. By default {STEADY:g} for clips, and 0 for animations.",
)
@click.option(
    "--codec",
    type=click.Choice(CODECS),
    help="How a clip's pictures are compressed; by default h264, in .webm vp9.",
)
@editor_options
@output_options(json=False)
def apply(
    concept: str,
    photos: tuple[str, ...],
    output: str,
    strength: float,
    size: int | None,
    stroke: str | None,
    base: str | None,
    large: bool,
    memory: int | None,
    keep_location: bool,
    skip_existing: bool,
    steady: float | None,
    codec: str | None,
    device: str | None,
    threads: int | None,
    backend: str | None,
    precision: str | None,
    out: Output,
) -> None:
    """Edit photos and clips with a concept.

    CONCEPT is the id of an installed concept (see e2gan list), a folder such as ./my-concept,
    hub:OWNER/NAME@REVISION, or a blend such as vangogh=0.6,ukiyoe=0.4. Plugins may add sources.

    A PHOTO is a file, a folder (every photo directly in it), or - for standard input. OUT is a
    file for one photo, a folder for several, or - for standard output. A photo that cannot be
    read does not stop the others. Files in a folder that are not photos are skipped and named.

    A PHOTO may also be a clip, such as .mp4, .mov, .mkv or .webm, which needs the extra e2gan[video],
    or an animated GIF, PNG or WebP: every frame is edited. Clips in a folder are skipped; name them.
    """
    from e2gan.base import find_base
    from e2gan.blend import resolve
    from e2gan.images import recorded
    from e2gan.images.formats import left_out

    planned = plan(photos, output)
    jobs = planned.jobs
    moving = [job for job in jobs if job.moves]
    if size is not None and stroke is not None:
        raise click.UsageError("--stroke and --size both say how coarse strokes are: give one of them.")
    stroke = stroke or MEDIUM
    _check_options(moving, steady, codec)
    limits = _limits(large, memory)
    outcomes: Counter[Outcome] = Counter()
    sources = _identities(job.source for same in (jobs, *planned.clashes) for job in same)
    with out.warnings(), stdout_for_results() as results:
        blend = resolve(concept, find_base(base).sha256 if base else None)
        settings: dict[str, Any] = {"size": size, "stroke": None if stroke == MEDIUM else stroke}

        @cache
        def editor() -> Editor:
            """Made when the first photo has been read: what cannot be read is reported before a model loads."""
            from e2gan.editor import Editor

            _keep_freed_memory()
            editor = Editor(
                base or blend.base_id,
                device=device,
                dtype=precision,
                threads=threads,
                backend=backend,
                memory=memory,
            )
            editor.use(blend)
            return editor

        made: dict[str, Any] | None = None
        """What the provenance of finished edits says."""
        if skip_existing:
            provenance = blend.provenance(find_base(base or blend.base_id))
            made = {**provenance, "strength": strength, **settings}

        def finished(job: Job, **more: Any) -> bool:
            if made is None or STREAM in (job.source, job.target):
                return False
            return is_finished(job.source, job.target, {**made, **more})

        def edited(photo: Image.Image, **more: Any) -> Image.Image:
            return recorded(editor().apply(photo, blend, strength, size, stroke), {**settings, **more})

        edits = edit_photos(
            [job for job in jobs if not job.moves],
            is_finished=finished,
            read=lambda job: _read(job, limits),
            prepare=editor,
            edit=edited,
            write=lambda job, edit, format: _write(edit, job, format, sources, keep_location, results),
        )
        with contextlib.closing(edits):
            outcomes.update(out.bar(edits, "photo", len(jobs) - len(moving)))
        for job in moving:
            options = moving_options(job.moves, steady, codec)
            try:
                if finished(job, **options):
                    outcomes[Outcome.SKIPPED] += 1
                    continue
                _check_target(job, sources)
                edit_moving(
                    job.moves,
                    job.source,
                    results if job.target == STREAM else job.target,
                    partial(edited, **options),
                    out,
                    limits=limits,
                    keep_location=keep_location,
                    **options,
                )
                outcomes[Outcome.EDITED] += 1
            except E2GANError as error:
                outcomes[Outcome.FAILED] += 1
                report(error)
    for clash in planned.clashes:
        outcomes[Outcome.FAILED] += len(_photos(clash))
        report(_clash(clash))
    for line in left_out(planned.left_out):
        out.note(one_line(line))
    _summarise(planned, outcomes, output, out)
    if outcomes[Outcome.FAILED]:
        sys.exit(EXIT_ERROR)


def _check_options(moving: Sequence[Job], steady: float | None, codec: str | None) -> None:
    if steady is not None and not moving:
        raise click.UsageError("--steady is for clips and animations, and there is none.")
    if codec is not None and all(job.moves != CLIP for job in moving):
        raise click.UsageError("--codec is for clips, and there is none.")


def _summarise(planned: Plan, outcomes: Mapping[Outcome, int], output: str, out: Output) -> None:
    edited, failed, skipped = (outcomes[each] for each in Outcome)
    total = edited + failed + skipped
    there = f", {skipped} already there" if skipped else ""
    if total > 1 or planned.left_out:
        done = f"{edited} of {total}" if failed or skipped else f"{total}"
        noun = "file" if any(job.moves for job in planned.jobs) else "photo"
        if failed or not out.quiet:
            say(one_line(f"{done} {noun if done == '1' else noun + 's'} edited into {output}{there}"))
    elif skipped:
        out.note(one_line(f"{planned.jobs[0].target} is already there"))
    elif edited and output != STREAM:
        out.note(one_line(f"wrote {planned.jobs[0].target}"))


def _keep_freed_memory() -> None:
    """Have the C library reuse freed memory instead of giving it back to the system.

    The generator's layers free and request hundreds of megabytes in turn, and a fifth of the time
    would be spent on the system clearing the same pages again and again.  Only glibc has these switches.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def plan(photos: tuple[str, ...], output: str) -> Plan:
    """Decide where each edit goes.

    Raises:
        click.UsageError: the photos do not match OUT, a photo would be overwritten, or all edits go to one file.
        ImageError: a folder holds no photos.
    """
    left_out: list[str] = []
    is_folder = os.path.isdir(output) or output.endswith(("/", os.sep))
    if not is_folder and len(photos) == 1 and not os.path.isdir(photos[0]):
        if output == STREAM:
            if kind_of(photos[0], output) == CLIP:
                raise click.UsageError("a clip is written into a file: give one as OUT.")
            if sys.stdout.isatty():
                raise click.UsageError("standard output is a terminal: send the picture into a file or a pipe.")
        else:
            _check_suffix(photos[0], output)
        jobs = [Job(photos[0], output, kind_of(photos[0], output))]
    elif output == STREAM:
        raise click.UsageError("standard output takes one photo: give a folder as OUT.")
    elif STREAM in photos:
        raise click.UsageError("the photo from standard input has no name: give a file as OUT, and no other photo.")
    elif os.path.isfile(output):
        raise click.UsageError(f"OUT must be a folder for several photos, and {output} is a file.")
    elif not is_folder and _has_a_pictures_suffix(output):
        raise click.UsageError(f"OUT must be a folder for several photos, and {output} names one picture.")
    else:
        sources = [source for photo in photos for source in _photos_of(photo, left_out)]
        targets = [_target(source, output) for source in sources]
        jobs = [Job(source, target, kind_of(source, target)) for source, target in zip(sources, targets)]
    jobs, clashes = _apart(jobs)
    if not jobs:
        raise click.UsageError(f"{_clash(clashes[0])}.")
    _check_targets(jobs)
    return Plan(jobs, clashes, left_out)


def _check_suffix(source: str, output: str) -> None:
    from e2gan.images.formats import CLIPS, container_for, format_for

    suffix = Path(output).suffix.lower()
    clip = Path(source).suffix.lower() in CLIPS
    try:
        if clip:
            container_for(output)
        elif suffix in CLIPS:
            raise click.UsageError(f"{output} names a clip, and {source} is none.")
        elif kind_of(source, output) != ANIMATION:
            format_for(output)
    except ImageError as error:
        raise click.UsageError(f"{error}; {error.hint}.") from None


def _has_a_pictures_suffix(output: str) -> bool:
    from e2gan.images.formats import CLIPS, SUFFIXES

    return Path(output).suffix.lower() in {*SUFFIXES, *CLIPS}


def _photos_of(photo: str, left_out: list[str]) -> list[str]:
    """The photo itself, or the photos directly in the folder; its other files are added to ``left_out``."""
    from e2gan.images.formats import left_out as lines
    from e2gan.images.formats import why_left_out

    if not os.path.isdir(photo):
        return [photo]
    try:
        names = sorted(os.listdir(photo))
    except OSError as fault:
        raise ImageError(f"{photo}: {fault.strerror}") from fault
    paths = [Path(photo, name) for name in names if not name.startswith(".")]
    files = [str(path) for path in paths if path.is_file()]
    readable = [file for file in files if why_left_out(file) is None]
    left_out += [file for file in files if why_left_out(file)]
    if not readable:
        hint = "; ".join(lines(left_out)) or "folders inside it are not searched"
        raise ImageError(f"{photo}: no photos in this folder", hint=hint)
    return readable


def _target(source: str, folder: str) -> str:
    """The photo's own name in the folder, with the suffix .png, or .mp4 for a clip, if its format cannot be written."""
    from e2gan.images import WRITABLE
    from e2gan.images.animation import ANIMATED, is_animation
    from e2gan.images.formats import CLIPS

    path = Path(source)
    suffix = path.suffix.lower()
    if suffix in CLIPS:
        return str(Path(folder, path.name if CLIPS[suffix] else path.stem + ".mp4"))
    kept = suffix in WRITABLE or (suffix in ANIMATED and is_animation(source))
    return str(Path(folder, path.name if kept else path.stem + ".png"))


def _apart(jobs: list[Job]) -> tuple[list[Job], list[list[Job]]]:
    """The jobs whose target no other photo has, once if a photo is named twice; and the others grouped by target."""
    by_target: dict[str, list[Job]] = {}
    for job in jobs:
        # Ignoring case, too: names that differ only in case are one file on some file systems.
        by_target.setdefault(os.path.realpath(job.target).casefold(), []).append(job)
    alone, together = [], []
    for same in by_target.values():
        if len(_photos(same)) == 1:
            alone.append(same[0])
        else:
            together.append(same)
    return alone, together


def _photos(jobs: list[Job]) -> dict[str, str]:
    """The photos of some jobs, each by its real path with the first name that was given."""
    photos: dict[str, str] = {}
    for job in jobs:
        photos.setdefault(os.path.realpath(job.source), job.source)
    return photos


def _clash(jobs: list[Job]) -> ImageError:
    first, second = (*_photos(jobs).values(),)[:2]
    return ImageError(
        f"{first} and {second} would both be written to {jobs[0].target}",
        hint="edit them one by one, and name each edit",
    )


def _check_targets(jobs: list[Job]) -> None:
    """Check that no photo would be overwritten."""
    sources = _identities(job.source for job in jobs)
    for job in jobs:
        if job.target != STREAM and (photo := _overwritten(job.target, sources)):
            raise click.UsageError(f"the photo {photo} would be overwritten: choose another OUT.")


def _identities(paths: Iterable[str]) -> dict[object, str]:
    """The files by what identifies them, whatever names were given."""
    identities: dict[object, str] = {}
    for path in paths:
        if path != STREAM:
            identities[os.path.realpath(path)] = path
            if stat := _stat(path):
                identities[stat.st_dev, stat.st_ino] = path
    return identities


def _overwritten(target: str, sources: Mapping[object, str]) -> str | None:
    """The photo that writing to ``target`` would replace, if any."""
    if os.path.realpath(target) in sources:
        return sources[os.path.realpath(target)]
    stat = _stat(target)
    return sources.get((stat.st_dev, stat.st_ino)) if stat else None


def _stat(path: str) -> os.stat_result | None:
    try:
        return None if path == STREAM else os.stat(path)
    except (OSError, ValueError):
        return None


def _limits(large: bool, memory: int | None) -> Limits:
    from e2gan.images import LARGE, PHOTO

    limits = LARGE if large else PHOTO
    if memory is None or memory >= limits.memory:
        return limits
    return replace(limits, memory=memory, hint="make it smaller first, or allow more --memory")


def _read(job: Job, limits: Limits) -> Image.Image:
    from e2gan.images import open_image

    source = sys.stdin.buffer if job.source == STREAM else job.source
    return open_image(source, name=job.name, limits=limits)


def _write(
    image: Image.Image,
    job: Job,
    format: str | None,
    sources: Mapping[object, str],
    keep_location: bool,
    stdout: BinaryIO,
) -> None:
    from e2gan.images import WRITABLE, save_image

    if job.target == STREAM:
        format = format if format in WRITABLE.values() else "PNG"
        save_image(image, stdout, format=format, keep_location=keep_location)
        stdout.flush()
        return
    # Check again right before writing: a folder on the path may have been created or replaced by a link meanwhile.
    with contextlib.suppress(OSError):
        os.makedirs(os.path.dirname(job.target) or ".", exist_ok=True)
    _check_target(job, sources)
    save_image(image, job.target, keep_location=keep_location)


def _check_target(job: Job, sources: Mapping[object, str]) -> None:
    """Check that no photo would be overwritten now."""
    if job.target != STREAM and (photo := _overwritten(job.target, sources)):
        raise ImageError(f"{job.target}: the photo {photo} would be overwritten", hint="choose another OUT")
