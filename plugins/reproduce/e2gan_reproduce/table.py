"""A table: the paper's figures, ours, and whether both have the same order, as far as chance lets one say."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from itertools import combinations
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from e2gan.drawing import chart
from e2gan.errors import DataError
from e2gan.files import atomic_write, read_bytes

__all__ = [
    "MEAN",
    "Ordering",
    "Row",
    "Table",
    "Verdict",
    "draw",
    "markdown",
    "mean_of",
    "orderings",
    "over_seeds",
    "read",
    "write",
]

MEAN = "mean"
"""The mean over concepts; the paper's concepts are not ours, so only the means can be compared."""

UNKNOWN = 0.05
"""The share by which two trainings may differ by chance, if neither seeds nor photographs tell: a difference of a few
per cent between two trainings rarely survives another seed."""

LIMIT = 4 * 1024 * 1024
"""Maximum bytes of a table's file."""


@dataclass(frozen=True)
class Row:
    """A system, or a setting of one."""

    name: str
    paper: Mapping[str, float] = field(default_factory=dict)
    """The paper's figures by column; empty if it gives none."""
    ours: Mapping[str, float] = field(default_factory=dict)
    """Our figures; empty if it was not run."""
    note: str = ""
    """Further facts: trained parameters, or why it was not run."""
    each: tuple[Mapping[str, float], ...] = ()
    """Our figures with each seed, whose means are ``ours``; empty if there was only one."""
    error: Mapping[str, float] = field(default_factory=dict)
    """Standard errors by column, over the test photographs; empty if unknown."""
    handful: bool = False
    """Whether it was trained for so few steps that its figures say nothing of the model."""


@dataclass(frozen=True)
class Table:
    """The stored content of a table."""

    id: str
    title: str
    said: str
    """The method, and its differences from the paper."""
    figures: str
    """The kind of the figures."""
    rows: tuple[Row, ...]
    stated: tuple[tuple[str, str], ...] = ()
    """(lower, higher): orders that the paper states without figures that we have."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Scale, data, features, seed, hardware, versions, time."""

    def to_dict(self) -> dict[str, Any]:
        """For JSON, with the orderings."""
        return {**asdict(self), "orderings": [asdict(ordering) for ordering in orderings(self)]}


class Verdict(str, Enum):
    """What our figures say of an order in the paper."""

    YES = "yes"
    NO = "no"
    TIE = "tie"
    """The difference may be chance."""
    NOT_COMPARABLE = "not comparable"
    """One of the two was trained for a handful of steps."""

    __str__ = str.__str__


@dataclass(frozen=True)
class Ordering:
    """Two rows that the paper orders, with our figures."""

    column: str
    lower: str
    higher: str
    verdict: Verdict
    times: float
    """Our ``higher`` as a multiple of our ``lower``: below 1 if the order is reversed."""
    columns: tuple[int, int] | None = None
    """The number of our concepts with the same order, and of all; None if the column is not a mean."""


def mean_of(figures: Mapping[str, float]) -> dict[str, float]:
    """The figures with their mean as the last column; empty if there are none."""
    return {**figures, MEAN: sum(figures.values()) / len(figures)} if figures else {}


def orderings(table: Table) -> list[Ordering]:
    """All orders that the paper gives and that our figures can confirm or refute."""
    by_name = {row.name: row for row in table.rows}
    claims: list[tuple[str, Row, Row]] = []
    for a, b in combinations(table.rows, 2):
        for column in a.paper:
            if column in b.paper and column in a.ours and column in b.ours and a.paper[column] != b.paper[column]:
                lower, higher = (a, b) if a.paper[column] < b.paper[column] else (b, a)
                claims.append((column, lower, higher))
    stated = ((by_name[lower], by_name[higher]) for lower, higher in table.stated)
    claims += [(MEAN, lower, higher) for lower, higher in stated if lower.ours and higher.ours]
    return [_ordering(*claim) for claim in claims]


def _ordering(column: str, lower: Row, higher: Row) -> Ordering:
    def holds(name: str) -> bool:
        return lower.ours[name] < higher.ours[name]

    singles = [name for name in lower.ours if name in higher.ours and name != MEAN] if column == MEAN else []
    if lower.handful or higher.handful:
        verdict = Verdict.NOT_COMPARABLE
    elif abs(higher.ours[column] - lower.ours[column]) <= chance(column, lower, higher):
        verdict = Verdict.TIE
    else:
        verdict = Verdict.YES if holds(column) else Verdict.NO
    return Ordering(
        column=column,
        lower=lower.name,
        higher=higher.name,
        verdict=verdict,
        times=higher.ours[column] / lower.ours[column] if lower.ours[column] else 1.0,
        columns=(sum(map(holds, singles)), len(singles)) if singles else None,
    )


def chance(column: str, a: Row, b: Row) -> float:
    """The difference between two rows that may be chance.

    With several seeds, that is the standard deviation of the differences with each; with one, the half-width of the
    difference's 95 % interval over test photographs, as if the rows had been measured on different ones; without
    either, `UNKNOWN` of the smaller figure.
    """
    if len(a.each) == len(b.each) > 1:
        return stdev(more[column] - less[column] for less, more in zip(a.each, b.each))
    if column in a.error and column in b.error:
        return 1.96 * math.hypot(a.error[column], b.error[column])
    return UNKNOWN * min(abs(a.ours[column]), abs(b.ours[column]))


