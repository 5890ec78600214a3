"""Teachers against the concepts that learned from them: seconds of the same photo in one run.

Teacher and edit take turns, so that other load on the machine affects both equally.  The editor computes as it does by
default, its model is loaded, and the concept is folded in: it is a running editor's time.  So is the teacher's: what it
loads, it has loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from statistics import mean, median

from PIL import Image, ImageOps

from benchmarks.measuring import SAMPLES, Figure, interleaved, parser, ratio, report, script
from benchmarks.switching import shipped
from e2gan.base import Base
from e2gan.blend import find_concept
from e2gan.concept import Concept
from e2gan.data.teachers import make_teacher
from e2gan.editor import Editor
from e2gan.images import open_image

PHOTO = SAMPLES / "aitzgorri.jpg"

SIDES = (256, 1000)
"""Of the square photos, in pixels: the second has a megapixel."""

FASTER = 1.5
"""How many times as fast as its teacher a concept should be, at a megapixel, where the teacher is a filter of G'MIC."""


def measure(
    concepts: Sequence[Concept] | None = None,
    base: Base | None = None,
    *,
    sides: Sequence[int] = SIDES,
    rounds: int = 3,
    threads: int | None = None,
) -> list[Figure]:
    """For each concept and size: the seconds of its teacher and of its edit, and how many times as fast the edit is.

    The last figure is the share of concepts from G'MIC that are `FASTER` times as fast at the largest size.
    """
    figures: list[Figure] = []
    faster: list[bool] = []
    editors: dict[str, Editor] = {}
    for concept in concepts or shipped():
        if concept.base_sha256 not in editors:
            editors[concept.base_sha256] = Editor(base or concept.base_id, threads=threads)
        editor = editors[concept.base_sha256]
        learned_from = concept.recipe.teachers[0]
        teacher = make_teacher(learned_from.id, learned_from.options)
        for side in sides:
            photo = ImageOps.fit(open_image(PHOTO, opaque=True), (side, side), Image.Resampling.LANCZOS)
            jobs = {"teacher": partial(teacher, photo), "edit": partial(editor.apply, photo, concept)}
            seconds = interleaved(jobs, rounds, warmup=1)
            speed = ratio(seconds["teacher"], seconds["edit"])
            figures += [
                Figure(f"{concept.id}, {side}²: its teacher", median(seconds["teacher"]), "s"),
                Figure(f"{concept.id}, {side}²: the edit", median(seconds["edit"]), "s"),
                Figure(f"{concept.id}, {side}²: speed of the teacher", speed, "×"),
            ]
        if learned_from.id == "gmic":
            faster.append(speed >= FASTER)
    if faster:
        figures.append(Figure(f"concepts from G'MIC that are {FASTER} × as fast", mean(faster), at_least=0.5))
    return figures


def main(arguments: Sequence[str] | None = None) -> None:
    command = parser(__doc__)
    command.add_argument("concepts", nargs="*", metavar="CONCEPT", help="by default all of the repository")
    command.add_argument("--rounds", type=int, default=3)
    command.add_argument("--threads", type=int, help="CPU threads of the editor")
    options = command.parse_args(arguments)
    concepts = [find_concept(name) for name in options.concepts]
    report({"teachers": measure(concepts, rounds=options.rounds, threads=options.threads)}, options.output)


if __name__ == "__main__":
    script(main)
