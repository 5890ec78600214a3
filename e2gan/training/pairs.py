"""Pairs of photo and edited photo, in the Hub's image-folder layout.

```
PAIRS/train/metadata.jsonl         {"input_file_name": …, "output_file_name": …, "source": …, …} a line
PAIRS/train/input/NAME-KEY.jpg     the photo, its middle square or the whole of it
PAIRS/train/output/NAME-KEY.jpg    the teacher's picture of it
PAIRS/val/…  PAIRS/test/…
PAIRS/rejected.jsonl               what was left out, and the "reason", a line each; the pictures stay
PAIRS/contact-sheet.jpg            some of both, to look at
```

`datasets.load_dataset("imagefolder", data_dir=PAIRS)` reads it without this package, as the image
columns `input` and `output`.  KEY is a digest of everything that decides a picture, so a file that
is there is right: an interrupted run goes on where it stopped, changed options make new pictures, and
`metadata.jsonl`, written last, describes a finished set at all times.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

from PIL import Image

from e2gan.errors import DataError
from e2gan.files import atomic_write, read_bytes, sha256_file
from e2gan.images.formats import RAW_SUFFIXES, SUFFIXES, left_out, why_left_out
from e2gan.leftovers import sweep
from e2gan.progress import Progress
from e2gan.recipe import GIVEN, BaseRecipe, Framing, Recipe
from e2gan.training.contact_sheet import Cell, Section, draw_contact_sheet
from e2gan.training.distill import Job, distill, make_teacher, teacher_version
from e2gan.training.reject import REASONS
from e2gan.training.sift import BEATEN, Edit, Verdict, sift

__all__ = [
    "CONTACT_SHEET",
    "METADATA",
    "REJECTED",
    "SPLITS",
    "SPLIT_FOLDERS",
    "Data",
    "Pair",
    "Pairs",
    "PairsReport",
    "check_crop",
    "check_sizes",
    "digest_key",
    "distilled_pairs",
    "find_inputs",
    "find_photos",
    "folders_of",
    "left_out_below",
    "named",
    "open_pairs",
    "photos_below",
    "read_metadata",
    "remove_others",
    "split_of",
    "write_pairs",
    "write_rows",
]

SPLITS = ("train", "val", "test")
METADATA = "metadata.jsonl"
REJECTED = "rejected.jsonl"
CONTACT_SHEET = "contact-sheet.jpg"
METADATA_LIMIT = 256 * 1024 * 1024
"""Most bytes of a metadata.jsonl: about half a million pairs."""

KEYED = re.compile(r"-[0-9a-f]{16}\.(jpg|png)$")
"""The names of pictures that are made here."""

Data: TypeAlias = "str | os.PathLike[str] | Sequence[str | os.PathLike[str]]"
"""A folder of photos (or of pairs, where they are given), or several."""

SPLIT_FOLDERS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


@dataclass(frozen=True)
class Pair:
    """A photo and the teacher's picture of it, files of one size."""

    input: Path
    output: Path
    source: str = ""
    """The photo's name in the folder it came from, with that folder's before it where there were several; "" when
    unknown."""

    @cached_property
    def key(self) -> str:
        """Another for a pair that shows something else: the edit's name, which holds a digest where we made it.

        Raises E2GANError when a picture that others made cannot be read.
        """
        if KEYED.search(self.output.name):
            return self.output.name
        return digest_key([self.output.name, sha256_file(self.input), sha256_file(self.output)])