def over_seeds(tables: Sequence[Sequence[Row]]) -> list[Row]:
    """The rows of one table, made with several seeds, with the means of their figures."""
    if len(tables) == 1:
        return list(tables[0])
    rows = []
    for row, *others in zip(*tables, strict=True):
        each = (row.ours, *(other.ours for other in others))
        means = {column: fmean(figures[column] for figures in each) for column in row.ours}
        rows.append(replace(row, ours=means, each=each if row.ours else (), error={}))
    return rows


def write(table: Table, folder: Path) -> Path:
    """Write ``ID-SCALE.json`` and its plot into a folder; returns the JSON's path."""
    path = folder / f"{table.id}-{table.facts['scale']}.json"
    atomic_write(path, json.dumps(table.to_dict(), indent=1, ensure_ascii=False) + "\n")
    draw(table, path.with_suffix(".png"))
    return path


def read(path: Path) -> Table:
    """Read a table written by `write`.

    Raises:
        DataError: it is damaged.
    """
    try:
        fields = json.loads(read_bytes(path, limit=LIMIT))
        return Table(
            id=fields["id"],
            title=fields["title"],
            said=fields["said"],
            figures=fields["figures"],
            rows=tuple(Row(**{**row, "each": tuple(row.get("each", ()))}) for row in fields["rows"]),
            stated=tuple((lower, higher) for lower, higher in fields["stated"]),
            facts=fields["facts"],
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{path}: not a table ({error})", hint="make it again with: e2gan reproduce") from error


def markdown(table: Table) -> str:
    """The table for a page: paper | ours, the orderings, and the notes."""
    paper, ours = (_columns(getattr(row, side) for row in table.rows) for side in ("paper", "ours"))
    notes = any(row.note for row in table.rows)
    head = ["", *(f"paper: {name}" for name in paper), *(f"ours: {name}" for name in ours), *([""] if notes else [])]
    lines = [_line(head), _line(["---"] + ["--:"] * (len(paper) + len(ours)) + (["---"] if notes else []))]
    for row in table.rows:
        cells = [*(row.paper.get(name) for name in paper), *(row.ours.get(name) for name in ours)]
        lines.append(_line([row.name, *map(number, cells), *([row.note] if notes else [])]))
    claims = orderings(table)
    if claims:
        lines += ["", _line(["in the paper", "same order here?"]), _line(["---", "---"])]
        lines += [_line([_claim(claim), said_of(claim)]) for claim in claims]
    return "\n".join(lines)


def _claim(ordering: Ordering) -> str:
    where = "" if ordering.column == MEAN else f" ({ordering.column})"
    return f"{ordering.lower} below {ordering.higher}{where}"


def said_of(ordering: Ordering) -> str:
    """The verdict, our ratio, and the number of concepts with the paper's order."""
    counted = f", {ordering.columns[0]} of {ordering.columns[1]} concepts" if ordering.columns else ""
    return f"{ordering.verdict} ({ordering.times:,.3g} ×{counted})"


def number(value: float | None) -> str:
    """Four digits, or a dash."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _columns(sides: Iterator[Mapping[str, float]]) -> list[str]:
    """Every column's name, in order, the mean last."""
    names = list(dict.fromkeys(name for side in sides for name in side))
    return sorted(names, key=lambda name: name == MEAN)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def draw(table: Table, path: Path) -> None:
    """Plot a panel for each column that the paper and we have, both as multiples of the first row; or ours alone."""
    paper, ours = (_columns(getattr(row, side) for row in table.rows) for side in ("paper", "ours"))
    shared = [name for name in ours if name in paper] or ours[-1:]
    # Rows that were not run would often dwarf the rest, and have no counterpart.
    rows = [row for row in table.rows if row.ours][::-1]
    with chart(path, 1.6 + 3.6 * len(shared), 1 + 0.42 * len(rows)) as figure:
        for place, column in enumerate(shared, start=1):
            axes = figure.add_subplot(1, len(shared), place)
            with_both = [row for row in table.rows if column in row.paper and column in row.ours]
            unit = with_both[0] if with_both else None
            for height, row in enumerate(rows):
                for side, shift, colour in ((row.paper, 0.18, "#b9c2cc"), (row.ours, -0.18, "#2f6f8f")):
                    if column not in side:
                        continue
                    of = 1.0 if unit is None else (unit.paper if side is row.paper else unit.ours)[column]
                    axes.barh(height + shift, side[column] / of, 0.34, color=colour)
                    if side is row.ours and column == MEAN:
                        singles = [side[name] / of for name in side if name != MEAN]
                        axes.plot(singles, [height + shift] * len(singles), ".", color="#12303f", markersize=4)
            axes.set_yticks(
                range(len(rows)), [row.name for row in rows] if place == 1 else [""] * len(rows), fontsize=8
            )
            plain = unit is None or unit.paper[column] == unit.ours[column] == 1
            axes.set_ylim(-0.6, len(rows) - 0.4)
            axes.set_title(column if plain or unit is None else f"{column} (× {unit.name})", fontsize=8)
            axes.tick_params(axis="x", labelsize=7)
            axes.grid(axis="x", alpha=0.3)
        compared = any(column in row.paper for row in rows for column in shared)
        figure.suptitle(f"{table.title}: grey the paper's, blue ours" if compared else table.title, fontsize=9)
