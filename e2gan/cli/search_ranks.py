"""Searching LoRA's ranks: ``search-ranks``."""

from __future__ import annotations

from pathlib import Path

import click

from e2gan.cli.help import Command
from e2gan.cli.options import data_option, device_option, folder, workers_option
from e2gan.cli.output import Output, output_options
from e2gan.cli.program import needs_extra
from e2gan.models.layout import MAX_RANK, Ranks

__all__ = ["search_ranks"]


@click.command(
    "search-ranks", cls=Command, section="research", examples=["search-ranks ./crayon ./pastel --data photos/"]
)
@click.argument("concepts", type=folder, nargs=-1, required=True, metavar="FOLDER...")
@data_option
@click.option(
    "--work",
    type=folder,
    default=Path("runs"),
    show_default=True,
    metavar="DIR",
    help="The folder of pairs and checkpoints, where a second run continues; a concept's are in DIR/ID.",
)
@click.option(
    "--every", type=click.IntRange(1), default=10, show_default=True, metavar="EPOCHS", help="Epochs between doublings."
)
@click.option(
    "--steps", type=click.IntRange(1), metavar="N", help="Training steps between doublings, instead of epochs."
)
@click.option(
    "--thresholds",
    type=click.IntRange(1, MAX_RANK),
    nargs=4,
    default=(1, 4, 16, 32),
    show_default=True,
    metavar="A B C D",
    help="The largest rank at each sampling depth, from the image side inward.",
)
@click.option(
    "--transformer-threshold",
    type=click.IntRange(1, MAX_RANK),
    default=1,
    show_default=True,
    metavar="N",
    help="The largest rank in the transformer block.",
)
@click.option(
    "--embedder",
    default="efficientnet-lite0",
    show_default=True,
    metavar="ID",
    help="The network in whose features FID is measured; 'inception' for clean-FID's.",
)
@workers_option
@device_option
@output_options()
def search_ranks(
    concepts: tuple[Path, ...],
    data: Path | tuple[Path, ...],
    work: Path,
    every: int,
    steps: int | None,
    thresholds: tuple[int, int, int, int],
    transformer_threshold: int,
    embedder: str,
    workers: int | None,
    device: str | None,
    out: Output,
) -> None:
    """Search the LoRA ranks that concepts need.

    Each concept is trained with rank 1 everywhere; then its ranks are doubled as long as that brings it closer to its
    teacher on the validation photos. An interrupted search continues where it stopped.
    """
    with needs_extra("train"), out.progress(resumes=True) as progress:
        from e2gan.training import ranks

        result = ranks.search_ranks(
            concepts,
            data,
            work=work,
            epochs=every,
            steps=steps,
            thresholds=Ranks(thresholds, transformer_threshold),
            embedder=embedder,
            workers=workers,
            device=device,
            progress=progress,
        )
    out.data(result.to_dict())
    out.table(
        ("concept", "ranks", "transformer", "parameters", "FID", "L1", ""),
        [
            (
                concept,
                " ".join(map(str, trial.ranks.sampling)),
                str(trial.ranks.transformer),
                f"{trial.parameters:,}",
                f"{trial.fid:.4g}",
                f"{trial.l1:.4f}",
                "best" if trial == result.chosen(concept) else "",
            )
            for concept, trials in result.trials.items()
            for trial in trials
        ],
    )
    out.line("\nThe largest of the best ranks, for [recipe.training]:\n")
    out.line("[recipe.training]")
    out.line(f"ranks = {list(result.ranks.sampling)}")
    out.line(f"transformer_rank = {result.ranks.transformer}")
    out.note(f"wrote {work / ranks.TRACE} and {work / ranks.PLOT}")
