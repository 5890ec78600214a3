"""What a concept is and how good it is, in words: for the cards and pages that show it to visitors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from e2gan.concept import ADAPTER, learned_from, tested_on
from e2gan.models.layout import Keeps

if TYPE_CHECKING:
    from e2gan.concept import Concept

__all__ = ["Judgement", "facts", "judgements", "measured", "verdict"]

VERDICTS = (
    (0.8, "very close to what it learned from"),
    (0.6, "close to what it learned from"),
    (0.35, "about halfway to what it learned from"),
    (0.0, "far from what it learned from"),
)
"""From which share of the way on what is said."""

LARGEST = 1e9
"""A larger figure is none."""

NO_CLOSER = "no closer to what it learned from than the unedited photo"
UNMEASURED = "not measured yet"

KEPT = {
    Keeps.NOTHING: "nothing: everything is drawn anew",
    Keeps.LIGHT: "light and shade",
    Keeps.COLOUR: "light and colours",
    Keeps.DETAIL: "all details; only colours change",
}


@dataclass(frozen=True)
class Judgement:
    """One measured side of a concept's quality."""

    label: str
    share: float
    """How good, from 0 (as far off as the unedited photo) to 1 (like what it learned from)."""
    words: str
    """The same as a sentence."""


def judgements(quality: Mapping[str, Any]) -> list[Judgement]:
    """What was measured, the most telling first; empty for a concept that was not measured.

    Args:
        quality: a concept's ``[quality]``, which may come from a stranger: figures that are missing, or are none, are
            left out.
    """
    headline = quality.get(str(quality.get("headline")), {})
    found = []
    if (ratio := _figure(headline, "fid_ratio")) is not None:
        found.append(_way("Look as a whole", "In colours, strokes and textures", ratio))
    if (ratio := _figure(quality, "l1_ratio")) is not None:
        found.append(_way("Pixel by pixel", "Pixel by pixel", ratio))
    if (energy := _figure(quality, "stroke_energy")) is not None:
        share = min(energy, 1 / energy) if energy > 0 else 0.0
        if energy < 0.8:
            text = f"Softer than what it learned from: it has {energy:.0%} of the fine detail."
        elif energy <= 1.25:
            text = "As much fine detail as in what it learned from."
        else:
            text = f"Rougher than what it learned from: {min(energy, 99):.1f} times the fine detail."
        found.append(Judgement("Fine detail", share, text.replace("%", " %")))
    return found


def verdict(quality: Mapping[str, Any]) -> str:
    """The first judgement in a few words, such as "close to what it learned from"."""
    ways = [judgement for judgement in judgements(quality) if judgement.label != "Fine detail"]
    if not ways:
        return UNMEASURED
    share = ways[0].share
    return next((text for least, text in VERDICTS if share >= least and share > 0), NO_CLOSER)


def measured(quality: Mapping[str, Any]) -> str:
    """What the judgements are based on, as a sentence; empty if nothing was measured."""
    if not judgements(quality):
        return ""
    photos = tested_on(quality) or "photos that it never saw"
    return f"Measured on {photos}, by how near its edits come to those that it learned to make."


def facts(concept: Concept) -> list[tuple[str, str]]:
    """Licence, recipe and size of a concept, as pairs of label and text; the texts may be a stranger's.

    They are for visitors: the card and ``e2gan show --all`` say everything.
    """
    rows = [
        ("Version", concept.version),
        ("Licence", concept.license),
        ("Authors", ", ".join(concept.authors) or "not stated"),
        ("Size", f"{(concept.path / ADAPTER).stat().st_size / 1000:,.0f} kB"),
        ("Learned from", learned_from(concept)),
        ("Keeps of the photo", KEPT[concept.keeps]),
        ("Made for", f"the base {concept.base_id} ({concept.base_sha256[:12]})"),
    ]
    steps = concept.training.get("steps")
    if isinstance(steps, int):
        rows.append(("Training", f"{steps:,} steps"))
    return rows


def _way(label: str, side: str, ratio: float) -> Judgement:
    """For a distance to the pictures that it learned from, as a share of the unedited photos'."""
    share = min(1.0, max(0.0, 1 - ratio))
    if ratio < 1:
        words = f"{side}, it goes {share:.0%} of the way from the photo to what it learned from."
    else:
        words = f"{side}, it is no closer to what it learned from than the unedited photo."
    return Judgement(label, share, words.replace("%", " %"))


def _figure(table: object, key: str) -> float | None:
    value = table.get(key) if isinstance(table, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= LARGEST:
        return None
    return float(value)
