"""Pairs of photo and edited photo, in the Hub's image-folder layout.

```
PAIRS/train/metadata.jsonl         {"input_file_name": …, "output_file_name": …, "source": …, …} a line
PAIRS/train/input/NAME-KEY.jpg     the square photo
PAIRS/train/output/NAME-KEY.jpg    the teacher's picture of it
PAIRS/val/…  PAIRS/test/…
```

`datasets.load_dataset("imagefolder", data_dir=PAIRS)` reads it without this package, as the image
columns `input` and `output`.  KEY is a digest of everything that decides a picture, so a file that
is there is right: an interrupted run goes on where it stopped, changed options make new pictures, and
`metadata.jsonl`, written last, describes a finished set at all times.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from e2gan.errors import DataError
from e2gan.files import atomic_write, sha256_file
from e2gan.training.distill import Job, distill
from e2gan.training.progress import Progress

__all__ = [
    "METADATA",
    "SPLITS",
    "Pair",
    "Pairs",
    "PairsReport",
    "distilled_pairs",
    "read_metadata",
    "split_of",
    "write_pairs",
]

SPLITS = ("train", "val", "test")
METADATA = "metadata.jsonl"
METADATA_LIMIT = 256 * 1024 * 1024
"""Most bytes of a metadata.jsonl: about half a million pairs."""
PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"})

_SPLIT_FOLDERS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


@dataclass(frozen=True)
class Pair:
    """A photo and the teacher's picture of it, files of one size."""

    input: Path
    output: Path
    source: str = ""
    """The photo's name in the folder it came from, "" when unknown."""


@dataclass(frozen=True)
class Pairs:
    """A folder of pairs that was read and checked."""

    path: Path
    splits: Mapping[str, tuple[Pair, ...]]
    """Pairs by split; only splits that are there."""

    @classmethod
    def open(cls, folder: str | Path) -> Pairs:
        """Read a folder of pairs.

        Raises DataError: no pairs there, malformed metadata, a path that leaves the folder, a missing picture.
        """
        folder = Path(folder)
        splits: dict[str, tuple[Pair, ...]] = {}
        for name, split in _SPLIT_FOLDERS.items():
            if (folder / name / METADATA).is_file():
                splits[split] = splits.get(split, ()) + read_metadata(folder / name / METADATA)
        if not any(splits.values()):
            raise DataError(f"{folder}: no pairs here", hint="make them with: e2gan distill")
        for pair in (pair for pairs in splits.values() for pair in pairs):
            for picture in (pair.input, pair.output):
                if not picture.is_file():
                    raise DataError(f"{picture}: the picture is missing", hint="make the pairs again: e2gan distill")
        return cls(folder, splits)

    def split(self, name: str) -> list[Pair]:
        """The pairs of "train", "val" or "test".  Raises DataError when there are none."""
        pairs = self.splits.get(name, ())
        if not pairs:
            have = ", ".join(f"{split} ({len(pairs)})" for split, pairs in self.splits.items())
            raise DataError(f"{self.path}: no pairs in the split '{name}'", hint=f"there are: {have}")
        return list(pairs)


@dataclass(frozen=True)
class PairsReport:
    """What `write_pairs` did."""

    folder: Path
    counts: Mapping[str, int]
    """Pairs in each split."""
    made: int
    """Pairs made in this run."""
    kept: int
    """Pairs already there from an earlier run."""
    skipped: Mapping[str, str]
    """Photos without a pair: name → why."""


def split_of(name: str) -> str:
    """The split of a photo by a hash of its name: 80 % train, 10 % val, 10 % test, the same on every machine."""
    part = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % 10
    return "val" if part == 8 else "test" if part == 9 else "train"