@dataclass(frozen=True)
class Pairs:
    """A folder of pairs that was read and checked."""

    path: Path
    splits: Mapping[str, tuple[Pair, ...]]
    """Pairs by split; only splits that are there."""
    rejected: Mapping[str, int] = field(default_factory=dict)
    """How many edits were left out, by reason."""

    @classmethod
    def open(cls, folder: str | Path) -> Pairs:
        """Read a folder of pairs.

        Raises DataError: no pairs there, malformed metadata, a path that leaves the folder, a missing picture.
        """
        folder = Path(folder)
        splits: dict[str, tuple[Pair, ...]] = {}
        for name, split in SPLIT_FOLDERS.items():
            if (folder / name / METADATA).is_file():
                splits[split] = splits.get(split, ()) + read_metadata(folder / name / METADATA)
        if not any(splits.values()):
            raise DataError(
                f"{folder}: no pairs here",
                hint="made of photos with: e2gan distill; of pictures before and after: e2gan import",
            )
        for pair in (pair for pairs in splits.values() for pair in pairs):
            for picture in (pair.input, pair.output):
                if not picture.is_file():
                    raise DataError(f"{picture}: the picture is missing", hint="make the pairs again: e2gan distill")
        left_out = _read_rows(folder / REJECTED) if (folder / REJECTED).is_file() else []
        return cls(folder, splits, dict(sorted(Counter(str(row.get("reason")) for _, row in left_out).items())))

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
    """Edits made in this run."""
    kept: int
    """Edits already there from an earlier run."""
    skipped: Mapping[str, str]
    """Photos of which there is no edit: name → why."""
    rejected: Mapping[str, int]
    """Edits rejected: reason → how many.  Those to which another teacher's was preferred are not among them."""
    teachers: Mapping[str, int]
    """Pairs by teacher."""
    judge: str
    """What compared the teachers' edits; "" where there was nothing to compare."""


def split_of(name: str) -> str:
    """The split of a photo by a hash of its name: 80 % train, 10 % val, 10 % test, the same on every machine."""
    part = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % 10
    return "val" if part == 8 else "test" if part == 9 else "train"


def read_metadata(path: Path) -> tuple[Pair, ...]:
    """The pairs a metadata.jsonl lists; whether the pictures exist is not looked at.

    Raises DataError naming the file and line: not JSON, a missing key, a path that leaves the folder.
    """
    return tuple(_pair(path, number, row) for number, row in _read_rows(path))


