"""Importing data sets into the folders that this program works on.

A set of photos becomes a folder of square, or whole, photos for distillation; a set of pairs becomes a folder of pairs
(`e2gan.data.pairs`) that training uses as it is:

```
PHOTOS/train/NAME-KEY.jpg              PAIRS/train/metadata.jsonl
PHOTOS/val/…  PHOTOS/test/…            PAIRS/train/input/NAME-KEY.jpg
PHOTOS/real/train/…                    PAIRS/train/output/NAME-KEY.jpg
PHOTOS/dataset.json                    PAIRS/dataset.json  PAIRS/contact-sheet.jpg
```

``real`` is the other side of an unpaired set: pictures of what the edits should look like, to measure against.  Label
maps are PNGs.  KEY is a digest of everything that decides a picture, so an existing file is current: an interrupted
import continues where it stopped.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from e2gan.data.dataset_layouts import Direction, Item, Layout, Picture, find_items, find_layout
from e2gan.data.folders import METADATA, SPLITS, left_out_below
from e2gan.data.framing import frame, framed_photo, to_jpeg
from e2gan.data.pairs import CONTACT_SHEET, digest_key, open_made, remove_others, write_rows
from e2gan.drawing import Cell, Section, draw_contact_sheet
from e2gan.errors import DataError, ImageError
from e2gan.files import atomic_write, read_bytes
from e2gan.images import open_image
from e2gan.leftovers import names, sweep
from e2gan.processes import default_workers
from e2gan.progress import Progress
from e2gan.recipe import Framing

__all__ = ["REAL", "RECORD", "Imported", "import_dataset"]

RECORD = "dataset.json"
REAL = "real"
"""The folder of the other side of an unpaired set."""

SHOWN = 24
"""Pairs on the contact sheet."""

SHAPE = 0.02
"""How much the proportions of a pair's two pictures may differ: scaling them down rounds their sizes."""

FILE_LIMIT = 1 << 30
"""Maximum bytes of a picture's file."""


@dataclass(frozen=True)
class Imported:
    """What `import_dataset` did."""

    folder: Path
    counts: Mapping[str, int]
    """Photos or pairs by split; "real" counts those of the other side."""
    made: int
    """Photos or pairs made in this run."""
    kept: int
    """Photos or pairs left from an earlier run."""
    skipped: Mapping[str, str]
    """Pictures that cannot be read: name in the set → reason."""


@dataclass(frozen=True)
class _Job:
    """A photo or a pair to make."""

    item: Item
    input: Picture
    output: Picture | None
    folder: Path
    """The folder to write it to."""


@dataclass(frozen=True)
class _Made:
    files: tuple[Path, ...]
    new: bool


