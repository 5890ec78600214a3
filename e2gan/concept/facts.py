"""The few things to know about a concept, for its card and for ``e2gan show``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from e2gan.concept.manifest import Concept

__all__ = ["learned_from", "main_facts", "ratios", "tested_on"]


def main_facts(concept: Concept) -> dict[str, str]:
    """A few lines: what it does, how well, from what, under which licence, and for which base."""
    authors, tested = ", ".join(concept.authors), tested_on(concept.quality)
    return {
        "edits a photo to": concept.prompt,
        "quality": _quality(concept),
        **({"measured on": tested} if tested else {}),
        "learned from": learned_from(concept),
        "licence": concept.license + (f", by {authors}" if authors else ""),
        "made for": f"the base {concept.base_id} ({concept.base_sha256[:12]})",
    }


def ratios(concept: Concept) -> dict[str, float]:
    """The measured figures of the edits as ratios to the unedited photos': 0 is the teacher, 1 is doing nothing."""
    headline = concept.quality.get("headline")
    table = concept.quality.get(headline) if isinstance(headline, str) else None
    figures = {
        "L1 ratio": concept.quality.get("l1_ratio"),
        "FID ratio": table.get("fid_ratio") if isinstance(table, Mapping) else None,
    }
    return {
        name: float(value)
        for name, value in figures.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }


def tested_on(quality: Mapping[str, Any]) -> str:
    """How many photos it was measured on, in words; empty if that is not known."""
    count = _count(quality, "photographs")
    return f"{count:,} photos that it never saw" if count else ""


def learned_from(concept: Concept) -> str:
    """The program whose edits it learned, and on how many photos; or, before its training, its author's words."""
    recipe = concept.recipe
    if recipe.given:
        return f"pairs of photo and edit: {recipe.source or 'not named'}"
    count = _count(concept.training, "photographs")
    photos = f"{count:,} photos" if count else recipe.source or "photos that are not named"
    return f"the program{'s' * (len(recipe.teachers) > 1)} {'; '.join(map(str, recipe.teachers))}, on {photos}"


def _quality(concept: Concept) -> str:
    if not concept.trained:
        return "not trained yet"
    figures = ratios(concept)
    if not figures:
        return "not measured against the unedited photos"
    sides = {"FID ratio": "in look", "L1 ratio": "pixel by pixel"}
    told = "; ".join(f"{side}, {_way(figures[name])}" for name, side in sides.items() if name in figures)
    return f"{told} (0 % is the photo, 100 % what it learned from)"


def _way(ratio: float) -> str:
    return f"{100 * (1 - ratio):.0f} % of the way" if ratio < 1 else "no nearer than the photo"


def _count(table: Mapping[str, Any], key: str) -> int:
    """A number of photos, which a stranger may have written; 0 if it is none."""
    value = table.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**9 else 0
