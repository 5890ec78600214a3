"""Making concepts and bases: ``distill``, ``train``, ``train-base`` and ``eval``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from e2gan.cli.program import needs_extra, print_json, progress, quiet_option, say

__all__ = ["distill", "evaluate", "train", "train_base"]

folder = click.Path(file_okay=False, path_type=Path)

data_option = click.option(
    "--data",
    type=folder,
    required=True,
    metavar="DIR",
    help="Photographs, in folders train, val and test, or else split by their names.",
)
work_option = click.option(
    "--work",
    type=folder,
    metavar="DIR",
    help="Where pairs and checkpoints go, and where a second run goes on from; by default runs/ID.",
)
workers_option = click.option(
    "--workers", type=click.IntRange(1), metavar="N", help="Processes that distil; by default all cores."
)
device_option = click.option("--device", metavar="DEVICE", help="cpu, cuda or mps; by default the best there is.")


@click.command()
@click.argument("teacher")
@data_option
@click.option(
    "-o", "--output", type=folder, required=True, metavar="OUT", help="The folder of pairs; made if it is not there."
)
@click.option(
    "-O",
    "--option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="One of the teacher's options, such as style=19.",
)
@click.option(
    "--size", type=click.IntRange(32, 4096), default=256, show_default=True, help="Side of the square pictures, pixels."
)
@workers_option
@quiet_option
def distill(
    teacher: str, data: Path, output: Path, options: tuple[str, ...], size: int, workers: int | None, quiet: bool
) -> None:
    """Make pairs of photo and edit with a teacher.

    Run again, only what is missing is made.
    """
    with needs_extra("train"):
        from e2gan.training.pairs import write_pairs
    settings = dict(_option(text) for text in options)
    with progress(quiet) as shown:
        report = write_pairs(
            data, output, teacher, settings, workers=workers, size=size, progress=_steps(shown.advance)
        )
    for name, why in report.skipped.items():
        say(f"note: {name}: left out: {why}")
    if not quiet:
        counts = ", ".join(f"{count} {split}" for split, count in report.counts.items())
        say(f"{output}: {counts} pairs ({report.made} made now)")


@click.command()
@click.argument("concept", type=folder, metavar="FOLDER")
@data_option
@work_option
@click.option(
    "--preview",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="PHOTO",
    help="The photo shown before and after; by default the first of the test split.",
)
@workers_option
@device_option
@quiet_option
def train(
    concept: Path,
    data: Path,
    work: Path | None,
    preview: Path | None,
    workers: int | None,
    device: str | None,
    quiet: bool,
) -> None:
    """Train the concept in FOLDER by its recipe, measure it, and write it.

    Stopped, it goes on where it was when it is started again.
    """
    from e2gan.concept import Concept

    with needs_extra("train"):
        from e2gan.training.concept import bundle_folder, train_concept
    bundle = bundle_folder(concept)
    work = work or Path("runs", Concept.read(bundle).id)
    with progress(quiet) as shown:
        made = train_concept(bundle, data, work=work, preview=preview, workers=workers, device=device, progress=shown)
    if not quiet:
        say(f"wrote {made.path}")


@click.command("train-base")
@click.argument("recipe", type=click.Path(dir_okay=False, path_type=Path))
@data_option
@click.option("-o", "--output", type=folder, metavar="OUT", help="The base's folder; by default the recipe's own.")
@work_option
@workers_option
@device_option
@quiet_option
def train_base(
    recipe: Path,
    data: Path,
    output: Path | None,
    work: Path | None,
    workers: int | None,
    device: str | None,
    quiet: bool,
) -> None:
    """Train a base by its RECIPE, a TOML file.

    Stopped, it goes on where it was when it is started again.
    """
    from e2gan.recipe import BaseRecipe

    with needs_extra("train"):
        from e2gan.training import base
    work = work or Path("runs", BaseRecipe.read(recipe).id)
    output = output or recipe.parent
    with progress(quiet) as shown:
        made = base.train_base(recipe, data, output, work=work, workers=workers, device=device, progress=shown)
    if not quiet:
        say(f"wrote {made.path}")