def import_dataset(
    layout: str,
    path: str | Path,
    out: str | Path,
    *,
    size: int = 256,
    whole: bool = False,
    limit: int | Mapping[str, int] | None = None,
    direction: Direction | None = None,
    quality: int = 95,
    progress: Progress | None = None,
) -> Imported:
    """Read a data set from ``path``, laid out as it was published, and write its photos or pairs to ``out``.

    Unreadable pictures are skipped and reported.  A second run makes only what is missing, and removes what is not
    asked for any more.

    Args:
        layout: one of `e2gan.data.dataset_layouts.LAYOUTS`.
        size: side of the square pictures, or with ``whole`` the shorter side, 32 to 4096 pixels.
        whole: keep whole pictures, never enlarged, for training on crops of them, instead of their middle squares.
        limit: maximum photos or pairs in a split, for each split or by name; a hash of their names chooses them, so
            that a higher limit adds to those of a lower one.
        direction: which picture of a pair, or which side of an unpaired set, is the photo; by default
            as in the published figures.
        quality: of the JPEGs, 1 to 100.

    Raises:
        DataError: there is no such layout, ``path`` does not follow it, nothing in it can be read, or ``out`` holds
            something else.
        E2GANError: a file cannot be written.
    """
    path, out, progress = Path(path), Path(out), progress or Progress()
    kind = find_layout(layout)
    if not 32 <= size <= 4096:
        raise DataError(f"the size of the pictures must be 32 to 4096 pixels, not {size}")
    if whole and kind.squeeze:
        raise DataError(f"{kind.title}: its pictures are squeezed to squares, so they cannot be kept whole")
    framing = Framing(size, whole=whole, quality=quality)
    if direction is not None and kind.direction is None:
        raise DataError(f"{kind.title} has photos of one kind only, so it has no direction")
    direction = direction or kind.direction
    if out.resolve().is_relative_to(path.resolve()):
        raise DataError(f"{out}: inside the data set, where the next import would read it as a part of the set")
    items = _limited(find_items(layout, path), limit)
    record = {"layout": layout, "direction": direction}
    fresh = _begin(out, record)
    jobs = [_job(item, out, direction) for item in items]

    for line in left_out_below(path):
        progress.stage(line)
    progress.stage(f"import {len(jobs)} {'pairs' if jobs[0].output else 'photos'}")
    imported, skipped = _make_all(jobs, kind, framing, progress)
    if not imported:
        if fresh:
            (out / RECORD).unlink(missing_ok=True)
            with suppress(OSError):
                out.rmdir()
        name, why = next(iter(sorted(skipped.items())))
        raise DataError(f"{path}: none of the {len(jobs)} pictures can be read; the first fault: {name}: {why}")
    counts = _finish(out, [job for job in jobs if job in imported], imported)
    for folder in {part for job in jobs for part in (job.folder, job.folder / "input", job.folder / "output")}:
        sweep(folder)
    atomic_write(
        out / RECORD,
        json.dumps({**record, "size": size, "whole": whole, "counts": counts, "skipped": len(skipped)}, indent=1),
    )
    new = sum(result.new for result in imported.values())
    return Imported(out, counts, new, len(imported) - new, skipped)


def _limited(items: Sequence[Item], limit: int | Mapping[str, int] | None) -> list[Item]:
    if limit is None:
        return list(items)
    parts: dict[tuple[str, str], list[Item]] = {}
    for item in sorted(items, key=lambda item: hashlib.sha256(item.source.encode()).digest()):
        parts.setdefault((item.side, item.split), []).append(item)
    most = {split: limit if isinstance(limit, int) else limit.get(split) for split in SPLITS}
    chosen = {id(item) for (_, split), part in parts.items() for item in part[: most[split]]}
    return [item for item in items if id(item) in chosen]


def _begin(out: Path, record: Mapping[str, object]) -> bool:
    """Record what goes into the folder, because an earlier import's pictures get removed; return whether it was new."""
    file = out / RECORD
    if file.is_file():
        try:
            earlier = json.loads(read_bytes(file, limit=1 << 20, error=DataError))
        except (ValueError, RecursionError):
            earlier = None
        if not isinstance(earlier, dict) or any(earlier.get(name) != value for name, value in record.items()):
            raise DataError(f"{out}: another data set was imported here", hint="choose another folder with -o")
        return False
    if out.exists() and not (out.is_dir() and not names(out)):
        raise DataError(f"{out}: already exists, and is not an empty folder", hint="choose another folder with -o")
    atomic_write(file, json.dumps(record))
    return True


def _job(item: Item, out: Path, direction: Direction | None) -> _Job:
    if item.b is None:
        wanted = "B" if direction == "BtoA" else "A"
        return _Job(item, item.a, None, out / item.split if item.side == wanted else out / REAL / item.split)
    input, output = (item.b, item.a) if direction == "BtoA" else (item.a, item.b)
    return _Job(item, input, output, out / item.split)


def _make_all(
    jobs: Sequence[_Job], kind: Layout, framing: Framing, progress: Progress
) -> tuple[dict[_Job, _Made], dict[str, str]]:
    """Make all pictures, in threads: decoding, scaling and encoding release Python's lock."""
    results: dict[_Job, _Made] = {}
    skipped: dict[str, str] = {}
    pool = ThreadPoolExecutor(default_workers())
    try:
        running = {pool.submit(_make, job, kind.squeeze, framing): job for job in jobs}
        for done, future in enumerate(as_completed(running), start=1):
            job = running[future]
            try:
                results[job] = future.result()
            except (ImageError, OSError) as error:
                skipped[job.item.source] = str(error)
            progress.advance(done, len(jobs), {})
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return results, dict(sorted(skipped.items()))


