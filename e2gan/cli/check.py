"""The checklist of a maintainer: ``check``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from e2gan.cli.help import Command
from e2gan.cli.options import device_option, folder, photos_option, workers_option
from e2gan.cli.output import Output, output_options
from e2gan.cli.program import EXIT_ERROR, needs_extra

if TYPE_CHECKING:
    from e2gan.concept import Concept
    from e2gan.evaluation.checklist import Check

__all__ = ["check"]


@click.command(
    cls=Command,
    section="share",
    examples=["check ./crayon", "check concepts/* --json", "check ./crayon --reproduce --data photos/"],
)
@click.argument("folders", nargs=-1, required=True, type=folder, metavar="DIR...")
@click.option(
    "--reproduce", is_flag=True, help="Also train again for 20 steps, twice, and compare: takes minutes on a CPU."
)
@photos_option
@workers_option
@device_option
@output_options(quiet_help="Print only what failed or was not checked.")
def check(
    folders: tuple[Path, ...],
    reproduce: bool,
    data: Path | tuple[Path, ...] | None,
    workers: int | None,
    device: str | None,
    out: Output,
) -> None:
    """Check concepts as a maintainer would before taking them in.

    DIR is a concept's bundle or the distribution around it; if that holds bundles for several bases, each gets its
    checklist. The checklist says whether the bundle is sound and fits its
    base, whether it is measured and better than doing nothing, whether the licences of the concept, its teacher and its
    photos are stated, and whether preview and card are there. Nothing in DIR is run. The exit code is 1 if a check
    failed.
    """
    from e2gan.evaluation.checklist import FAILED, checklist

    if data is not None and not reproduce:
        raise click.UsageError("--data is for --reproduce.")
    reports = []
    for place in chain.from_iterable(map(_each, folders)):
        concept, checks = checklist(place)
        checks.append(_reproducible(concept, data, workers, device, out) if reproduce else _not_asked(checks))
        reports.append(_report(place, concept, checks))
        if not out.as_json:
            _print(out, place, concept, checks)
    out.data(reports)
    if any(check["status"] == FAILED for report in reports for check in report["checks"]):
        sys.exit(EXIT_ERROR)


def _each(place: Path) -> Iterator[Path]:
    """The folder itself, and a distribution's bundles for other bases than its first one's."""
    from e2gan.concept import bundle_folders
    from e2gan.errors import ConceptError

    yield place
    with suppress(ConceptError):  # which the checklist of the folder says
        yield from bundle_folders(place)[1:]


def _not_asked(checks: list[Check]) -> Check:
    from e2gan.evaluation.checklist import FAILED, NOT_CHECKED, Check

    # What failed is to be mended first, and says how.
    mended = all(check.status != FAILED for check in checks)
    hint = "--reproduce --data PHOTOS trains it again for 20 steps" if mended else None
    return Check("reproducible", NOT_CHECKED, "not asked for", hint)


def _reproducible(
    concept: Concept | None, data: Path | tuple[Path, ...] | None, workers: int | None, device: str | None, out: Output
) -> Check:
    from e2gan.errors import E2GANError
    from e2gan.evaluation.checklist import FAILED, NOT_CHECKED, PASSED, Check

    if concept is None:
        return Check("reproducible", NOT_CHECKED, "the bundle cannot be read")
    try:
        with needs_extra("train"), out.progress() as progress:
            from e2gan.training.again import STEPS, train_again

            digest = train_again(concept, data, workers=workers, device=device, progress=progress)
    except E2GANError as error:
        return Check("reproducible", FAILED, str(error), error.hint)
    return Check("reproducible", PASSED, f"two trainings of {STEPS} steps give the same adapter, {digest[:12]}…")


def _report(place: Path, concept: Concept | None, checks: list[Check]) -> dict[str, Any]:
    from e2gan.evaluation.checklist import FAILED

    return {
        "folder": str(place),
        "id": concept and concept.id,
        "version": concept and concept.version,
        "passed": all(check.status != FAILED for check in checks),
        "checks": [vars(check) for check in checks],
    }


def _print(out: Output, place: Path, concept: Concept | None, checks: list[Check]) -> None:
    from e2gan.evaluation.checklist import FAILED, NOT_CHECKED, PASSED

    if out.quiet:
        checks = [check for check in checks if check.status != PASSED]
    out.line(f"{place}: {concept.title} ({concept.id} {concept.version})" if concept else f"{place}")
    names = max((len(check.name) for check in checks), default=0)
    for check in checks:
        out.line(f"  {check.status:<{len(NOT_CHECKED)}}  {check.name:<{names}}  {check.detail}")
        if check.hint:
            out.line(f"  {'':<{len(NOT_CHECKED)}}  {'':<{names}}  hint: {check.hint}")
    counts = {status: sum(check.status == status for check in checks) for status in (PASSED, FAILED, NOT_CHECKED)}
    out.line("  " + ", ".join(f"{count} {status}" for status, count in counts.items() if count))
