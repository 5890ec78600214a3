"""The distance of each concept to its teacher on photos that were not used in training.

The teacher of the concept's recipe edits the test photos again, so that no edit is compared with a compressed copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from benchmarks.measuring import Figure, parser, report, script
from benchmarks.switching import shipped
from e2gan.base import Base, find_base
from e2gan.concept import Concept
from e2gan.data.folders import find_photos
from e2gan.data.framing import framed_photo
from e2gan.data.teachers import make_teacher
from e2gan.drawing import draw_sheet
from e2gan.editor import Editor
from e2gan.errors import DataError
from e2gan.evaluation.measure import photograph
from e2gan.evaluation.report import Quality, evaluate
from e2gan.recipe import Framing

SIZE = 256
ROWS = 8
"""Photos on a sheet."""


def measure(
    data: Path, base: Base | None = None, concepts: Sequence[Concept] | None = None, *, sheets: Path | None = None
) -> list[Figure]:
    """The figures of each concept on the test photos in ``data``; ``sheets`` is a folder for pictures of some.

    Raises:
        DataError: there are fewer than two test photos.
        TeacherError: a recipe's teacher is not installed.
    """
    files = [file for split, file in find_photos(data) if split == "test"]
    if len(files) < 2:
        raise DataError(f"{data}: {len(files)} test photos, which is too few to measure on")
    photos = [framed_photo(file, Framing(SIZE))[0] for file in files]
    groups = [photograph(file.name) for file in files]
    editor = Editor(base or find_base(), backend="torch")
    figures = [Figure("test pictures", len(photos)), Figure("photographs they were cut from", len(set(groups)))]
    for concept in concepts or shipped():
        targets, edited = edit(photos, editor, concept)
        figures += _figures(concept.id, evaluate(photos, edited, targets, groups))
        if sheets is not None:
            rows = list(zip(photos, targets, edited))
            draw_sheet(rows[:: -(-len(rows) // ROWS)], sheets / f"{concept.id}.png")
    return figures


def edit(
    photos: Sequence[Image.Image], editor: Editor, concept: Concept
) -> tuple[list[Image.Image], list[Image.Image]]:
    """The teacher's pictures and the concept's, the latter edited like a user's photo."""
    chosen = concept.recipe.teachers[0]
    teacher = make_teacher(chosen.id, chosen.options)
    return [teacher(photo) for photo in photos], [editor.apply(photo, concept) for photo in photos]


def _figures(id: str, quality: Quality) -> list[Figure]:
    figures = [
        Figure(f"{id}: L1 on [0, 1]", quality.l1),
        Figure(f"{id}: L1 ratio to unedited", quality.l1_ratio, "×", at_most=0.65),
        *_interval(f"{id}: L1 ratio", quality.l1_ratio_interval),
    ]
    for name, distance in quality.distances.items():
        limit = 0.5 if name == "efficientnet-lite0" else None
        figures += [
            Figure(f"{id}: {name} FID", distance.fid),
            Figure(f"{id}: {name} FID ratio to unedited", distance.fid_ratio, "×", at_most=limit),
            *_interval(f"{id}: {name} FID ratio", distance.fid_ratio_interval),
            Figure(f"{id}: {name} KID", distance.kid),
            Figure(f"{id}: {name} KID unedited", distance.kid_unedited),
        ]
    return [
        *figures,
        Figure(f"{id}: stroke energy, share of the teacher's", quality.stroke_energy, "×", at_least=0.5),
        Figure(f"{id}: stroke energy unedited", quality.stroke_energy_unedited, "×"),
        Figure(f"{id}: stroke match with the teacher's", quality.stroke_match),
        Figure(f"{id}: stroke match unedited", quality.stroke_match_unedited),
    ]


def _interval(name: str, interval: tuple[float, float]) -> list[Figure]:
    return [Figure(f"{name}, 95 % from", interval[0], "×"), Figure(f"{name}, 95 % to", interval[1], "×")]


def main(arguments: Sequence[str] | None = None) -> None:
    command = parser(__doc__)
    command.add_argument(
        "--data", type=Path, required=True, help="folder of photos, with train, val and test or without"
    )
    command.add_argument("--sheets", type=Path, help="write a sheet for each concept into this folder")
    options = command.parse_args(arguments)
    report({"quality": measure(options.data, sheets=options.sheets)}, options.output)


if __name__ == "__main__":
    script(main)
