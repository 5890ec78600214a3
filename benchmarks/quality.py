"""The distance of each concept to its teacher on photos that were not used in training, and whether it may ship.

The teacher of the concept's recipe edits the test photos again, so that no edit is compared with a compressed copy.
Photos with a face and the others are measured apart: people forgive less.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean

from PIL import Image

from benchmarks.measuring import Figure, parser, report, script
from benchmarks.switching import shipped
from e2gan.base import Base
from e2gan.blend import find_concept
from e2gan.concept import Concept
from e2gan.data.folders import Data, find_photos, named
from e2gan.data.framing import framed_photo
from e2gan.data.teachers import make_teacher
from e2gan.drawing import draw_sheet
from e2gan.editor import Editor
from e2gan.embedders import Embedder
from e2gan.errors import DataError
from e2gan.evaluation.closeups import Faces, Place, face_finder
from e2gan.evaluation.fid import fid
from e2gan.evaluation.measure import photograph
from e2gan.evaluation.report import NETWORKS, Quality, evaluate
from e2gan.recipe import Framing

SIDE = 432
"""Shorter side of the test photos, in pixels: whole photos, as a filter's strokes have their scale."""

ROWS = 8
"""Photos on a sheet."""

AROUND = 2.5
"""Side of the crop in which a face is looked for again, in widths of the face."""

STEADY = ("gmic", "opencv-")
"""Beginnings of the ids of teachers whose strokes have their places from the photo: a network can learn them."""

L1, FID, LATTICE, MATCH, FACES = 0.7, 0.5, 0.04, 0.75, 0.95
"""The limits of a concept: L1 and FID over the unedited photo's, lattice share, stroke match, share of faces kept."""

MEAN_L1, MEAN_FID = 0.55, 0.35
"""The limits of the means over all concepts."""


