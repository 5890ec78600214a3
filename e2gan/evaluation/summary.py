"""The first things to know about a measured concept, in a few lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["duration", "summary", "worse_than_nothing"]

ADVICE = {
    "L1": "more steps, or a higher l1 or a lower gan in [recipe.training]; set keeps if the edit should stay a photo",
    "FID": "more steps, or a higher style and perceptual in [recipe.training]; then look at the teacher's pictures",
}
"""What to try, by the bad figure."""


def summary(quality: Mapping[str, Any], training: Mapping[str, Any]) -> list[str]:
    """The main figures, one on each line, and what is worse than doing nothing.

    Args:
        quality: a concept's ``[quality]``; missing figures are left out.
        training: its ``[training]``, in the same form.
    """
    rows = list(_rows(quality, training))
    names, values = (max((len(row[at]) for row in rows), default=0) for at in (0, 1))
    lines = [f"{name:<{names}}  {value:<{values}}  {note}".rstrip() for name, value, note in rows]
    return [*lines, *worse_than_nothing(quality)]


def worse_than_nothing(quality: Mapping[str, Any]) -> list[str]:
    """For each ratio of 1 or more, a line that says so and a line that says what to try."""
    lines = []
    ratios = [("L1", "L1 ratio", quality.get("l1_ratio"))]
    for network, table in quality.items():
        if isinstance(table, Mapping) and "fid_ratio" in table:
            ratios.append(("FID", f"FID ratio ({network})", table["fid_ratio"]))
    for figure, name, ratio in ratios:
        if isinstance(ratio, (int, float)) and ratio >= 1:
            lines.append(
                f"worse than doing nothing: {name} {ratio:.3g}: the unedited photos are "
                + ("nearer to the teacher's pictures than the edits" if ratio > 1 else "as near as the edits")
            )
            lines.append(f"  try: {ADVICE[figure]}")
    return lines


def _rows(quality: Mapping[str, Any], training: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(name, value, note)"""
    if "l1_ratio" in quality:
        yield "L1 ratio", f"{quality['l1_ratio']:.3g}", "0 is the teacher, 1 is doing nothing"
    network = quality.get("headline")
    table = quality.get(network, {}) if isinstance(network, str) else {}
    if "fid_ratio" in table:
        yield "FID ratio", f"{table['fid_ratio']:.3g}", f"the same; features of {network}"
    if "stroke_match" in quality:
        idle = quality.get("stroke_match_unedited")
        note = "1 is the teacher" + (f"; the unedited photos have {idle:.3g}" if idle is not None else "")
        yield "stroke match", f"{quality['stroke_match']:.3g}", note
    if "lattice_share" in quality:
        teacher = quality.get("lattice_share_teacher")
        note = "0 means no lattice" + (f"; the teacher has {teacher:.3g}" if teacher is not None else "")
        yield "lattice share", f"{quality['lattice_share']:.3g}", note
    if "photographs" in training:
        tested = f"; tested on {quality['photographs']:,}" if "photographs" in quality else ""
        yield "photographs", f"{training['photographs']:,}", f"seen in training{tested}"
    if "seconds" in training:
        yield "training", duration(training["seconds"]), ""


def duration(seconds: float) -> str:
    """A duration such as "1 h 05 min", "12 min 30 s" or "8 s"."""
    seconds = round(seconds)
    hours, minutes = seconds // 3600, seconds // 60 % 60
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {seconds % 60:02} s" if minutes else f"{seconds} s"
