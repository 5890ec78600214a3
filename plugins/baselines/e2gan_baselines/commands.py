"""``e2gan train-baseline``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from e2gan.cli.options import device_option, folder, photos_option, settings_option
from e2gan.cli.output import Output, output_options
from e2gan.cli.program import needs_extra

__all__ = ["train_baseline"]


@click.command("train-baseline", short_help="Train another model on a concept's pairs, to compare with.")
@click.argument("model")
@click.argument("concept")
@photos_option
@click.option("-o", "--output", type=folder, metavar="DIR", help="Where it goes; by default runs/MODEL-CONCEPT.")
@click.option("--pairs", type=folder, metavar="DIR", help="The concept's pairs, if they were made: runs/ID/pairs.")
@click.option("--epochs", type=click.IntRange(1), help="In place of the paper's.")
@click.option("--steps", type=click.IntRange(1), help="In place of epochs.")
@settings_option("One of the model's options, such as width=32 for pix2pix.")
@device_option
@output_options()
def train_baseline(
    model: str,
    concept: str,
    data: Path | tuple[Path, ...] | None,
    output: Path | None,
    pairs: Path | None,
    epochs: int | None,
    steps: int | None,
    options: dict[str, Any],
    device: str | None,
    out: Output,
) -> None:
    """Train MODEL from scratch on all pairs that the recipe of CONCEPT makes, and measure it as a concept is measured.

    MODEL is pix2pix, comodgan, resnet-transformer, or what a plugin registers. CONCEPT is an id or a folder. Stopped
    and run again, it goes on.
    """
    from e2gan.blend import find_concept

    found = find_concept(concept)
    output = output or Path("runs", f"{model}-{found.id}")
    with needs_extra("train"), out.progress() as shown:
        from e2gan_baselines.baseline import train_baseline as run

        quality = run(
            model,
            found,
            data,
            output,
            pairs=pairs,
            epochs=epochs,
            steps=steps,
            options=options,
            device=device,
            progress=shown,
        )
    out.data(quality)
    if not out.quiet:
        out.figures(quality)
        out.note(f"wrote {output}; apply it with: e2gan apply baseline:{output} PHOTO -o OUT")
