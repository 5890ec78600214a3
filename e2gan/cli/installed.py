"""What is installed: ``list``, ``show`` and ``plugins``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from e2gan.cli.help import Command
from e2gan.cli.output import Output, output_options
from e2gan.terminal import say

if TYPE_CHECKING:
    from e2gan.concept import Concept

__all__ = ["list_", "plugins", "show"]


@click.command("list", cls=Command, section="use", examples=["list", "list --json"])
@output_options(quiet_help="Print only the names.")
def list_(out: Output) -> None:
    """List the installed concepts.

    NAME is what names a concept on the command line: its id, or its repository, such as hub:ada/dusk, if the id means
    another concept.
    """
    from e2gan.installing import install_command
    from e2gan.plugins import registry

    concepts = list(registry().all("concept").values())
    out.data([_summary(concept) for concept in concepts])
    if out.quiet:
        for concept in concepts:
            out.line(concept.name)
        return
    if concepts:
        rows = [(c.name, c.title, c.version, _bases(c), _origin(c)) for c in concepts]
        out.table(("NAME", "TITLE", "VERSION", "BASE", "FROM"), rows)
    if not concepts:
        say(f"no concepts are installed; try: {install_command('e2gan-concept-vangogh')}")
    if problems := len(registry().problems):
        thing = "is 1 problem" if problems == 1 else f"are {problems} problems"
        say(f"note: there {thing} with plugins; see: e2gan plugins")


@click.command(cls=Command, section="use", examples=["show vangogh", "show vangogh --all", "show ./crayon --json"])
@click.argument("concept")
@click.option("--all", "everything", is_flag=True, help="Also print the recipe and all measured figures.")
@output_options(quiet=False)
def show(concept: str, everything: bool, out: Output) -> None:
    """Show what a concept is, how good it is, and what it was made from.

    CONCEPT is the id of an installed concept, a folder such as ./my-concept, or a repository: OWNER/NAME if it is
    installed, hub:OWNER/NAME@REVISION in any case.
    """
    from e2gan.blend import find_concept
    from e2gan.concept import main_facts
    from e2gan.tables import options_line

    bundle = find_concept(concept)
    recipe = bundle.recipe
    out.data(
        {
            **_summary(bundle),
            "authors": list(bundle.authors),
            "licenses": bundle.licenses._asdict(),
            "description": bundle.description,
            "recipe": bundle.manifest["recipe"],
            "recipe_sha256": bundle.recipe_digest,
            "quality": bundle.quality,
            "training": bundle.training,
        }
    )
    out.line(f"{bundle.title} ({bundle.id} {bundle.version})")
    if bundle.description:
        out.line(bundle.description)
    out.line()
    others = {"also for": ", ".join(other.base_id for other in bundle.others)} if bundle.others else {}
    out.figures(main_facts(bundle) | others)
    if not everything:
        out.line(f"\nEverything else: e2gan show {concept} --all")
        return
    out.line()
    selection = {"method": recipe.selection.method, "clusters": recipe.selection.clusters}
    rows: dict[str, Any] = {
        "photos": recipe.source or "not named",
        "keeps": str(bundle.keeps),
        "pairs kept": options_line(selection if recipe.selection.method != "all" else {"method": "all"}),
        "ranks": f"{', '.join(map(str, bundle.ranks.sampling))}; transformer {bundle.ranks.transformer}",
        "recipe digest": bundle.recipe_digest,
        "from": bundle.source or bundle.distribution or "a folder",
        "folder": str(bundle.path),
        "quality": bundle.quality,
        "training": bundle.training,
    }
    out.figures(rows)


@click.command(cls=Command, section="use", examples=["plugins"])
@output_options(quiet=False)
def plugins(out: Output) -> None:
    """List the installed plugins and their problems, and the backends that edits can run on.

    Without --backend, an edit on a CPU uses the first backend in the list.
    """
    from e2gan.backends import TORCH, fastest
    from e2gan.plugins import registry

    installed, problems = registry().plugins, registry().problems
    offered = registry().all("backend")
    first = [entry.id for entry in fastest()]
    backends = [*first, TORCH, *(id for id in offered if id not in first)]
    out.data(
        {
            "plugins": [vars(info) for info in installed],
            "problems": [vars(problem) for problem in problems],
            "backends": backends,
        }
    )
    rows = [
        (info.name, info.distribution, info.version, info.status, ", ".join(_short(hook) for hook in info.hooks))
        for info in installed
    ]
    out.table(("PLUGIN", "FROM", "VERSION", "STATUS", "OFFERS"), rows)
    out.line()
    told = {
        TORCH: ("e2gan", "PyTorch"),
        **{entry.id: (entry.distribution, entry.summary) for entry in offered.values()},
    }
    out.table(("BACKEND", "FROM", "SUMMARY"), [(id, *told[id]) for id in backends])
    for problem in problems:
        out.line(f"\n{problem.plugin}: {problem.message}" + (f" ({problem.hint})" if problem.hint else ""))
    for info in installed:
        if info.traceback:
            out.line(f"\n{info.name}:\n{info.traceback.rstrip()}")


def _summary(concept: Concept) -> dict[str, Any]:
    return {
        "id": concept.id,
        "name": concept.name,
        "title": concept.title,
        "version": concept.version,
        "prompt": concept.prompt,
        "license": concept.license,
        "base": _base(concept),
        "other_bases": [_base(other) for other in concept.others],
        "trained": concept.trained,
        "distribution": concept.distribution,
        "source": concept.source,
        "path": str(concept.path),
    }


def _base(concept: Concept) -> dict[str, str]:
    return {"id": concept.base_id, "sha256": concept.base_sha256}


def _bases(concept: Concept) -> str:
    return ", ".join(one.base_id for one in concept.for_all_bases)


def _origin(concept: Concept) -> str:
    origin = re.sub(r"@[0-9a-f]{40}$", "", concept.source or concept.distribution or "a folder")
    return origin if concept.trained else f"{origin} (not trained)"


def _short(hook: str) -> str:
    return hook.removeprefix("register_")
