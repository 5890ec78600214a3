"""The page of results: every table that was made, and a list of the others."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from e2gan.errors import DataError
from e2gan_reproduce.catalogue import TABLES
from e2gan_reproduce.table import Table, Verdict, markdown, orderings, read

__all__ = ["results_page"]

HEAD = """\
# Results

These are the papers' tables, reproduced by `e2gan reproduce`, each with the paper's own figures. `e2gan reproduce page`
writes this page; do not edit it. [How the tables are made](reproduce.md).

Our figures differ from the papers' in two ways. First, if Inception's weights are not on the machine, FID is measured
in another network's features and is **not comparable** with a published FID; only the rows' order can be compared.
Second, the photographs and the concepts are ours, so the tables compare the mean of a paper's columns with our mean.

For each order of two rows in a paper, the tables say whether ours is the same:

| | |
|---|---|
| yes, no | it is the same, or the reverse, by more than chance |
| tie | the difference may be chance: it is within the spread over seeds; with one seed, within the 95 % interval over \
test photographs; where neither is known, within 5 % |
| not comparable | one of the two had only a handful of training steps here |

The number behind it is our second row over our first.
"""


def results_page(results: Path, place: Path) -> str:
    """The page in Markdown; links are relative to the folder ``place``.

    Raises:
        DataError: there is no table in ``results``, or one is damaged.
    """
    tables = {path: read(path) for path in sorted(results.glob("*.json"))}
    if not tables:
        raise DataError(f"{results}: no tables here", hint="make one with: e2gan reproduce TABLE --data PHOTOS -o DIR")
    by_entry = {entry.id: [(path, table) for path, table in tables.items() if table.id == entry.id] for entry in TABLES}
    lines = [HEAD, *_summary(by_entry)]
    for runs in by_entry.values():
        for path, table in runs:
            lines += ["", *_section(table, path, place)]
    absent = [f"`{entry.id}` ({entry.title})" for entry in TABLES if not by_entry[entry.id]]
    full = {table.id for table in tables.values() if table.facts["scale"] == "full"}
    lines += ["", "## Not run", ""]
    if absent:
        lines += [f"At no scale: {', '.join(absent)}.", ""]
    left = [entry.id for entry in TABLES if entry.id not in full]
    lines.append(f"At the paper's own scale: {'all of them' if len(left) == len(TABLES) else ', '.join(left)}.")
    return "\n".join(lines) + "\n"


def _summary(by_entry: dict[str, list[tuple[Path, Table]]]) -> Iterator[str]:
    made = [table for runs in by_entry.values() for _, table in runs]
    verdicts = [ordering.verdict for table in made for ordering in orderings(table)]
    counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in Verdict)
    absent = sum(not runs for runs in by_entry.values())
    yield f"**Of {len(verdicts)} orders: {counts}. Tables not run: {absent} of {len(by_entry)}.**"
    yield ""
    yield f"| table | scale | seeds | minutes | {' | '.join(Verdict)} |"
    yield "|---|---|" + "--:|" * (2 + len(Verdict))
    for table in made:
        verdicts = [ordering.verdict for ordering in orderings(table)]
        counted = [str(verdicts.count(verdict) or "") for verdict in Verdict] if verdicts else ["", "", "", ""]
        facts = table.facts
        minutes = max(facts["minutes"], facts["training_minutes"])
        cells = [
            f"[{table.title}](#{_anchor(table)})",
            facts["scale"],
            str(len(facts["seeds"])),
            f"{minutes:.0f}" if minutes >= 1 else "< 1",
            *counted,
        ]
        yield f"| {' | '.join(cells)} |"


def _section(table: Table, path: Path, place: Path) -> Iterator[str]:
    facts = table.facts
    yield f"## {_heading(table)}"
    yield ""
    yield table.said
    yield ""
    yield f"Figures: {table.figures}."
    yield ""
    yield markdown(table)
    yield ""
    yield f"![{table.title}]({_link(path.with_suffix('.png'), place)})"
    if path.with_suffix(".webp").is_file():
        yield ""
        yield f"![Test photos, the teacher's pictures and each row's edits]({_link(path.with_suffix('.webp'), place)})"
    yield ""
    concepts = f"; {', '.join(facts['concepts'])} on the base {facts['base']}" if facts["concepts"] else ""
    trained = f"; {facts['training_minutes']} minutes of training" if facts["training_minutes"] else ""
    settings = f" {facts['at'][0].upper()}{facts['at'][1:]}." if facts["at"] else ""
    yield (
        f"*{facts['scale'].capitalize()} scale; {facts['data']}{concepts}; {_seeds(facts['seeds'])}; "
        f"{facts['hardware']}, PyTorch {facts['torch']}{trained}.{settings}*"
    )


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]} to {seeds[-1]}"


def _heading(table: Table) -> str:
    return table.title if table.facts["scale"] == "small" else f"{table.title}, {table.facts['scale']} scale"


def _anchor(table: Table) -> str:
    """GitHub's anchor of the heading."""
    characters = (c for c in _heading(table).lower() if c.isalpha() or c.isdecimal() or c in " -_")
    return "".join(characters).replace(" ", "-")


def _link(path: Path, place: Path) -> str:
    return Path(os.path.relpath(path, place)).as_posix()
