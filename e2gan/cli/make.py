"""Making concepts and bases: ``distill``, ``train``, ``train-base`` and ``eval``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from e2gan.cli.program import json_option, needs_extra, print_flat, print_json, progress, quiet_option, say

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
    settings = dict(_option(text) for text in options)
    with needs_extra("train"), progress(quiet) as shown:
        from e2gan.training.pairs import write_pairs

        report = write_pairs(
            data,
            output,
            teacher,
            settings,
            workers=workers,
            size=size,
            progress=lambda done, total: shown.advance(done, total, {}),
        )
    for name, why in report.skipped.items():
        say(f"note: {name}: left out: {why}")
    if not quiet:
        counts = ", ".join(f"{count} {split}" for split, count in report.counts.items())
        say(f"{output}: {counts} pairs ({report.made} made now)")


@click.command(short_help="Train a concept by its recipe.")
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

    with needs_extra("train"), progress(quiet) as shown:
        from e2gan.training.concept import bundle_folder, train_concept

        bundle = bundle_folder(concept)
        work = work or Path("runs", Concept.read(bundle).id)
        made = train_concept(bundle, data, work=work, preview=preview, workers=workers, device=device, progress=shown)
    if not quiet:
        say(f"wrote {made.path}")


@click.command("train-base", short_help="Train a base by its recipe.")
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

    work = work or Path("runs", BaseRecipe.read(recipe).id)
    output = output or recipe.parent
    with needs_extra("train"), progress(quiet) as shown:
        from e2gan.training import base

        made = base.train_base(recipe, data, output, work=work, workers=workers, device=device, progress=shown)
    if not quiet:
        say(f"wrote {made.path}")


@click.command("eval")
@click.argument("concept")
@data_option
@work_option
@click.option("--split", type=click.Choice(["train", "val", "test"]), default="test", show_default=True)
@workers_option
@device_option
@json_option
@quiet_option
def evaluate(
    concept: str,
    data: Path,
    work: Path | None,
    split: str,
    workers: int | None,
    device: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure how near a concept comes to its teacher.

    The teacher of the concept's recipe edits the photographs, unless it did so while training.
    """
    from e2gan.blend import find_concept

    found = find_concept(concept)
    recipe = found.recipe
    work = work or Path("runs", found.id)
    with needs_extra("all"), progress(quiet or as_json) as shown:
        from e2gan.editor import Editor
        from e2gan.training.concept import measure
        from e2gan.training.pairs import distilled_pairs

        editor = Editor(found.base_id, device=device)
        editor.use(found)
        made = distilled_pairs(
            data, work / "pairs", recipe.teacher, recipe.teacher_options, workers=workers, progress=shown
        )
        pairs = made.split(split)
        shown.stage(f"edit and measure {len(pairs)} photos")
        quality = measure(editor, found, pairs)
    if as_json:
        print_json(quality)
    else:
        print_flat(quality)


def _option(text: str) -> tuple[str, Any]:
    """``style=19`` as ("style", 19): numbers, true and false are read as such, all else as text."""
    name, separator, value = text.partition("=")
    if not name or not separator:
        raise click.BadParameter(f"'{text}' is no NAME=VALUE", param_hint="-O")
    try:
        plain = json.loads(value)
    except ValueError:
        return name, value
    return name, plain if isinstance(plain, (bool, int, float)) else value