def _read_rows(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """The objects in a file, each with the number of its line; raises DataError as `read_metadata` does."""
    try:
        lines = read_bytes(path, limit=METADATA_LIMIT, error=DataError).decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise DataError(f"{path}: not UTF-8 text") from None
    return [(number, _read_line(path, number, line)) for number, line in enumerate(lines, 1) if line.strip()]


def _read_line(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise DataError(f"{path}, line {number}: not JSON") from None
    if not isinstance(row, dict):
        raise DataError(f"{path}, line {number}: not a JSON object")
    return row


def _pair(path: Path, number: int, row: Mapping[str, Any]) -> Pair:
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
    photos: Data,
    out_dir: str | Path,
    recipe: Recipe,
    *,
    prompt: str = "",
    workers: int | None = None,
    ray: bool = False,
    progress: Progress | None = None,
) -> PairsReport:
    """Make pairs from a folder of photos, or from several, with a recipe's teachers.

    Folders train, val and test in each of `photos` are kept as the splits; without them the photos are split by a hash
    of their names.  A photo that two folders hold under one name counts once.  Photos that cannot be read or are too
    small, or on which every teacher fails, are skipped and reported.  Pairs that fall below the recipe's limits are
    rejected, and of several teachers' edits of a photo the best is kept.  Run again, only what is missing or changed is
    made, and what is made of photos that are no longer there is removed.

    prompt: the concept's, which CLIP judges edits by.  workers: processes (default: one a processor).  ray: whether
    the workers are a Ray cluster's; all folders must be where all its machines see them.
    Raises DataError (no photos, or none with a pair), TeacherError (unknown teacher, wrong options), E2GANError
    (a picture cannot be written).
    """
    out_dir = Path(out_dir)
    progress = progress or Progress()
    if any(out_dir.resolve().is_relative_to(folder.resolve()) for folder in folders_of(photos)):
        raise DataError(f"{out_dir}: pairs inside the folder of photos would be taken for photos next time")
    framing = recipe.pictures.for_crops(recipe.training.crop)
    for teacher in recipe.teachers:
        make_teacher(teacher.id, teacher.options)  # the last one's fault is better known before the first one's work
    edits = _plan(photos, out_dir, recipe)
    for folder in folders_of(photos):
        for line in left_out_below(folder):
            progress.stage(line)
    if changes := _changes(out_dir, edits):
        progress.stage(changes)

    faults: dict[Edit, str] = {}
    there = {edit for edit in edits if _is_there(edit.job, framing)}
    for number, teacher in enumerate(recipe.teachers):
        progress.stage(f"distil with {teacher}")
        jobs = {edit.job: edit for edit in edits if edit.teacher == number}
        todo = [job for job, edit in jobs.items() if edit not in there]
        done = len(jobs) - len(todo)
        progress.advance(done, len(jobs), {})
        results = distill(teacher.id, teacher.options, todo, framing=framing, workers=workers, ray=ray)
        # Closed at once when interrupted, so that nothing is still being written when this returns.
        with closing(results):
            for result in results:
                if result.fault:
                    faults[jobs[result.job]] = result.fault
                done += 1
                progress.advance(done, len(jobs), {})
    made = [edit for edit in edits if edit not in faults]
    skipped = {edit.source: fault for edit, fault in faults.items()}
    for edit in made:
        skipped.pop(edit.source, None)  # another teacher could
    if not made:
        why = next(iter(skipped.values()))
        raise DataError(f"{named(photos)}: none of the {len(skipped)} photos gave a pair; the first fault: {why}")

    verdict = sift(out_dir, made, recipe, prompt, progress)
    _write(out_dir, recipe, verdict)
    report = PairsReport(
        out_dir,
        {split: sum(edit.split == split for edit in verdict.kept) for split in SPLITS},
        len(made) - len(there),
        len(there),
        skipped,
        dict(sorted(Counter(why for why in verdict.rejected.values() if why != BEATEN).items())),
        {str(teacher): sum(edit.teacher == n for edit in verdict.kept) for n, teacher in enumerate(recipe.teachers)},
        verdict.judge,
    )
    if not verdict.kept:
        reasons = ", ".join(f"{count} {why}" for why, count in report.rejected.items())
        raise DataError(
            f"{named(photos)}: all {len(made)} pairs are rejected ({reasons})",
            hint=f"look at {out_dir / CONTACT_SHEET}; the limits are those of [recipe.rejection]",
        )
    return report


def distilled_pairs(
    data: Data,
    folder: str | Path,
    recipe: Recipe,
    *,
    prompt: str = "",
    workers: int | None = None,
    ray: bool = False,
    progress: Progress,
) -> Pairs:
    """`write_pairs` as a stage of a longer job, and the pairs it wrote, read back.

    Where the recipe says that its pairs are given, ``data`` is the folder of pairs, or several, and is read as it is,
    and nothing is written.
    """
    if recipe.given:
        return _given_pairs(data)
    write_pairs(data, folder, recipe, prompt=prompt, workers=workers, ray=ray, progress=progress)
    return Pairs.open(folder)


def check_crop(recipe: Recipe | BaseRecipe, where: str) -> None:
    """Raise DataError when a recipe's crops are larger than the pictures that it makes; ``where`` it stands."""
    made_here = isinstance(recipe, BaseRecipe) or not recipe.given
    if made_here and recipe.training.crop > recipe.pictures.side:
        raise DataError(
            f"{where} trains on crops of {recipe.training.crop} pixels, but its pairs' side is {recipe.pictures.side}",
            hint="raise side in the table pictures, or lower crop in the table training",
        )


def check_sizes(photos: Iterable[Path], crop: int) -> None:
    """Raise DataError for the first picture of given pairs that is smaller than the crops to train on."""
    for photo in photos:
        width, height = _size(photo)
        if min(width, height) < crop:
            raise DataError(
                f"{photo}: {width}×{height}, smaller than the crops of {crop} pixels that the recipe trains on",
                hint="lower crop in [recipe.training], or take such pairs out of train/metadata.jsonl",
            )


def _size(picture: Path) -> tuple[int, int]:
    """Of a picture file, from its header; raises DataError when it cannot be read."""
    try:
        with Image.open(picture) as image:
            return image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise DataError(
            f"{picture}: not a picture that pairs can be trained on",
            hint="e2gan import makes pairs of every format that e2gan apply reads",
        ) from None


def find_inputs(data: Data, recipe: Recipe) -> list[tuple[str, Path]]:
    """(split, photo) for each photo that the recipe's pairs are of, or would be.

    Raises as `find_photos`; where they are given as `Pairs.open`, and DataError when their sizes cannot be trained on.
    """
    if not recipe.given:
        return find_photos(data)
    return [(split, pair.input) for split, pairs in _given_pairs(data).splits.items() for pair in pairs]


def open_pairs(data: Data) -> Pairs:
    """The pairs of a folder, or of several together; raises DataError as `Pairs.open` and `folders_of`."""
    found = [(name, Pairs.open(folder)) for name, folder in _named_folders(data)]
    if len(found) == 1:
        return found[0][1]
    splits = {
        split: tuple(
            replace(pair, source=f"{name}/{pair.source}") if pair.source else pair
            for name, pairs in found
            for pair in pairs.splits.get(split, ())
        )
        for split in SPLITS
    }
    rejected = Counter[str]()
    for _, pairs in found:
        rejected.update(pairs.rejected)
    together = {split: pairs for split, pairs in splits.items() if pairs}
    return Pairs(Path(named(data)), together, dict(sorted(rejected.items())))


def _given_pairs(data: Data) -> Pairs:
    """Pairs that are trained on as they are; raises DataError as `open_pairs`, and for pictures of a wrong size."""
    found = open_pairs(data)
    # What is made here has the right size, and would take long to look at where there are many.
    others = (pair for pairs in found.splits.values() for pair in pairs if not KEYED.search(pair.output.name))
    for pair in others:
        sizes = [_size(file) for file in (pair.input, pair.output)]
        if sizes[0] != sizes[1] or any(side % 8 for side in sizes[0]):
            (width, height), (other_width, other_height) = sizes
            raise DataError(
                f"{pair.output}: {other_width}×{other_height}, its photo {width}×{height}: both must have one size, "
                "with sides that 8 divides",
                hint="e2gan import makes such pairs of pictures of any size",
            )
    return found


def folders_of(data: Data) -> tuple[Path, ...]:
    """The folders that are given, one or several.

    Raises DataError: none is, or one lies in another, whose photos would count twice.
    """
    folders = (Path(data),) if isinstance(data, (str, os.PathLike)) else tuple(map(Path, data))
    if not folders:
        raise DataError("no folder of photos is given")
    places = [folder.resolve() for folder in folders]
    for i, place in enumerate(places):
        for j, other in enumerate(places):
            if i != j and place.is_relative_to(other):
                raise DataError(
                    f"{folders[i]}: given twice" if place == other else f"{folders[i]}: inside {folders[j]}"
                )
    return folders


def named(data: Data) -> str:
    """The folders that are given, for people."""
    return ", ".join(map(str, folders_of(data)))


def _named_folders(data: Data) -> list[tuple[str, Path]]:
    """Each folder with a name that tells it from the others: the last part of its path, or as many as that takes."""
    folders = folders_of(data)
    paths = [folder.resolve().parts for folder in folders]
    for count in range(1, max(map(len, paths)) + 1):
        names = ["/".join(parts[-count:]) for parts in paths]
        if len(set(names)) == len(names):
            break
    return [(_text(name.lstrip("/")), folder) for name, folder in zip(names, folders)]


def find_photos(data: Data) -> list[tuple[str, Path]]:
    """(split, photo) for each photo below a folder, or several, in a fixed order; hidden files are left out.

    Where there are folders train, val (or validation) and test in a folder, only photos in them count of it.
    Raises DataError when there are none in one of them, when these are pairs, or as `folders_of`.
    """
    return [found for folder in folders_of(data) for found in _photos_in(folder)]


def _photos_in(folder: Path) -> list[tuple[str, Path]]:
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of photos")
    for name in SPLIT_FOLDERS:
        if (folder / name / METADATA).is_file() and (folder / name / "output").is_dir():
            hint = f'a concept that is trained on given pairs has teacher = "{GIVEN}" in its recipe'
            raise DataError(f"{folder}: these are pairs, not photos", hint=hint)
    given = [(split, folder / name) for name, split in SPLIT_FOLDERS.items() if (folder / name).is_dir()]
    found = [(split, photo) for split, part in given for photo in photos_below(part)]
    if not given:
        found = [(split_of(_name_in(folder, photo)), photo) for photo in photos_below(folder)]
    if not found:
        raise DataError(f"{folder}: no photos here", hint=f"looked for {', '.join(sorted(SUFFIXES - RAW_SUFFIXES))}")
    return found


def photos_below(folder: Path) -> list[Path]:
    """The photos below a folder, in a fixed order; hidden files are left out.  None where there is no folder."""
    found = (p for p in folder.rglob("*") if why_left_out(p) is None and not p.name.startswith("."))
    return sorted(p for p in found if p.is_file())


def left_out_below(folder: Path) -> list[str]:
    """What is said of the files below a folder that are no photos: a line for each reason."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and not file.name.startswith("."))
    return left_out(_name_in(folder, file) for file in files)


def _name_in(folder: Path, photo: Path) -> str:
    """A photo's name in its folder, as text that any reader of JSON takes (file systems allow names that are none)."""
    return _text(photo.relative_to(folder).as_posix())


def _text(name: str) -> str:
    return name.encode(errors="replace").decode()


def _portable(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options with files replaced by their digests: what a file holds decides the picture, not where it lies."""
    return {
        key: f"sha256:{sha256_file(Path(value))}" if isinstance(value, (str, Path)) and Path(value).is_file() else value
        for key, value in sorted(options.items())
    }


def _plan(photos: Data, out_dir: Path, recipe: Recipe) -> list[Edit]:
    """Every teacher's edit of every photo, made or not; those of a photo one after the other."""
    framing = recipe.pictures
    # Of squares as before there were whole photos: their pictures keep their names.
    frame: list[Any] = [framing.side, framing.quality, *(["whole"] if framing.whole else [])]
    settings = [
        {
            "teacher": teacher.id,
            "version": teacher_version(teacher.id),
            "teacher_options": _portable(teacher.options),
            "size": framing.side,
            "quality": framing.quality,
        }
        for teacher in recipe.teachers
    ]
    edits: dict[tuple[str, str, int], Edit] = {}
    several = _named_folders(photos)
    for prefix, home in several:
        for split, photo in find_photos(home):
            # A picture's name does not depend on what other folders are given: more photos leave it as it is.
            source, digest = _name_in(home, photo), sha256_file(photo)
            photo_key = digest_key([source, digest, *frame])
            stem = re.sub(r"[^A-Za-z0-9_.-]", "_", photo.stem)[:60]
            folder = out_dir / split
            if len(several) > 1:
                source = f"{prefix}/{source}"
            for number, setting in enumerate(settings):
                pair_key = digest_key([photo_key, setting])
                input, output = (
                    folder / "input" / f"{stem}-{photo_key}.jpg",
                    folder / "output" / f"{stem}-{pair_key}.jpg",
                )
                job = Job(photo, digest, input, output)
                edits.setdefault((split, photo_key, number), Edit(job, split, source, number))
    return list(edits.values())


def _is_there(job: Job, framing: Framing) -> bool:
    """Whether a job was done before, and would not be left out today for its size."""
    if not (job.input.is_file() and job.output.is_file()):
        return False
    return not framing.whole or min(_size(job.input)) >= framing.least


def _changes(out_dir: Path, edits: Sequence[Edit]) -> str:
    """What happened to the photos that the folder's pairs are of, in words; "" if nothing did."""
    before: dict[str, str] = {}
    for file in (*(out_dir / split / METADATA for split in SPLITS), out_dir / REJECTED):
        # A file that is damaged is written anew in the end.
        with suppress(DataError):
            rows = _read_rows(file)
            before |= {str(row.get("source")): PurePosixPath(str(row.get("input_file_name"))).name for _, row in rows}
    now = {edit.source: edit.job.input.name for edit in edits}
    # Where another folder is given as well, photos have other sources, but their pictures the same names.
    pictures = set(now.values())
    gone = sum(source not in now and name not in pictures for source, name in before.items())
    changed = sum(now.get(source, name) != name for source, name in before.items())
    if changed == len(before):
        changed = 0  # rather, another size is asked for
    words = [f"{changed} changed"] * bool(changed) + [f"{gone} gone"] * bool(gone)
    return f"photos since these pairs were made: {', '.join(words)}" if words else ""


def digest_key(parts: Any) -> str:
    """16 hexadecimal digits for plain values, which tell pictures apart that come of other ones."""
    try:
        text = json.dumps(parts, sort_keys=True)
    except (TypeError, ValueError):
        raise DataError("the teacher's options must be plain values: text, numbers, lists, tables") from None
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _write(out_dir: Path, recipe: Recipe, verdict: Verdict) -> None:
    """Write what the verdict says, then remove pictures that it does not know, of earlier options or photos."""
    options = [json.dumps(_portable(teacher.options), sort_keys=True) for teacher in recipe.teachers]

    def row(edit: Edit, folder: Path) -> dict[str, Any]:
        return {
            "input_file_name": edit.job.input.relative_to(folder).as_posix(),
            "output_file_name": edit.job.output.relative_to(folder).as_posix(),
            "source": edit.source,
            "teacher": recipe.teachers[edit.teacher].id,
            # As text: a column of `datasets` needs one type, and options are any table.
            "teacher_options": options[edit.teacher],
            **(asdict(verdict.figures[edit]) if verdict.figures else {}),
            **({"score": verdict.scores[edit]} if edit in verdict.scores else {}),
        }

    for split in SPLITS:
        rows = [row(edit, out_dir / split) for edit in verdict.kept if edit.split == split]
        write_rows(out_dir / split / METADATA, rows)
    write_rows(out_dir / REJECTED, [{**row(edit, out_dir), "reason": why} for edit, why in verdict.rejected.items()])
    draw_contact_sheet(out_dir / CONTACT_SHEET, _sections(recipe, verdict))
    known = {file for edit in (*verdict.kept, *verdict.rejected) for file in (edit.job.input, edit.job.output)}
    for folder in (out_dir / split / part for split in SPLITS for part in ("input", "output")):
        remove_others(folder, known)


def remove_others(folder: Path, known: Set[Path]) -> None:
    """Remove the pictures made here earlier that are not among those ``known``, and what killed processes left."""
    sweep(folder)
    for picture in folder.glob("*"):
        if picture not in known and KEYED.search(picture.name):
            picture.unlink(missing_ok=True)


def write_rows(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a JSON object a line; without any, remove the file."""
    if rows:
        atomic_write(file, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    else:
        file.unlink(missing_ok=True)


def _sections(recipe: Recipe, verdict: Verdict) -> list[Section]:
    """Some of the pairs kept, and some left out for each reason."""

    def section(heading: str, edits: Sequence[Edit], most: int, *, left_out: bool = False) -> Section:
        some = [edits[at * len(edits) // most] for at in range(most)] if len(edits) > most else edits
        cells = [Cell(edit.job.input, edit.job.output, edit.source, note(edit)) for edit in some]
        of = f", of which {len(some)} here" if len(some) < len(edits) else ""
        return Section(f"{heading}: {len(edits)}{of}", cells, left_out)

    def note(edit: Edit) -> str:
        words = [str(recipe.teachers[edit.teacher])] if len(recipe.teachers) > 1 else []
        if edit in verdict.scores:
            words.append(f"score {verdict.scores[edit]:.2f}")
        elif edit in verdict.figures:
            words += [f"{name} {value:.2f}" for name, value in asdict(verdict.figures[edit]).items()]
        return ", ".join(words)

    by_reason: dict[str, list[Edit]] = {}
    for edit, why in verdict.rejected.items():
        by_reason.setdefault(why, []).append(edit)
    left_out = [
        section(f"Left out, {why}", by_reason[why], 12, left_out=True)
        for why in (*REASONS.values(), BEATEN)
        if why in by_reason
    ]
    return [section("Kept", verdict.kept, 24), *left_out]
