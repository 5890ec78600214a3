"""Making pairs: a recipe's teachers edit photos, bad edits are rejected, and the best of several teachers' is kept.

`e2gan.data.pairs` describes the files.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from e2gan.data.crew import Job
from e2gan.data.distill import distill
from e2gan.data.folders import (
    METADATA,
    SPLITS,
    Data,
    find_photos,
    folders_of,
    left_out_below,
    name_in,
    named,
    named_folders,
)
from e2gan.data.pairs import (
    CONTACT_SHEET,
    REJECTED,
    Pairs,
    digest_key,
    given_pairs,
    open_made,
    picture_size,
    read_rows,
    remove_others,
    write_rows,
)
from e2gan.data.reject import REASONS
from e2gan.data.sift import BEATEN, Edit, Verdict, sift
from e2gan.data.teachers import make_teacher, teacher_version
from e2gan.drawing import Cell, Section, draw_contact_sheet
from e2gan.errors import DataError
from e2gan.files import sha256_file
from e2gan.kept import digest_of
from e2gan.progress import Progress
from e2gan.recipe import BaseRecipe, Framing, Recipe

__all__ = ["PairsReport", "check_crop", "distilled_pairs", "find_inputs", "write_pairs"]


@dataclass(frozen=True)
class PairsReport:
    """What `write_pairs` did."""

    folder: Path
    counts: Mapping[str, int]
    """Pairs in each split."""
    made: int
    """Edits made in this run."""
    kept: int
    """Edits left from an earlier run."""
    skipped: Mapping[str, str]
    """Photos without an edit: name → reason."""
    rejected: Mapping[str, int]
    """Rejected edits: reason → count, without those that lost to another teacher's edit."""
    teachers: Mapping[str, int]
    """Pairs by teacher."""
    judge: str
    """What compared the teachers' edits; "" if there was nothing to compare."""


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
    rejected, and of several teachers' edits of a photo the best is kept.  A second run makes only what is missing or
    changed, and removes the pairs of photos that are gone.

    prompt: the concept's, by which CLIP judges edits.  workers: processes (default: one a processor).  ray: whether
    the workers of a Ray cluster do the work; all its machines must see all the folders.
    Raises DataError (no photos, or none with a pair), TeacherError (unknown teacher, wrong options), E2GANError
    (a picture cannot be written).
    """
    out_dir = Path(out_dir)
    progress = progress or Progress()
    if any(out_dir.resolve().is_relative_to(folder.resolve()) for folder in folders_of(photos)):
        raise DataError(f"{out_dir}: inside the folder of photos, where the next run would take pairs for photos")
    framing = recipe.pictures.for_crops(recipe.training.crop)
    for teacher in recipe.teachers:
        make_teacher(teacher.id, teacher.options)  # report the last one's fault before the first one works
    edits = _plan(photos, out_dir, recipe)
    if not edits:
        raise DataError(
            f"{named(photos)}: the recipe's share, {framing.share:g} of the photos, selects none",
            hint="raise share in the table pictures",
        )
    for folder in folders_of(photos):
        for line in left_out_below(folder):
            progress.once(line)
    if changes := _changes(out_dir, edits):
        progress.once(changes)

    faults: dict[Edit, str] = {}
    there = {edit for edit in edits if _is_there(edit.job, framing)}
    for number, teacher in enumerate(recipe.teachers):
        jobs = {edit.job: edit for edit in edits if edit.teacher == number}
        todo = [job for job, edit in jobs.items() if edit not in there]
        if not todo:
            continue
        progress.stage(f"distill with {teacher}")
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
    successful = [edit for edit in edits if edit not in faults]
    skipped = {edit.source: fault for edit, fault in faults.items()}
    for edit in successful:
        skipped.pop(edit.source, None)  # another teacher succeeded
    if not successful:
        why = next(iter(skipped.values()))
        raise DataError(f"{named(photos)}: none of the {len(skipped)} photos gave a pair; the first fault: {why}")

    verdict = sift(out_dir, successful, recipe, prompt, progress)
    _write(out_dir, recipe, verdict)
    report = PairsReport(
        out_dir,
        {split: sum(edit.split == split for edit in verdict.kept) for split in SPLITS},
        len(successful) - len(there),
        len(there),
        skipped,
        dict(sorted(Counter(why for why in verdict.rejected.values() if why != BEATEN).items())),
        {str(teacher): sum(edit.teacher == n for edit in verdict.kept) for n, teacher in enumerate(recipe.teachers)},
        verdict.judge,
    )
    if not verdict.kept:
        reasons = ", ".join(f"{count} {why}" for why, count in report.rejected.items())
        raise DataError(
            f"{named(photos)}: all {len(successful)} pairs are rejected ({reasons})",
            hint=f"look at {out_dir / CONTACT_SHEET}; [recipe.rejection] sets the limits",
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

    If the recipe says that its pairs are given, ``data`` is one or several folders of pairs, read as they are,
    and nothing is written.
    """
    if recipe.given:
        return given_pairs(data)
    write_pairs(data, folder, recipe, prompt=prompt, workers=workers, ray=ray, progress=progress)
    return Pairs.open(folder)


