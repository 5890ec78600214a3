"""Making concepts and bases: ``new``, ``select``, ``train`` and ``train-base``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

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


@click.command(short_help="Begin a concept: its folder, with a recipe to train it by.")
@click.argument("name")
@click.option("--title", metavar="TEXT", help="For people; by default made from NAME.")
@click.option("--prompt", metavar="TEXT", help="What the edit looks like, in words; by default the title.")
@click.option(
    "--teacher",
    metavar="ID",
    help="Who makes the edits to learn from; 'given' for pairs that you have; by default a painted style.",
)
@teacher_options
@click.option("--author", metavar="NAME", help="Who makes the concept.")
@click.option("--license", default="apache-2.0", show_default=True, metavar="SPDX", help="Under which it is given on.")
@click.option("-o", "--output", type=folder, metavar="DIR", help="Where to; by default a new folder NAME.")
@output_options(json=False)
def new(
    name: str,
    title: str | None,
    prompt: str | None,
    teacher: str | None,
    options: dict[str, Any],
    author: str | None,
    license: str,
    output: Path | None,
    out: Output,
) -> None:
    """Begin the concept NAME: a folder that pip installs, with a recipe, tests and no weights yet.

    NAME is the concept's id: lower-case letters, digits and hyphens.
    """
    from e2gan.recipe import GIVEN
    from e2gan.scaffold import TEACHER, new_concept

    output = output or Path(name)
    if teacher is not None or options:
        with needs_extra("train"):
            from e2gan.data.teachers import make_teacher

            make_teacher(teacher or TEACHER[0], options)  # which says what is wrong with it, if anything is
    new_concept(
        output,
        name,
        title=title,
        prompt=prompt,
        author=author,
        license=license,
        teacher=teacher or TEACHER[0],
        options=options or None,
    )
    photos = "PAIRS" if teacher == GIVEN else "PHOTOS"
    out.note(f"made {output}; next:\n  pip install -e {output}\n  e2gan train {output} --data {photos}")


@click.command(short_help="Select the pairs that a concept is trained on.")
@click.argument("concept", type=folder, metavar="FOLDER")
@photos_option
@work_option
@workers_option
@ray_option
@output_options(json=False)
def select(
    concept: Path, data: Path | tuple[Path, ...] | None, work: Path | None, workers: int | None, ray: bool, out: Output
) -> None:
    """Select, among the pairs of the concept in FOLDER, those that its recipe trains on.

    The pairs are made first, if they are not there.
    """
    with needs_extra("train"), out.progress() as shown:
        from e2gan.training.concept import train_concept

        train_concept(concept, data, work=work, workers=workers, ray=ray, until="select", progress=shown)


@click.command(short_help="Train a concept by its recipe.")
@click.argument("concept", type=folder, metavar="FOLDER")
@photos_option
@work_option
@click.option(
    "--step",
    type=click.Choice(["distil", "select", "train", "eval", "preview", "card"]),
    default="card",
    show_default=True,
    help="How far to go.",
)
@click.option(
    "--preview",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="PHOTO",
    help="The photo shown before and after; by default the last one given, or else the first of the test split.",
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
    preview: Path | None,
    workers: int | None,
    ray: bool,
    device: str | None,
    out: Output,
) -> None:
    """Train the concept in FOLDER by its recipe, measure it, and write it.

    Step by step: distil, select, train, eval, preview, card. What was done before and still holds is not done
    again. Stopped, it goes on where it was when it is started again.
    """
    with needs_extra("train"), out.progress() as shown:
        from e2gan.training.concept import train_concept

        train_concept(
            concept,
            data,
            work=work,
            until=step,
            preview=preview,
            workers=workers,
            ray=ray,
            device=device,
            progress=shown,
        )


@click.command("train-base", short_help="Train a base by its recipe.")
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
    """Train a base by its RECIPE, a TOML file.

    Stopped, it goes on where it was when it is started again.
    """
    from e2gan.recipe import BaseRecipe

    work = work or Path("runs", BaseRecipe.read(recipe).id)
    output = output or recipe.parent
    with needs_extra("train"), out.progress() as shown:
        from e2gan.training import base

        made = base.train_base(recipe, data, output, work=work, workers=workers, device=device, progress=shown)
    out.note(f"wrote {made.path}")
