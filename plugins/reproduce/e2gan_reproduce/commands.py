"""``e2gan reproduce TABLE``, and ``e2gan reproduce page``."""

from __future__ import annotations

from pathlib import Path

import click

from e2gan.cli.help import Command, CommandGroup
from e2gan.cli.options import data_option, device_option, folder
from e2gan.cli.output import Output, output_options
from e2gan.cli.program import needs_extra
from e2gan_reproduce.catalogue import TABLES, Entry
from e2gan_reproduce.scale import SCALES, SMALL

__all__ = ["reproduce"]

RESULTS = "results"


@click.group(
    cls=CommandGroup,
    section="research",
    examples=[
        "reproduce tab5 --data photos/",
        "reproduce tab5 --data photos/ --scale full",
        "reproduce page results/ -o results.md",
    ],
)
def reproduce() -> None:
    """Reproduce tables of the E²GAN and the Spectral Style-DCGAN papers: the paper's figures, and ours beside them.

    The models are trained on this machine: by default at a size that two CPU cores finish in twenty minutes, with
    --scale full at the paper's. A model that was trained for one table is reused for the others. An interrupted table
    continues where it stopped.
    """


def _command(entry: Entry) -> click.Command:
    @click.command(
        entry.id,
        cls=Command,
        help=f"{entry.title}.\n\n{entry.said}",
        short_help=entry.title,
        examples=[f"reproduce {entry.id} --data photos/"],
    )
    @data_option
    @click.option(
        "--scale",
        type=click.Choice(list(SCALES)),
        default=SMALL.name,
        show_default=True,
        help="How much of the paper's work to do.",
    )
    @click.option("--concept", "concepts", multiple=True, metavar="CONCEPT", help=_concepts_help(entry))
    @click.option(
        "--base",
        metavar="BASE",
        help="The base that adapters are trained on; by default E2GAN_BASE, or else everyday.",
    )
    @click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True)
    @click.option(
        "--seeds",
        type=click.IntRange(1, 100),
        metavar="N",
        help=f"Number of seeds, whose mean is given; by default {entry.seeds} at the small scale, 1 at the full one.",
    )
    @click.option(
        "--work",
        type=folder,
        default="runs",
        show_default=True,
        metavar="DIR",
        help="The folder for pairs and trainings, which are kept.",
    )
    @click.option(
        "-o",
        "--output",
        type=folder,
        default=RESULTS,
        show_default=True,
        metavar="DIR",
        help="The folder for the table and its plot.",
    )
    @device_option
    @output_options()
    def command(
        data: Path | tuple[Path, ...],
        scale: str,
        concepts: tuple[str, ...],
        base: str | None,
        seed: int,
        seeds: int | None,
        work: Path,
        output: Path,
        device: str | None,
        out: Output,
    ) -> None:
        with needs_extra("train"), out.progress(resumes=True) as progress:
            from e2gan_reproduce.run import run
            from e2gan_reproduce.table import markdown

            table, path = run(
                entry,
                data,
                output,
                scale=scale,
                concepts=concepts,
                base=base,
                seed=seed,
                seeds=seeds,
                work=work,
                device=device,
                progress=progress,
            )
        out.data(table.to_dict())
        out.line(markdown(table))
        out.note(f"wrote {path}")

    return command


def _concepts_help(entry: Entry) -> str:
    usual = f"by default {', '.join(entry.subjects)}" if entry.subjects else "there is no default"
    return f"An id or a folder; may be repeated; {usual}."


for _entry in TABLES:
    reproduce.add_command(_command(_entry))


@reproduce.command("page", cls=Command, examples=["reproduce page results/ -o results.md"])
@click.argument("results", type=folder)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path, allow_dash=True),
    default="-",
    metavar="FILE",
    help="The page, in Markdown; by default it is printed.",
)
@output_options(json=False)
def page(results: Path, output: Path, out: Output) -> None:
    """Write the page of the folder RESULTS: every table in it, and a list of those not run."""
    from e2gan.files import atomic_write
    from e2gan_reproduce.page import results_page

    if str(output) == "-":
        out.line(results_page(results, results).rstrip("\n"))
        return
    atomic_write(output, results_page(results, output.parent))
    out.note(f"wrote {output}")
