"""Making concepts and bases: ``new``, ``select``, ``train`` and ``train-base``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from e2gan.cli.help import Command
from e2gan.cli.options import (
    data_option,
    device_option,
    folder,
    photos_option,
    ray_option,
    teacher_options,
    work_option,
    workers_option,
)
from e2gan.cli.output import Output, output_options
from e2gan.cli.program import needs_extra

__all__ = ["new", "select", "train", "train_base"]


@click.command(
    cls=Command,
    section="make",
    examples=[
        "new crayon --author 'Ada Lovelace'",
        "new polish --teacher given --data pairs/ --prompt 'a retouched photo'",
    ],
)
@click.argument("name")
@click.option("--title", metavar="TEXT", help="Title for people; by default made from NAME.")
@click.option("--prompt", metavar="TEXT", help="What the edit looks like, in words; by default the title.")
@click.option(
    "--teacher",
    metavar="ID",
    help="The teacher to learn from; 'given' if you have pairs; by default a painted style.",
)
@teacher_options
@click.option(
    "--data",
    type=folder,
    metavar="DIR",
    help="Photographs, or pairs if the teacher is 'given': what the edits of some of them keep decides the recipe's "
    "'keeps'.",
)
@click.option("--author", metavar="NAME", help="The concept's author.")
@click.option("--license", default="apache-2.0", show_default=True, metavar="SPDX", help="SPDX licence of the concept.")
@click.option("-o", "--output", type=folder, metavar="DIR", help="The folder to create; by default NAME.")
@output_options(json=False)
def new(
    name: str,
    title: str | None,
    prompt: str | None,
    teacher: str | None,
    options: dict[str, Any],
    data: Path | None,
    author: str | None,
    license: str,
    output: Path | None,
    out: Output,
) -> None:
    """Create the folder of a new concept.

    The folder is a Python package with a recipe and tests; training adds the weights. NAME is the concept's id:
    lower-case letters, digits and hyphens. With --data, the recipe suits the edits of these photographs or pairs.
    """
    from e2gan.installing import install_folder
    from e2gan.models.layout import Keeps
    from e2gan.recipe import GIVEN
    from e2gan.scaffold import TEACHER, new_concept
    from e2gan.tables import options_line

    output = output or Path(name)
    chosen = teacher is not None or bool(options)
    teacher = teacher or TEACHER[0]
    if not chosen:
        options = TEACHER[1]
    else:
        with needs_extra("train"):
            from e2gan.data.teachers import make_teacher

            make_teacher(teacher, options)  # raises if the teacher or its options are wrong
    kept, side = None, 0
    if data is not None:
        with needs_extra("train"), out.progress() as progress:
            from e2gan.data.pairs import given_pairs
            from e2gan.training.keeping import kept_by_teacher, kept_in, smallest_side

            if teacher == GIVEN:
                pairs = given_pairs(data).split("train")
                kept, side = kept_in(pairs), smallest_side(pairs)
            else:
                kept = kept_by_teacher(data, teacher, options, progress)
        out.note(f'keeps = "{kept.keeps}": {kept.reason}')
    new_concept(
        output,
        name,
        title=title,
        prompt=prompt,
        author=author,
        license=license,
        teacher=teacher,
        options=options,
        keeps=kept.keeps if kept else Keeps.NOTHING,
        why=kept.reason if kept else "",
        side=side,
    )
    if not chosen:
        out.note(f"the teacher is {teacher} ({options_line(options)}), because none is named; e2gan teachers lists all")
    photos = data or ("PAIRS" if teacher == GIVEN else "PHOTOS")
    out.note(f"made {output}; next:\n  {install_folder(output)}\n  e2gan train {output} --data {photos}")


@click.command(cls=Command, section="make", examples=["select ./crayon --data photos/"])
@click.argument("concept", type=folder, metavar="FOLDER")
@photos_option
@work_option
@workers_option
@ray_option
@output_options(json=False)
def select(
    concept: Path, data: Path | tuple[Path, ...] | None, work: Path | None, workers: int | None, ray: bool, out: Output
) -> None:
    """Select the pairs that a concept is trained on.

    The recipe of the concept in FOLDER says how. Missing pairs are made first.
    """
    with needs_extra("train"), out.progress() as progress:
        from e2gan.training.concept import train_concept

        train_concept(concept, data, work=work, workers=workers, ray=ray, until="select", progress=progress)


@click.command(
    cls=Command,
    section="make",
    examples=[
        "train ./crayon --data photos/",
        "train ./crayon --data photos/ --step distill",
        "train ./crayon --data photos/ --base everyday-lite",
    ],
)
@click.argument("concept", type=folder, metavar="FOLDER")
@photos_option
@work_option
@click.option(
    "--step",
    type=click.Choice(["distill", "select", "train", "eval", "preview", "card"]),
    default="card",
    show_default=True,
    help="The last step to run.",
)
@click.option(
    "--base",
    metavar="BASE",
    help="A base's id or folder; by default the one that the concept names. For another one, the concept gets a bundle "
    "of its own.",
)
@click.option(
    "--preview",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="PHOTO",
    help="The photo of the preview; by default the one of the last run, or else the first of the test split.",
)
@workers_option
@ray_option
@device_option
@output_options(json=False)
def train(
    concept: Path,
    data: Path | tuple[Path, ...] | None,
    work: Path | None,
    step: str,
    base: str | None,
    preview: Path | None,
    workers: int | None,
    ray: bool,
    device: str | None,
    out: Output,
) -> None:
    """Train a concept by its recipe.

    The command runs six steps on the concept in FOLDER: distill, select, train, eval, preview, card. A step is skipped
    if nothing it depends on has changed. An interrupted training continues where it stopped.
    """
    with needs_extra("train"), out.progress(resumes=True) as progress:
        from e2gan.training.concept import train_concept

        train_concept(
            concept,
            data,
            work=work,
            until=step,
            base=base,
            preview=preview,
            workers=workers,
            ray=ray,
            device=device,
            progress=progress,
        )


@click.command(
    "train-base", cls=Command, section="make", examples=["train-base my-base/recipe.toml --data photos/ -o my-base/"]
)
@click.argument("recipe", type=click.Path(dir_okay=False, path_type=Path))
@data_option
@click.option("-o", "--output", type=folder, metavar="OUT", help="The base's folder; by default the recipe's own.")
@work_option
@workers_option
@device_option
@output_options(json=False)
def train_base(
    recipe: Path,
    data: Path | tuple[Path, ...],
    output: Path | None,
    work: Path | None,
    workers: int | None,
    device: str | None,
    out: Output,
) -> None:
    """Train a base by its recipe, a TOML file.

    An interrupted training continues where it stopped.
    """
    from e2gan.recipe import BaseRecipe

    work = work or Path("runs", BaseRecipe.read(recipe).id)
    output = output or recipe.parent
    with needs_extra("train"), out.progress(resumes=True) as progress:
        from e2gan.training import base

        written = base.train_base(recipe, data, output, work=work, workers=workers, device=device, progress=progress)
    out.note(f"wrote {written.path}")
