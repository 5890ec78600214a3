"""Bringing data sets in: ``import``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from e2gan.cli.help import Command
from e2gan.cli.options import folder
from e2gan.cli.output import Output, output_options
from e2gan.cli.program import needs_extra
from e2gan.terminal import one_line

if TYPE_CHECKING:
    from e2gan.data.dataset_layouts import Direction

__all__ = ["import_"]

NAMED = 20
"""Maximum number of skipped pictures that are named."""


def _limit(context: click.Context, option: click.Parameter, text: str | None) -> int | dict[str, int] | None:
    """``100`` for each split, or ``800,100,100`` for train, val and test."""
    if text is None:
        return None
    try:
        numbers = [int(number) for number in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 3) or min(numbers) < 1:
        raise click.BadParameter(f"'{text}' is neither a number nor three, such as 800,100,100")
    return numbers[0] if len(numbers) == 1 else dict(zip(("train", "val", "test"), numbers))


@click.command(
    "import",
    cls=Command,
    section="make",
    examples=[
        "import facades datasets/facades -o facades-pairs/",
        "import pairs my-pictures/ -o my-pairs/ --whole --size 432",
    ],
)
@click.argument("layout")
@click.argument("path", type=folder)
@click.option(
    "-o", "--output", type=folder, required=True, metavar="DIR", help="The folder to write; created if missing."
)
@click.option(
    "--size",
    type=click.IntRange(32, 4096),
    default=256,
    show_default=True,
    help="Side of the square pictures, or shorter side of whole ones, pixels.",
)
@click.option("--whole", is_flag=True, help="Keep whole pictures, to train on crops of them, not middle squares.")
@click.option(
    "--limit",
    callback=_limit,
    metavar="N",
    help="Maximum pictures in each split: one number, or three: train,val,test.",
)
@click.option(
    "--direction",
    type=click.Choice(["AtoB", "BtoA"]),
    help="Which of two pictures is the photo and which its edit; by default as in the published figures.",
)
@output_options(json=False)
def import_(
    layout: str,
    path: Path,
    output: Path,
    size: int,
    whole: bool,
    limit: int | dict[str, int] | None,
    direction: Direction | None,
    out: Output,
) -> None:
    """Import a published data set, or your own pairs, for training.

    The command reads the data set in the folder PATH, laid out as it was published, and writes pictures for training
    to DIR.

    \b
    LAYOUT is one of
      ffhq  scenery  afhq-cat  afhq-dog  afhq-wild    photos, for a teacher to edit
      horse2zebra                                     photos, and real pictures of the other kind
      facades  edges2shoes  cityscapes                pairs
      pairs                                           your own pairs: PATH/before and PATH/after

    Give DIR to distill and train as --data. Pairs are for recipes whose teacher is 'given'. A second run makes only the
    missing pictures.
    """
    with needs_extra("train"), out.progress() as progress:
        from e2gan.data.import_dataset import import_dataset

        done = import_dataset(
            layout, path, output, size=size, whole=whole, limit=limit, direction=direction, progress=progress
        )
    for name, why in list(done.skipped.items())[:NAMED]:
        out.note(one_line(f"note: {name}: left out: {why}"))
    if len(done.skipped) > NAMED:
        out.note(f"note: {len(done.skipped) - NAMED} more left out")
    counts = ", ".join(f"{count} {split}" for split, count in done.counts.items())
    out.note(f"{done.folder}: {counts} ({done.made} made now)")
