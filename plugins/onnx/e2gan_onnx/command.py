"""``e2gan export onnx``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from e2gan.cli.help import Command
from e2gan.cli.output import Output, output_options
from e2gan_onnx.options import IO, LEAST_PSNR, OPSETS

if TYPE_CHECKING:
    from e2gan_onnx.export import Exported

__all__ = ["onnx"]


@click.command(
    cls=Command,
    section="export",
    examples=["export onnx vangogh -o vangogh.onnx", "export onnx vangogh ukiyoe --swap -o models/"],
)
@click.argument("concepts", nargs=-1, required=True, metavar="CONCEPT...")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="OUT",
    help="A file that ends in .onnx for one concept, a folder for several.",
)
@click.option(
    "--precision",
    type=click.Choice(list(LEAST_PSNR)),
    default="fp32",
    show_default=True,
    help="Arithmetic precision of the model.",
)
@click.option(
    "--io",
    type=click.Choice(IO),
    help="What goes in and comes out: pictures in 8 bits (height, width, 3) of any size, which is the default, or "
    "float32 (3, height, width) from 0 to 1.",
)
@click.option("--swap", is_flag=True, help="Write the base once, and each concept as a small part to append to it.")
@click.option(
    "--calibrate",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="FOLDER",
    help="Photos to calibrate int8 with, instead of those in the package.",
)
@click.option("--opset", type=click.IntRange(*OPSETS), default=OPSETS[0], show_default=True, help="ONNX opset version.")
@click.option("--base", metavar="BASE", help="A base's id or folder; by default the concepts' own.")
@click.option("--no-check", is_flag=True, help="Do not compare the models with PyTorch's pictures.")
@output_options()
def onnx(
    concepts: tuple[str, ...],
    output: Path,
    precision: str,
    io: str | None,
    swap: bool,
    calibrate: Path | None,
    opset: int,
    base: str | None,
    no_check: bool,
    out: Output,
) -> None:
    """Export concepts as ONNX models: a picture in, the edited picture out.

    A model takes and returns pictures (N, height, width, 3) in 8 bits, of any size. Each is compared with the PyTorch
    editor on real photos before it is written. Choose fp16 for a small file, and int8 for speed.

    With --swap, OUT is a folder: base.part, a part for each concept, and concepts.json, which lists them. The
    bytes of base.part and of a concept's part, one after the other, are a model. It takes and returns float32.
    """
    from e2gan.blend import on_one_base

    if swap and precision != "fp32":
        raise click.UsageError("--swap needs fp32: the concept's LoRA is added to the weights when a model is loaded.")
    if swap and io == "uint8":
        raise click.UsageError("--swap writes models that take float32: leave out --io.")
    if calibrate and precision != "int8":
        raise click.UsageError("--calibrate needs --precision int8.")
    chosen, of = on_one_base(concepts, base)
    _check_ids([concept.id for concept in chosen])
    for concept in chosen:
        concept.load(of)  # a fault in one concept is reported before work on the others
    files = [] if swap else targets([concept.id for concept in chosen], output)

    import torch

    from e2gan.editor import Editor
    from e2gan_onnx.export import export
    from e2gan_onnx.photos import CALIBRATE
    from e2gan_onnx.swap import export_swappable

    editor = None if no_check else Editor(of, device="cpu", dtype=torch.float32)
    if swap:
        exported = export_swappable(chosen, of, output, opset=opset, editor=editor, tell=out.note)
    else:
        exported = [
            export(
                concept,
                of,
                file,
                precision=precision,
                io=io or IO[0],
                opset=opset,
                calibrate=calibrate or CALIBRATE,
                editor=editor,
                tell=out.note,
            )
            for concept, file in zip(chosen, files)
        ]
    out.data([_row(model) for model in exported])
    if not out.quiet:
        out.table(("model", "size", "PSNR", "worst pixel", "file"), [_cells(model) for model in exported])


def _row(made: Exported) -> dict[str, Any]:
    row: dict[str, Any] = {"model": made.id, "file": str(made.path), "bytes": made.size}
    if made.likeness is not None:
        psnr = made.likeness.psnr
        row |= {"psnr_db": round(psnr, 2) if math.isfinite(psnr) else None, "worst_of_255": made.likeness.worst}
    return row


def _cells(made: Exported) -> list[str]:
    likeness = ["–", "–"]
    if made.likeness is not None:
        likeness = [f"{made.likeness.psnr:.1f} dB", f"{made.likeness.worst} of 255"]
    return [made.id, f"{made.size / 1e6:.2f} MB", *likeness, str(made.path)]


def targets(ids: list[str], output: Path) -> list[Path]:
    """The file for each concept.

    Raises:
        click.UsageError: the concepts and OUT do not fit together.
    """
    if len(ids) == 1 and output.suffix == ".onnx" and not output.is_dir():
        return [output]
    if output.suffix == ".onnx" or output.is_file():
        raise click.UsageError(f"OUT must be a folder for several concepts, but {output} is a file.")
    if len(ids) == 1 and output.suffix and not output.is_dir():
        raise click.UsageError(
            f"{output}: ONNX models end in .onnx, and a folder must exist or have a name without a dot."
        )
    return [output / f"{id}.onnx" for id in ids]


def _check_ids(ids: list[str]) -> None:
    if twice := {id for id in ids if ids.count(id) > 1}:
        raise click.UsageError(f"two concepts would be written as '{min(twice)}'.")
