"""``e2gan export litert``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from e2gan.cli.help import Command
from e2gan.cli.options import PictureSize
from e2gan.cli.output import Output, output_options
from e2gan_litert.options import LEAST_PSNR

__all__ = ["litert"]

SUFFIX = ".tflite"


@click.command(
    cls=Command,
    section="export",
    examples=[
        "export litert vangogh -o vangogh.tflite",
        "export litert vangogh -o small.tflite --precision int8 --size 384x512",
    ],
)
@click.argument("concept")
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), metavar=f"OUT{SUFFIX}", help="The model."
)
@click.option(
    "--precision",
    type=click.Choice(list(LEAST_PSNR)),
    default="float16",
    show_default=True,
    help="How the weights are stored; int8 also rounds the inputs of most layers.",
)
@click.option(
    "--size", type=PictureSize(), default="256x256", show_default=True, help="Width and height of the photos in pixels."
)
@click.option("--base", metavar="BASE", help="A base's id or folder; by default the one the concept names.")
@click.option("--no-check", is_flag=True, help="Do not compare the model with the editor.")
@click.option(
    "--photo",
    "photos",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="A photo whose edits are compared; may be repeated; by default the concept's preview.",
)
@output_options()
def litert(
    concept: str,
    output: Path,
    precision: str,
    size: tuple[int, int],
    base: str | None,
    no_check: bool,
    photos: tuple[Path, ...],
    out: Output,
) -> None:
    """Export a concept as a LiteRT model (TensorFlow Lite), for Android.

    A picture (1, height, width, 3) in 8 bits goes in, and its edit comes out in the same form. The model is run with
    LiteRT's interpreter and written only if its edits match the editor's.
    """
    if output.suffix != SUFFIX:
        raise click.UsageError(f"{output}: a LiteRT model's name ends in {SUFFIX}.")
    from e2gan.blend import on_one_base

    [chosen], foundation = on_one_base([concept], base)
    chosen.load(foundation)  # a fault in it, or that it is not trained, is reported before the work

    import torch

    from e2gan.editor import Editor
    from e2gan.errors import E2GANError
    from e2gan.files import atomic_path
    from e2gan.images import open_image
    from e2gan_litert.check import compare, photo_of, run
    from e2gan_litert.convert import convert, stored

    samples = []
    if not no_check:
        samples = [open_image(photo, opaque=True) for photo in photos] or [photo_of(chosen)]
    row: dict[str, Any] = {"model": chosen.id, "file": str(output), "precision": precision}
    with atomic_path(output) as temporary:
        temporary.touch()  # so that a path that cannot be written is found before the work
        out.note(f"{chosen.id}: converting, which takes a minute or more")
        model = stored(convert(foundation, chosen, size), precision)
        row["bytes"] = len(model)
        if samples:
            out.note(f"{chosen.id}: checking")
            editor = Editor(foundation, device="cpu", dtype=torch.float32)
            likeness = compare(run(model), chosen, editor, samples, size)
            if not likeness.psnr >= LEAST_PSNR[precision]:
                raise E2GANError(
                    f"{chosen.id}: the {precision} model reaches {likeness.psnr:.1f} dB against the editor's pictures, "
                    f"and must reach {LEAST_PSNR[precision]:g}; nothing was written",
                    hint="choose a higher precision, or write it anyway with --no-check",
                )
            decibels = round(likeness.psnr, 2) if math.isfinite(likeness.psnr) else None
            row |= {"psnr_db": decibels, "worst_of_255": likeness.worst}
        temporary.write_bytes(model)
    out.data([row])
    if not out.quiet:
        cells = [f"{likeness.psnr:.1f} dB", f"{likeness.worst} of 255"] if samples else ["–", "–"]
        out.table(
            ("model", "size", "PSNR", "worst pixel", "file"),
            [[chosen.id, f"{len(model) / 1e6:.2f} MB", *cells, str(output)]],
        )
