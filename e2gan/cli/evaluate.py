"""Measuring concepts: ``eval``."""

from __future__ import annotations

from pathlib import Path

import click

from e2gan.cli.help import Command
from e2gan.cli.options import base_option, device_option, folder, photos_option, work_option, workers_option
from e2gan.cli.output import Output, output_options
from e2gan.cli.program import needs_extra

__all__ = ["evaluate"]


@click.command(
    "eval",
    cls=Command,
    section="make",
    examples=[
        "eval vangogh --data photos/",
        "eval ./crayon --data photos/ -o report/ --record",
        "eval runs/my-base/concepts/crayon --data photos/ --record --preview portrait.jpg",
    ],
)
@click.argument("concept")
@photos_option
@work_option
@base_option
@click.option("--split", type=click.Choice(["train", "val", "test"]), default="test", show_default=True)
@click.option("-o", "--output", type=folder, metavar="OUT", help="Write the report, a page and a sheet, into OUT.")
@click.option("--record", is_flag=True, help="Write the figures into the concept's concept.toml and card.")
@click.option(
    "--preview",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="PHOTO",
    help="With --record: also show this photo before and after in the concept's preview.",
)
@click.option(
    "--inception",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="clean-FID's Inception network, for FID as in published figures; by default e2gan searches for it.",
)
@click.option("--download", is_flag=True, help="Download that network (96 MB) if it is missing.")
@click.option(
    "--miou",
    metavar="MODEL",
    help="For label maps of streets: also score what this segmentation network (a folder, or its id on the Hugging "
    "Face Hub) sees in the edits.",
)
@workers_option
@device_option
@output_options()
def evaluate(
    concept: str,
    data: Path | tuple[Path, ...] | None,
    work: Path | None,
    base: str | None,
    split: str,
    output: Path | None,
    record: bool,
    preview: Path | None,
    inception: Path | None,
    download: bool,
    miou: str | None,
    workers: int | None,
    device: str | None,
    out: Output,
) -> None:
    """Measure how close a concept comes to its teacher.

    The teacher that the concept's recipe names edits the photographs first, unless training has already kept its edits.
    """
    from e2gan.base import find_base
    from e2gan.blend import find_concept
    from e2gan.concept import PREVIEW, record_quality
    from e2gan.files import atomic_write
    from e2gan.images import open_image

    if preview is not None:
        if not record:
            raise click.UsageError("--preview writes into the concept: it needs --record")
        open_image(preview)  # says now what would otherwise be said after minutes
    bundle = find_concept(concept, find_base(base).sha256 if base else None)
    work = work or Path("runs", bundle.id)
    with needs_extra("eval"), out.progress() as progress:
        from e2gan.data.make_pairs import distilled_pairs
        from e2gan.data.sources import photographs
        from e2gan.editor import Editor
        from e2gan.evaluation.measure import draw_preview, examine
        from e2gan.training.flops import recorded_flops

        editor = Editor(base or bundle.base_id, device=device, backend="torch")
        editor.use(bundle)
        photos = photographs(data, bundle.recipe, work, progress)
        all_pairs = distilled_pairs(
            photos, work / "pairs", bundle.recipe, prompt=bundle.prompt, workers=workers, progress=progress
        )
        pairs = all_pairs.split(split)
        segmenter = None
        if miou is not None:
            from e2gan.evaluation.miou import Segmenter

            segmenter = Segmenter(miou, device=editor.device)
        progress.stage(f"edit and measure {len(pairs)} photos")
        measured = examine(
            editor,
            bundle,
            pairs,
            inception=inception,
            download=download,
            segmenter=segmenter,
            training_flops=recorded_flops(bundle, editor.base),
            progress=progress,
        )
        if preview is not None:
            atomic_write(bundle.path / PREVIEW, draw_preview(editor, bundle, preview))
        if record:
            bundle = record_quality(bundle, measured.quality)
        if output is not None:
            from e2gan.evaluation.page import write_report

            page = write_report(
                output,
                bundle,
                measured.quality,
                measured.examples,
                closeups=measured.closeups,
                missing=measured.missing,
                unmeasured=measured.unmeasured,
            )
            out.note(f"wrote {page}")
    for name, why in measured.unmeasured.items():
        out.note(f"note: not measured: {name}: {why}")
    out.data(measured.quality)
    out.figures(measured.quality)
    if not out.quiet:
        from e2gan.evaluation.summary import summary

        out.line()
        for line in summary(measured.quality, bundle.training):
            out.line(line)