def measure(
    data: Data, concepts: Sequence[Concept] | None = None, base: Base | None = None, *, sheets: Path | None = None
) -> list[Figure]:
    """The figures of each concept on the test photos in ``data``; ``sheets`` is a folder for pictures of some.

    Args:
        base: the base of all concepts; by default each concept's own.

    Raises:
        DataError: there are fewer than two test photos.
        TeacherError: a recipe's teacher is not installed.
    """
    files = [file for split, file in find_photos(data) if split == "test"]
    if len(files) < 2:
        raise DataError(f"{named(data)}: {len(files)} test photos, which is too few to measure on")
    photos = [framed_photo(file, Framing(SIDE, whole=True))[0] for file in files]
    groups = [photograph(str(file)) for file in files]
    faces = face_finder()
    found = [faces(photo) if faces else None for photo in photos]
    figures = [
        Figure("test pictures", len(photos)),
        Figure("photographs they were cut from", len(set(groups))),
        Figure("of the pictures, with a face", sum(face is not None for face in found)),
    ]
    networks = {name: make() for name, make in NETWORKS.items()}
    editors: dict[str, Editor] = {}
    whole: list[Quality] = []
    ratios: dict[str, list[float]] = {}
    for concept in concepts or shipped():
        if concept.base_sha256 not in editors:
            editors[concept.base_sha256] = Editor(base or concept.base_id, backend="torch")
        targets, edited = edit(photos, editors[concept.base_sha256], concept)
        quality = evaluate(photos, edited, targets, groups, networks=networks)
        whole.append(quality)
        figures += _figures(concept, quality)
        for kind, members in _apart(found):
            for name, ratio in _fid_ratios(
                networks, *([some[i] for i in members] for some in (photos, edited, targets))
            ):
                figures.append(Figure(f"{concept.id}: {name} FID ratio, {kind}", ratio, "×", at_most=FID))
                ratios.setdefault(f"{name} FID ratio, {kind}", []).append(ratio)
        for name, pictures, least in (
            ("faces that are still found", edited, FACES),
            ("faces found in the teacher's pictures", targets, None),
        ):
            if faces and (share := kept_faces(photos, pictures, found, faces)) is not None:
                figures.append(Figure(f"{concept.id}: {name}", share, at_least=least))
        if sheets is not None:
            rows = list(zip(photos, targets, edited))
            draw_sheet(rows[:: -(-len(rows) // ROWS)], sheets / f"{concept.id}.png")
    figures.append(Figure("mean L1 ratio", mean(quality.l1_ratio for quality in whole), "×", at_most=MEAN_L1))
    return figures + [Figure(f"mean {name}", mean(some), "×", at_most=MEAN_FID) for name, some in ratios.items()]


def edit(
    photos: Sequence[Image.Image], editor: Editor, concept: Concept
) -> tuple[list[Image.Image], list[Image.Image]]:
    """The teacher's pictures and the concept's, the latter edited like a user's photo."""
    chosen = concept.recipe.teachers[0]
    teacher = make_teacher(chosen.id, chosen.options)
    return [teacher(photo) for photo in photos], [editor.apply(photo, concept) for photo in photos]


def kept_faces(
    photos: Sequence[Image.Image], edited: Sequence[Image.Image], found: Sequence[Place | None], faces: Faces
) -> float | None:
    """The share, 0 to 1, of the photos' largest faces that are found in the same place of the edit; None without faces.

    It is looked for in a crop around the place, where the photo must show it, too.
    """
    kept = []
    for photo, picture, face in zip(photos, edited, found, strict=True):
        if face is None:
            continue
        width, row, column = face
        half = round(AROUND * width / 2)
        right, bottom = min(column + half, photo.width), min(row + half, photo.height)
        box = (max(0, column - half), max(0, row - half), right, bottom)
        if faces(photo.crop(box)):
            kept.append(faces(picture.crop(box)) is not None)
    return mean(kept) if kept else None


def _apart(found: Sequence[Place | None]) -> Iterator[tuple[str, list[int]]]:
    """The numbers of the photos with a face, and of those without; only where there are several."""
    for kind, wanted in (("people", True), ("others", False)):
        members = [number for number, face in enumerate(found) if (face is not None) == wanted]
        if len(members) > 1:
            yield kind, members


def _fid_ratios(
    networks: Mapping[str, Embedder],
    photos: Sequence[Image.Image],
    edited: Sequence[Image.Image],
    targets: Sequence[Image.Image],
) -> Iterator[tuple[str, float]]:
    """In each measuring network: the edits' distance from the teacher's pictures over the unedited photos'."""
    for name, embed in networks.items():
        wanted = embed(targets)
        yield name, fid(embed(edited), wanted) / max(fid(embed(photos), wanted), 1e-9)


def _figures(concept: Concept, quality: Quality) -> list[Figure]:
    id, steady = concept.id, concept.recipe.teachers[0].id.startswith(STEADY)
    figures = [
        Figure(f"{id}: L1 on [0, 1]", quality.l1),
        Figure(f"{id}: L1 ratio to unedited", quality.l1_ratio, "×", at_most=L1),
        *_interval(f"{id}: L1 ratio", quality.l1_ratio_interval),
    ]
    for name, distance in quality.distances.items():
        figures += [
            Figure(f"{id}: {name} FID", distance.fid),
            Figure(f"{id}: {name} FID ratio to unedited", distance.fid_ratio, "×"),
            *_interval(f"{id}: {name} FID ratio", distance.fid_ratio_interval),
            Figure(f"{id}: {name} KID", distance.kid),
            Figure(f"{id}: {name} KID unedited", distance.kid_unedited),
        ]
    if quality.lattice_share is not None:
        figures.append(Figure(f"{id}: lattice share in flat areas", quality.lattice_share, at_most=LATTICE))
    return [
        *figures,
        Figure(f"{id}: stroke energy, share of the teacher's", quality.stroke_energy, "×", at_least=0.5),
        Figure(f"{id}: stroke energy unedited", quality.stroke_energy_unedited, "×"),
        Figure(f"{id}: stroke match with the teacher's", quality.stroke_match, at_least=MATCH if steady else None),
        Figure(f"{id}: stroke match unedited", quality.stroke_match_unedited),
    ]


def _interval(name: str, interval: tuple[float, float]) -> list[Figure]:
    return [Figure(f"{name}, 95 % from", interval[0], "×"), Figure(f"{name}, 95 % to", interval[1], "×")]


def main(arguments: Sequence[str] | None = None) -> None:
    command = parser(__doc__)
    command.add_argument("concepts", nargs="*", metavar="CONCEPT", help="by default all of the repository")
    command.add_argument(
        "--data",
        type=Path,
        required=True,
        action="append",
        help="folder of photos, with train, val and test or without; may be repeated",
    )
    command.add_argument("--sheets", type=Path, help="write a sheet for each concept into this folder")
    options = command.parse_args(arguments)
    concepts = [find_concept(name) for name in options.concepts]
    report({"quality": measure(tuple(options.data), concepts, sheets=options.sheets)}, options.output)


if __name__ == "__main__":
    script(main)
