"""``e2gan catalogue``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from e2gan.cli.help import Command
from e2gan.cli.options import folder
from e2gan.cli.output import Output, output_options

if TYPE_CHECKING:
    from e2gan.concept import Concept

__all__ = ["catalogue"]


@click.command(
    cls=Command,
    section="share",
    examples=[
        "catalogue -o site/",
        "catalogue vangogh ./crayon hub:OWNER/NAME -o site/ --runtime package/dist",
    ],
)
@click.argument("concepts", nargs=-1, metavar="[CONCEPT...]")
@click.option("-o", "--output", required=True, type=folder, metavar="OUT", help="Folder of the site.")
@click.option("--title", default="E²GAN concepts", show_default=True, metavar="TEXT", help="Title of the site.")
@click.option(
    "--runtime",
    type=folder,
    metavar="DIR",
    help="Files of onnxruntime-web: adds the page that edits in the browser. Needs e2gan-onnx.",
)
@click.option("--clips", type=folder, metavar="DIR", help="Files of Mediabunny: that page edits clips, too.")
@output_options()
def catalogue(
    concepts: tuple[str, ...], output: Path, title: str, runtime: Path | None, clips: Path | None, out: Output
) -> None:
    """Build a web site that shows concepts and offers them for download.

    The site consists of static files for any web host. CONCEPT is an id, a folder, or hub:OWNER/NAME; by default, the
    site shows all installed concepts. A concept that is damaged or not trained is left out, with a note. A second
    run replaces the site; files of yours beside it, such as CNAME, stay.
    """
    from e2gan_catalogue.site import build

    if clips and not runtime:
        raise click.UsageError("--clips needs --runtime: the page that edits clips edits photos, too")
    chosen, missing = _find(concepts)
    built = build(chosen, output, title=title, runtime=runtime, clips=clips, tell=out.note)
    left_out = [*missing, *built.left_out]
    out.data({"site": str(output), "concepts": built.shown, "try": built.edits, "left_out": left_out})
    for each in left_out:
        out.note(f"left out: {each}")
    number = f"{len(built.shown)} concept{'' if len(built.shown) == 1 else 's'}"
    out.line(f"{output / 'index.html'} shows {number}")
    if runtime is None:
        out.note(
            "the page that edits in the browser is left out; to add it: npm pack onnxruntime-web, "
            "unpack the file, and name its folder package/dist with --runtime"
        )
    elif clips is None:
        out.note(
            "the page edits photos, but no clips; to add them: npm pack mediabunny, "
            "unpack the file, and name its folder package/dist/bundles with --clips"
        )


def _find(names: tuple[str, ...]) -> tuple[list[Concept], list[str]]:
    """The concepts of these names, or all installed ones; and for each that cannot be used, why."""
    from e2gan.base import preferred
    from e2gan.blend import find_concept
    from e2gan.errors import E2GANError
    from e2gan.plugins import registry

    if not names:
        installed: list[Concept] = list(registry().all("concept").values())
        problems = [f"{each.plugin}: {each.message}" for each in registry().problems]
        return [one.on(preferred()) for one in installed], problems
    found, missing = [], []
    for name in dict.fromkeys(names):
        try:
            found.append(find_concept(name))
        except E2GANError as error:
            missing.append(str(error))
    return found, missing
