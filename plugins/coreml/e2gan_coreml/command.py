"""``e2gan export coreml``: concepts as a Core ML package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from e2gan.cli.help import Command
from e2gan.cli.options import PictureSize
from e2gan.cli.output import Output, output_options
from e2gan.errors import E2GANError

if TYPE_CHECKING:
    from e2gan.concept import Concept
    from e2gan_coreml.check import Likeness
    from e2gan_coreml.convert import Compression, Size, Target

__all__ = ["coreml"]

SUFFIX = ".mlpackage"


@click.command(
    cls=Command,
    section="export",
    examples=[
        "export coreml vangogh -o VanGogh.mlpackage",
        "export coreml vangogh ukiyoe -o Paintings.mlpackage --size 512x512",
    ],
)
@click.argument("concepts", nargs=-1, required=True, metavar="CONCEPT...")
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), metavar=f"OUT{SUFFIX}", help="The package."
)
@click.option(
    "--target",
    type=click.Choice(["iOS17", "iOS18"]),
    help="Oldest system: by default iOS17 for one concept; several need iOS18.",
)
@click.option(
    "--size",
    "sizes",
    type=PictureSize(multiple=8),
    multiple=True,
    default=["256x256"],
    show_default=True,
    help="Size of the photos in pixels; may be repeated, the default size first.",
)
@click.option(
    "--compress",
    type=click.Choice(["int8", "palette8", "palette6"]),
    help="Store large weights in 8 bits, or as one of 256 or 64 values; by default float16.",
)
@click.option("--base", metavar="BASE", help="A base's id or folder; by default the first concept's.")
@click.option("--no-check", is_flag=True, help="Do not compare the package with the editor.")
@click.option(
    "--photo",
    "photos",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="A photo whose edits are compared; may be repeated; by default the concepts' previews.",
)
@output_options()
def coreml(
    concepts: tuple[str, ...],
    output: Path,
    target: Target | None,
    sizes: tuple[Size, ...],
    compress: Compression | None,
    base: str | None,
    no_check: bool,
    photos: tuple[Path, ...],
    out: Output,
) -> None:
    """Export concepts to a Core ML package, for iPhone, iPad and Mac.

    A photo goes in and its edit comes out, in the same size. One concept becomes one model. Several become
    functions of one package, named after their ids, that share the base's weights.

    The package is read back and run on photos, and written only if its edits match the editor's.
    """
    target = _target(target, len(concepts))
    _check_output(output)

    from e2gan.blend import on_one_base

    chosen, foundation = on_one_base(concepts, base)
    for concept in chosen:
        if sum(other.id == concept.id for other in chosen) > 1:
            raise click.UsageError(f"the concept '{concept.id}' appears twice.")
    for concept in chosen:
        concept.load(foundation)  # a fault in one concept is reported before work on the others

    from e2gan.files import atomic_folder
    from e2gan_coreml.check import check, photos_for
    from e2gan_coreml.convert import write_package
    from e2gan_coreml.program import Program
    from e2gan_coreml.sizes import package_sizes

    samples = [] if no_check else photos_for(chosen, photos)
    sizes = tuple(dict.fromkeys(sizes))
    likeness: list[Likeness] = []
    out.note(f"{', '.join(concept.id for concept in chosen)}: converting, which takes some seconds")
    with atomic_folder(output) as new:
        write_package(new, foundation, chosen, sizes, target, compress)
        program = Program(new, name=output)
        parts = package_sizes(program)
        if not no_check:
            count = len(chosen) * len(samples) * len(sizes)
            out.note(
                f"comparing {count} edits with the editor's" if count > 1 else "comparing an edit with the editor's"
            )
            likeness = check(program, foundation, chosen, samples, sizes)
            _judge(likeness, compress)
    out.data({"bytes": parts, "likeness": [vars(edit) for edit in likeness]})
    if not out.quiet:
        _report(out, parts, chosen, likeness)
    out.note(f"wrote {output}")


def _target(target: Target | None, count: int) -> Target:
    if count > 1 and target == "iOS17":
        raise click.UsageError("a package of several concepts needs --target iOS18.")
    return target or ("iOS17" if count == 1 else "iOS18")


def _check_output(output: Path) -> None:
    """Refuse, before the work, an output that must not be overwritten."""
    from e2gan_coreml.program import MODEL

    if output.suffix != SUFFIX:
        raise click.UsageError(f"{output}: a Core ML package's name ends in {SUFFIX}.")
    if output.exists() and not (output / MODEL).is_file():
        raise E2GANError(f"{output} exists and is not a Core ML package", hint="choose another OUT")


def _judge(likeness: Sequence[Likeness], compression: Compression | None) -> None:
    """Refuse a package whose edits are not the editor's."""
    from e2gan_coreml.check import LEAST

    for edit in likeness:
        if not edit.psnr >= LEAST[compression]:
            raise E2GANError(
                f"{edit.concept}: its edits differ too much from the editor's: {edit.psnr:.1f} dB ({edit.runtime}; "
                f"at least {LEAST[compression]:g}, worst pixel off by {edit.worst} of 255); nothing was written",
                hint="compress less, or write it anyway with --no-check" if compression else "please report it",
            )


def _report(out: Output, parts: dict[str, int], concepts: Sequence[Concept], likeness: Sequence[Likeness]) -> None:
    from e2gan_coreml.convert import function_names

    rows = [("shared weights", parts["shared"])] if len(concepts) > 1 else []
    rows += [(concept.id, parts[name]) for concept, name in zip(concepts, function_names(concepts))]
    rows += [("description", parts["rest"]), ("total", sum(parts.values()))]
    out.table(("part", "MB"), [(name, f"{size / 1e6:8.3f}") for name, size in rows])
    if likeness:
        out.line()
        cells = [(edit.concept, edit.runtime, f"{edit.psnr:.1f}", f"{edit.worst}/255") for edit in likeness]
        out.table(("concept", "run by", "PSNR dB", "worst pixel"), cells)