def _make(job: _Job, squeeze: bool, framing: Framing) -> _Made:
    """Make one photo or pair; raises ImageError or OSError if a picture cannot be read or the two do not match."""
    if job.item.fault:
        raise ImageError(job.item.fault)
    pictures = [job.input] if job.output is None else [job.input, job.output]
    data = [read_bytes(picture.file, limit=FILE_LIMIT, error=ImageError) for picture in pictures]
    digests = [hashlib.sha256(content).hexdigest() for content in data]
    halves = [picture.half for picture in pictures]
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", Path(job.item.source).stem)[:60]
    # For squares as before whole pictures could be kept, so that they keep their names.
    frame_key = [squeeze, framing.side, framing.quality, *(["whole"] if framing.whole else [])]
    name += f"-{digest_key([job.item.source, digests, halves, *frame_key])}"
    if job.output is None:
        file = job.folder / f"{name}.jpg"
        if file.is_file():
            return _Made((file,), False)
        atomic_write(file, framed_photo(job.input.file, framing, sha256=digests[0])[1])
        return _Made((file,), True)
    files = tuple(
        job.folder / part / f"{name}{'.png' if picture.labels else '.jpg'}"
        for part, picture in zip(("input", "output"), pictures)
    )
    if all(file.is_file() for file in files):
        return _Made(files, False)
    whole = [_cut(picture, content) for picture, content in zip(pictures, data)]
    shapes = [image.width / image.height for image in whole]
    if not squeeze and abs(shapes[0] - shapes[1]) > SHAPE * max(shapes):
        sizes = " and ".join(f"{image.width}×{image.height}" for image in whole)
        raise ImageError(f"the two pictures have different proportions: {sizes}")
    smaller = min((image.size for image in whole), key=min)
    if framing.whole and min(smaller) < framing.least:
        raise ImageError(f"{smaller[0]}×{smaller[1]}: the shorter side must have {framing.least} pixels")
    for file, picture, image in zip(files, pictures, whole):
        how = Image.Resampling.NEAREST if picture.labels else Image.Resampling.LANCZOS
        if squeeze:
            framed = image.resize((framing.side, framing.side), how)
        else:
            same = ImageOps.fit(image, smaller, how) if framing.whole and image.size != smaller else image
            framed = frame(same, framing, how)
        atomic_write(file, _png(framed) if picture.labels else to_jpeg(framed, framing.quality))
    return _Made(files, True)


def _cut(picture: Picture, data: bytes) -> Image.Image:
    """The picture at its own size, RGB."""
    image = open_image(data, name=picture.file.name, opaque=True)
    if not picture.half:
        return image
    side = image.height
    if image.width != 2 * side:
        raise ImageError(f"{picture.file.name}: {image.width}×{side}, not two squares side by side")
    left = 0 if picture.half == "left" else side
    return image.crop((left, 0, left + side, side))


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def _finish(out: Path, jobs: Sequence[_Job], made: Mapping[_Job, _Made]) -> dict[str, int]:
    """Write what describes the folder, remove pictures of earlier imports, and return the number in each split."""
    counts = {split: sum(job.folder == out / split for job in jobs) for split in SPLITS}
    if jobs[0].output is None:
        real = len(jobs) - sum(counts.values())
        counts |= {REAL: real} if real else {}
        folders = [home / split for home in (out, out / REAL) for split in SPLITS]
    else:
        for split in SPLITS:
            folder = out / split
            rows = [
                {
                    "input_file_name": made[job].files[0].relative_to(folder).as_posix(),
                    "output_file_name": made[job].files[1].relative_to(folder).as_posix(),
                    "source": job.item.source,
                }
                for job in jobs
                if job.folder == folder
            ]
            write_rows(folder / METADATA, rows)
        some = [jobs[at * len(jobs) // SHOWN] for at in range(SHOWN)] if len(jobs) > SHOWN else jobs
        cells = [Cell(made[job].files[0], made[job].files[1], job.item.source) for job in some]
        of = f", of which {len(some)} here" if len(some) < len(jobs) else ""
        draw_contact_sheet(out / CONTACT_SHEET, [Section(f"{len(jobs)} pairs{of}", cells)], open_made)
        folders = [out / split / part for split in SPLITS for part in ("input", "output")]
    current = {file for result in made.values() for file in result.files}
    for folder in folders:
        remove_others(folder, current)
    return counts
