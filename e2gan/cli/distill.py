"""Making pairs: ``distill``."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from e2gan.cli.help import Command
from e2gan.cli.options import folder, photos_option, ray_option, teacher_options, workers_option
from e2gan.cli.output import Output, output_options
from e2gan.cli.program import needs_extra
from e2gan.errors import TeacherError
from e2gan.terminal import one_line, say

if TYPE_CHECKING:
    from e2gan.data.make_pairs import PairsReport
    from e2gan.recipe import Recipe

__all__ = ["distill"]


@click.command(
    cls=Command,
    section="make",
    examples=[
        "distill magenta-multistyle -O style=19 --data photos/ -o pairs/",
        "distill ./crayon --data photos/ -o pairs/ --whole",
    ],
)
@click.argument("teacher", metavar="TEACHER|FOLDER")
@photos_option
@click.option(
    "-o", "--output", type=folder, required=True, metavar="OUT", help="The folder of pairs; created if missing."
)
@teacher_options
@click.option(
    "--size",
    type=click.IntRange(32, 4096),
    metavar="PIXELS",
    help="Side of the square pictures, or the shorter side of whole ones; by default as in the recipe, or 256.",
)
@click.option("--whole", is_flag=True, help="Keep photos whole instead of cropping them to their middle squares.")
@click.option("--reject", is_flag=True, help="Leave out pairs in which the teacher did nothing or broke the picture.")
@workers_option
@ray_option
@output_options(json=False)
def distill(
    teacher: str,
    data: Path | tuple[Path, ...] | None,
    output: Path,
    options: dict[str, Any],
    size: int | None,
    whole: bool,
    reject: bool,
    workers: int | None,
    ray: bool,
    out: Output,
) -> None:
    """Make pairs of photo and edit with a teacher.

    Name a TEACHER, or the FOLDER of a concept (./my-concept) whose recipe names the teacher. If the recipe lets a
    plugin generate the photographs, they go to runs/ID/photos. A second run makes only the missing pairs.
    OUT/contact-sheet.jpg shows some of them.
    """
    with needs_extra("train"), out.progress(resumes=True) as progress:
        from e2gan.data.make_pairs import write_pairs
        from e2gan.data.sources import photographs

        recipe, prompt, work = _recipe(teacher, options, reject)
        pictures = replace(recipe.pictures, side=size or recipe.pictures.side, whole=whole or recipe.pictures.whole)
        recipe = replace(recipe, pictures=pictures)
        photos = photographs(data, recipe, work, progress)
        try:
            report = write_pairs(photos, output, recipe, prompt=prompt, workers=workers, ray=ray, progress=progress)
        except TeacherError as error:
            from e2gan.concept import holds_concept

            if holds_concept(teacher):
                raise TeacherError(
                    str(error), hint=f"to use the folder of that name, write .{os.sep}{teacher}"
                ) from None
            raise
    for name, why in report.skipped.items():
        say(one_line(f"note: {name}: left out: {why}"))
    for line in _summary(report):
        out.note(line)


def _recipe(teacher: str, settings: dict[str, Any], reject: bool) -> tuple[Recipe, str, Path]:
    """The recipe, the concept's prompt (empty without a concept) and the work folder."""
    from e2gan.recipe import Recipe, Rejection, TeacherChoice

    if not teacher.startswith((".", "~")) and "/" not in teacher and os.sep not in teacher:
        return Recipe((TeacherChoice(teacher, settings),), rejection=Rejection() if reject else None), "", Path("runs")
    if settings:
        raise click.UsageError("-O goes with a teacher's id; a concept's teachers have their options in its recipe")
    from e2gan.training.concept import read_bundle

    concept = read_bundle(Path(teacher).expanduser())
    recipe = concept.recipe
    recipe = replace(recipe, rejection=recipe.rejection or (Rejection() if reject else None))
    return recipe, concept.prompt, Path("runs", concept.id)


def _summary(report: PairsReport) -> list[str]:
    counts = ", ".join(f"{count} {split}" for split, count in report.counts.items())
    left_out = ", ".join(f"{count} {why}" for why, count in report.rejected.items())
    lines = [f"{report.folder}: {counts} pairs ({report.made} made now{f'; rejected: {left_out}' * bool(left_out)})"]
    if report.judge:
        of_each = ", ".join(f"{count} of {teacher}" for teacher, count in report.teachers.items())
        lines.append(f"compared by {report.judge}: {of_each}")
    return lines