def find_inputs(data: Data, recipe: Recipe) -> list[tuple[str, Path]]:
    """(split, photo) for each photo that the recipe's pairs show or would show.

    Raises as `find_photos`; for given pairs as `Pairs.open`, and DataError if their sizes do not suit training.
    """
    if not recipe.given:
        return find_photos(data)
    return [(split, pair.input) for split, pairs in given_pairs(data).splits.items() for pair in pairs]


def check_crop(recipe: Recipe | BaseRecipe, where: str) -> None:
    """Raise DataError if a recipe's crops are larger than the pictures that it makes; ``where`` names the recipe."""
    made_here = isinstance(recipe, BaseRecipe) or not recipe.given
    if made_here and recipe.training.crop > recipe.pictures.side:
        raise DataError(
            f"{where} trains on crops of {recipe.training.crop} pixels, but its pairs' side is {recipe.pictures.side}",
            hint="raise side in the table pictures, or lower crop in the table training",
        )


def _portable(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options with files replaced by their digests: the content of a file decides the picture, not its path."""
    return {
        key: f"sha256:{sha256_file(Path(value))}" if isinstance(value, (str, Path)) and Path(value).is_file() else value
        for key, value in sorted(options.items())
    }


def _plan(photos: Data, out_dir: Path, recipe: Recipe) -> list[Edit]:
    """Every teacher's edit of every photo, made or not, grouped by photo."""
    framing = recipe.pictures
    # For squares as before whole photos existed, so that their pictures keep their names.
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
    several = named_folders(photos)
    for prefix, home in several:
        for split, photo in find_photos(home):
            # A picture's name does not depend on the other folders, so that adding photos does not change it.
            source, digest = name_in(home, photo), sha256_file(photo)
            photo_key = digest_key([source, digest, *frame])
            if not _is_drawn([photo_key, settings], framing.share):
                continue
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


def _is_drawn(values: Any, share: float) -> bool:
    """True for ``share`` of all values, always for the same ones."""
    return share == 1 or int(digest_of({"drawn": values})[:8], 16) < share * 2**32


def _is_there(job: Job, framing: Framing) -> bool:
    """Whether a job was done before and its photo is still large enough."""
    if not (job.input.is_file() and job.output.is_file()):
        return False
    return not framing.whole or min(picture_size(job.input)) >= framing.least


def _changes(out_dir: Path, edits: Sequence[Edit]) -> str:
    """What happened to the photos of the folder's pairs, in words; "" if nothing did."""
    before: dict[str, str] = {}
    for file in (*(out_dir / split / METADATA for split in SPLITS), out_dir / REJECTED):
        # A damaged file is rewritten at the end.
        with suppress(DataError):
            rows = read_rows(file)
            before |= {str(row.get("source")): PurePosixPath(str(row.get("input_file_name"))).name for _, row in rows}
    now = {edit.source: edit.job.input.name for edit in edits}
    # If a folder is added, photos get other sources, but their pictures keep their names.
    pictures = set(now.values())
    gone = sum(source not in now and name not in pictures for source, name in before.items())
    changed = sum(now.get(source, name) != name for source, name in before.items())
    if changed == len(before):
        changed = 0  # more likely, the run asks for another size
    words = [f"{changed} changed"] * bool(changed) + [f"{gone} gone"] * bool(gone)
    return f"photos since these pairs were made: {', '.join(words)}" if words else ""


def _write(out_dir: Path, recipe: Recipe, verdict: Verdict) -> None:
    """Write what the verdict says, then remove pictures that it does not contain, of earlier options or photos."""
    options = [json.dumps(_portable(teacher.options), sort_keys=True) for teacher in recipe.teachers]

    def row(edit: Edit, folder: Path) -> dict[str, Any]:
        return {
            "input_file_name": edit.job.input.relative_to(folder).as_posix(),
            "output_file_name": edit.job.output.relative_to(folder).as_posix(),
            "source": edit.source,
            "teacher": recipe.teachers[edit.teacher].id,
            # As text: a column of `datasets` needs one type, and options may be any table.
            "teacher_options": options[edit.teacher],
            **(asdict(verdict.figures[edit]) if verdict.figures else {}),
            **({"score": verdict.scores[edit]} if edit in verdict.scores else {}),
        }

    for split in SPLITS:
        rows = [row(edit, out_dir / split) for edit in verdict.kept if edit.split == split]
        write_rows(out_dir / split / METADATA, rows)
    write_rows(out_dir / REJECTED, [{**row(edit, out_dir), "reason": why} for edit, why in verdict.rejected.items()])
    draw_contact_sheet(out_dir / CONTACT_SHEET, _sections(recipe, verdict), open_made)
    current = {file for edit in (*verdict.kept, *verdict.rejected) for file in (edit.job.input, edit.job.output)}
    for folder in (out_dir / split / part for split in SPLITS for part in ("input", "output")):
        remove_others(folder, current)


def _sections(recipe: Recipe, verdict: Verdict) -> list[Section]:
    """Sections with some of the kept pairs, and with some that were left out for each reason."""

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