def read_metadata(path: Path) -> tuple[Pair, ...]:
    """The pairs a metadata.jsonl lists; whether the pictures exist is not looked at.

    Raises DataError naming the file and line: not JSON, a missing key, a path that leaves the folder.
    """
    try:
        if path.stat().st_size > METADATA_LIMIT:
            raise DataError(f"{path}: larger than {METADATA_LIMIT} bytes")
        lines = path.read_bytes().decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise DataError(f"{path}: not UTF-8 text") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    return tuple(_read_line(path, number, line) for number, line in enumerate(lines, 1) if line.strip())


def _read_line(path: Path, number: int, line: str) -> Pair:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise DataError(f"{path}, line {number}: not JSON") from None
    if not isinstance(row, dict):
        raise DataError(f"{path}, line {number}: not a JSON object")
    files = []
    for key in ("input_file_name", "output_file_name"):
        name = row.get(key)
        if not isinstance(name, str):
            raise DataError(f"{path}, line {number}: '{key}' is missing or not text")
        if not _stays_inside(name):
            raise DataError(f"{path}, line {number}: '{key}' is not a path inside the folder: {name!r}")
        files.append(path.parent / name)
    source = row.get("source", "")
    if not isinstance(source, str):
        raise DataError(f"{path}, line {number}: 'source' is not text")
    return Pair(files[0], files[1], source)


def _stays_inside(name: str) -> bool:
    """Whether a name from a file is a plain relative path, on every system."""
    parts = PurePosixPath(name).parts
    return bool(parts) and name.isprintable() and parts[0] != "/" and ".." not in parts and not set(name) & set("\\:")


def write_pairs(
    photos_dir: str | Path,
    out_dir: str | Path,
    teacher_id: str,
    options: Mapping[str, Any],
    *,
    workers: int | None = None,
    size: int = 256,
    quality: int = 95,
    progress: Callable[[int, int], None] | None = None,
) -> PairsReport:
    """Make pairs from a folder of photos with a teacher.

    Folders train, val and test in `photos_dir` are kept as the splits; without them the photos are
    split by a hash of their names.  Photos that cannot be read, or on which the teacher fails, are
    skipped and reported.  Run again, only what is missing or changed is made.

    size: side of the square pictures, 32 to 4096 pixels.  quality: JPEG quality, 1 to 100.  workers: processes
    (default: one a processor).  progress: called with (pairs done, photos) as the work goes on.
    Raises DataError (no photos, or none with a pair), TeacherError (unknown teacher, wrong options).
    """
    photos_dir, out_dir = Path(photos_dir), Path(out_dir)
    if out_dir.resolve().is_relative_to(photos_dir.resolve()):
        raise DataError(f"{out_dir}: pairs inside the folder of photos would be taken for photos next time")
    if not 32 <= size <= 4096:
        raise DataError(f"the size of the pictures must be 32 to 4096 pixels, not {size}")
    if not 1 <= quality <= 100:
        raise DataError(f"the JPEG quality must be 1 to 100, not {quality}")
    photos = find_photos(photos_dir)
    recipe = {"teacher": teacher_id, "teacher_options": _portable(options), "size": size, "quality": quality}
    jobs: dict[Job, tuple[str, str]] = {}
    for split, photo in photos:
        source = _name_in(photos_dir, photo)
        jobs[_job(out_dir / split, photo, source, recipe)] = split, source

    kept = {job for job in jobs if job.input.is_file() and job.output.is_file()}
    todo = [job for job in jobs if job not in kept]
    skipped: dict[str, str] = {}
    done = len(kept)
    if progress:
        progress(done, len(jobs))
    # Closed at once when interrupted, so that nothing is still being written when this returns.
    with closing(distill(teacher_id, options, todo, size=size, quality=quality, workers=workers)) as results:
        for result in results:
            if result.fault:
                skipped[jobs[result.job][1]] = result.fault
            done += 1
            if progress:
                progress(done, len(jobs))
    if len(skipped) == len(jobs):
        why = next(iter(skipped.values()))
        raise DataError(f"{photos_dir}: none of the {len(jobs)} photos gave a pair; the first fault: {why}")

    rows: dict[str, list[dict[str, Any]]] = {split: [] for split in SPLITS}
    for job, (split, source) in jobs.items():
        if source not in skipped:
            row = {
                "input_file_name": job.input.relative_to(out_dir / split).as_posix(),
                "output_file_name": job.output.relative_to(out_dir / split).as_posix(),
                "source": source,
                "teacher": teacher_id,
                # As text: a column of `datasets` needs one type, and options are any table.
                "teacher_options": json.dumps(recipe["teacher_options"], sort_keys=True),
            }
            rows[split].append(row)
    for split in SPLITS:
        _finish(out_dir / split, rows[split])
    return PairsReport(
        out_dir, {split: len(rows[split]) for split in SPLITS}, len(todo) - len(skipped), len(kept), skipped
    )


