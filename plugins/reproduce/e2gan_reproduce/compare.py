"""Rows from trainings: systems down, concepts across."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from e2gan.drawing import picture_grid
from e2gan.files import atomic_path
from e2gan_reproduce.lab import Lab
from e2gan_reproduce.outcome import Outcome, Subject
from e2gan_reproduce.table import MEAN, Row, mean_of
from e2gan_reproduce.trainings import SHOWN

__all__ = ["Findings", "compare", "draw_examples"]

FEWEST = 20
"""Least steps of a training whose figures say something of the model."""

Way = Callable[[Subject], Outcome]

PLAIN = str.maketrans({"²": "2", "×": "x"})
"""Replacements for characters that the sheets' typeface lacks."""


@dataclass(frozen=True)
class Findings:
    """The content of a table."""

    rows: list[Row]
    stated: Sequence[tuple[str, str]] = ()
    """As in `e2gan_reproduce.table.Table`."""
    figures: str = ""
    """The kind of the figures; empty means FID in the lab's features."""
    title: str = ""
    """The title, if something stands in for the paper's data; empty means the entry's."""
    said: str = ""
    """What stands in, and for what."""
    examples: Mapping[str, Mapping[str, Outcome]] = field(default_factory=dict)
    """Outcomes by concept and row, for the sheet."""


def compare(
    lab: Lab,
    ways: Mapping[str, Way],
    paper: Mapping[str, Mapping[str, float]] | None = None,
    *,
    stated: Sequence[tuple[str, str]] = (),
    ratio: bool = False,
    subjects: Sequence[Subject] | None = None,
) -> Findings:
    """A row for each way of training, with its FID on each of the lab's concepts.

    Args:
        ways: by the row's name.
        paper: the paper's figures by row and column, without the mean.
        stated: as in `Findings`.
        ratio: give FID as a share of the unedited photos' FID.
        subjects: instead of the lab's concepts.
    """
    paper = paper or {}
    by_subject = {
        subject.id: {name: way(subject) for name, way in ways.items()} for subject in subjects or lab.subjects
    }
    rows = []
    for name in ways:
        outcomes = {subject: by_way[name] for subject, by_way in by_subject.items()}
        ours = {subject: outcome.fid_ratio if ratio else outcome.fid for subject, outcome in outcomes.items()}
        first = next(iter(outcomes.values()))
        errors = {subject: outcome.error(ratio=ratio) for subject, outcome in outcomes.items()}
        rows.append(
            Row(
                name,
                mean_of(paper.get(name, {})),
                mean_of(ours),
                f"{_millions(first.trained)} trained, {first.steps:,} steps",
                error={**errors, MEAN: math.hypot(*errors.values()) / len(errors)},
                handful=first.steps < FEWEST,
            )
        )
    return Findings(rows, stated, examples=by_subject)


def _millions(count: int) -> str:
    """Parameters in the papers' notation: 0.092M."""
    return f"{count / 1e6:.3g}M" if count >= 1e6 else f"{count / 1e6:.3f}M"


def draw_examples(examples: Mapping[str, Mapping[str, Outcome]], path: Path) -> None:
    """Write a sheet of test photos, two for each concept: the teacher's picture, and each row's edit."""
    pictures: list[Image.Image] = []
    titles: list[str] = []
    columns = 0
    for by_row in examples.values():
        columns = 2 + len(by_row)
        first = next(iter(by_row.values())).folder
        for number in range(SHOWN)[:2]:
            files = [Path(first, f"photo-{number}.png"), Path(first, f"teacher-{number}.png")]
            files += [Path(outcome.folder, f"edit-{number}.png") for outcome in by_row.values()]
            if not all(file.is_file() for file in files):
                continue
            for file in files:
                with Image.open(file) as picture:
                    pictures.append(picture.convert("RGB"))
        titles = titles or ["photo", "teacher", *(row.translate(PLAIN) for row in by_row)]
    if pictures:
        page = picture_grid(pictures, columns, titles=titles, cell=(160, 160))
        with atomic_path(path) as temporary:
            page.save(temporary, format="WEBP", quality=82)
