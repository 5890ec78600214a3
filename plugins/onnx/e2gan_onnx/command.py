"""``e2gan export onnx``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from e2gan.cli.program import json_option, print_json, print_table, quiet_option, say

if TYPE_CHECKING:
    from e2gan.concept import Concept
    from e2gan_onnx.export import Exported

__all__ = ["onnx"]


@click.command()
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
    "--precision", type=click.Choice(["fp32", "fp16"]), default="fp32", show_default=True, help="Of weights and sums."
)
@click.option("--opset", type=click.IntRange(18, 23), default=18, show_default=True, help="Of ONNX's operators.")
@click.option("--base", metavar="BASE", help="A base's id or folder; by default the one the concepts name.")
@click.option("--no-check", is_flag=True, help="Do not compare the models with PyTorch's pictures.")
@json_option
@quiet_option
def onnx(
    concepts: tuple[str, ...],
    output: Path,
    precision: str,
    opset: int,
    base: str | None,
    no_check: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write concepts as ONNX models: a picture in, the edited picture out.

    A model takes and gives pictures (N, 3, height, width), float32 from 0 to 1, of any size that is a multiple
    of 8. Each is compared with the PyTorch editor on real photos before it is written.
    """
    from e2gan.blend import find_concept

    found = [find_concept(name) for name in concepts]
    files = targets([concept.id for concept in found], output)

    import torch

    from e2gan.base import find_base
    from e2gan.editor import Editor
    from e2gan_onnx.export import export

    of = find_base(base or found[0].base_id)
    editor = None if no_check else Editor(of, device="cpu", dtype=torch.float32)
    made = []
    for concept, file in zip(found, files):
        if not quiet:
            say(f"{concept.id}: tracing" + (" and checking" if editor else ""))
        made.append(export(concept, of, file, precision=precision, opset=opset, editor=editor))
    if as_json:
        print_json([_row(concept, each) for concept, each in zip(found, made)])
    elif not quiet:
        header = ("concept", "size", "PSNR", "worst pixel", "file")
        print_table(header, [_cells(concept, each) for concept, each in zip(found, made)])


def _row(concept: Concept, made: Exported) -> dict[str, Any]:
    row: dict[str, Any] = {"concept": concept.id, "file": str(made.path), "bytes": made.size}
    if made.likeness is not None:
        psnr = made.likeness.psnr
        row |= {"psnr_db": round(psnr, 2) if math.isfinite(psnr) else None, "worst_of_255": made.likeness.worst}
    return row


def _cells(concept: Concept, made: Exported) -> list[str]:
    likeness = ["–", "–"]
    if made.likeness is not None:
        likeness = [f"{made.likeness.psnr:.1f} dB", f"{made.likeness.worst} of 255"]
    return [concept.id, f"{made.size / 1e6:.1f} MB", *likeness, str(made.path)]


def targets(ids: list[str], output: Path) -> list[Path]:
    """Which concept goes into which file.

    Raises:
        click.UsageError: the concepts and OUT do not fit together.
    """
    if len(ids) == 1 and output.suffix == ".onnx" and not output.is_dir():
        return [output]
    if output.suffix == ".onnx" or output.is_file():
        raise click.UsageError(f"OUT must be a folder for several concepts, and {output} is a file.")
    if twice := {id for id in ids if ids.count(id) > 1}:
        raise click.UsageError(f"two concepts would be written to {min(twice)}.onnx.")
    return [output / f"{id}.onnx" for id in ids]