def distilled_pairs(
    data: str | Path,
    folder: str | Path,
    teacher_id: str,
    options: Mapping[str, Any],
    *,
    workers: int | None,
    progress: Progress,
) -> Pairs:
    """`write_pairs` as a stage of a longer job, and the pairs it wrote, read back."""
    progress.stage(f"distil with {teacher_id}")
    write_pairs(
        data,
        folder,
        teacher_id,
        options,
        workers=workers,
        progress=lambda done, total: progress.advance(done, total, {}),
    )
    return Pairs.open(folder)


def find_photos(folder: Path) -> list[tuple[str, Path]]:
    """(split, photo) for each photo below a folder, in a fixed order; hidden files are left out.

    Where there are folders train, val (or validation) and test, only photos in them count.
    Raises DataError when there are none.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of photos")
    given = [(split, folder / name) for name, split in _SPLIT_FOLDERS.items() if (folder / name).is_dir()]
    found = [(split, photo) for split, part in given for photo in _photos_below(part)]
    if not given:
        found = [(split_of(_name_in(folder, photo)), photo) for photo in _photos_below(folder)]
    if not found:
        raise DataError(f"{folder}: no photos here", hint=f"looked for {', '.join(sorted(PHOTO_SUFFIXES))}")
    return found


def _photos_below(folder: Path) -> Iterable[Path]:
    found = (p for p in folder.rglob("*") if p.suffix.lower() in PHOTO_SUFFIXES and not p.name.startswith("."))
    return sorted(p for p in found if p.is_file())


def _name_in(folder: Path, photo: Path) -> str:
    """A photo's name in its folder, as text that any reader of JSON takes (file systems allow names that are none)."""
    return photo.relative_to(folder).as_posix().encode(errors="replace").decode()


def _portable(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options with files replaced by their digests: what a file holds decides the picture, not where it lies."""
    return {
        key: f"sha256:{sha256_file(Path(value))}" if isinstance(value, (str, Path)) and Path(value).is_file() else value
        for key, value in sorted(options.items())
    }


def _job(folder: Path, photo: Path, source: str, recipe: Mapping[str, Any]) -> Job:
    photo_key = _key([source, sha256_file(photo), recipe["size"], recipe["quality"]])
    pair_key = _key([photo_key, recipe])
    stem = re.sub(r"[^A-Za-z0-9_.-]", "_", photo.stem)[:60]
    return Job(photo, folder / "input" / f"{stem}-{photo_key}.jpg", folder / "output" / f"{stem}-{pair_key}.jpg")


def _key(parts: Any) -> str:
    try:
        text = json.dumps(parts, sort_keys=True)
    except (TypeError, ValueError):
        raise DataError("the teacher's options must be plain values: text, numbers, lists, tables") from None
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _finish(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Write a split's metadata, then remove pictures of earlier options, which nothing lists any more."""
    metadata = folder / METADATA
    if rows:
        atomic_write(metadata, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    else:
        metadata.unlink(missing_ok=True)
    listed = {folder / row[key] for row in rows for key in ("input_file_name", "output_file_name")}
    for part in ("input", "output"):
        for picture in (folder / part).glob("*.jpg"):
            if picture not in listed and re.search(r"-[0-9a-f]{16}\.jpg$", picture.name):
                picture.unlink(missing_ok=True)
