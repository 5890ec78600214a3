"""The few things to know about a concept, for its card and for ``e2gan show``."""

from __future__ import annotations

from collections.abc import Mapping

from e2gan.concept.manifest import Concept

__all__ = ["main_facts", "ratios"]


def main_facts(concept: Concept) -> dict[str, str]:
    """Five lines: what it does, how well, from what, under which licence, and for which base."""
    authors = ", ".join(concept.authors)
    return {
        "edits a photo to": concept.prompt,
        "quality": _quality(concept),
        "made from": _sources(concept),
        "licence": concept.license + (f", by {authors}" if authors else ""),
        "base": f"{concept.base_id} ({concept.base_sha256[:12]})",
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


def _sources(concept: Concept) -> str:
    recipe = concept.recipe
    if recipe.given:
        return f"given pairs: {recipe.source or 'not named'}"
    return f"{'; '.join(map(str, recipe.teachers))}, on {recipe.source or 'photos that are not named'}"


def _quality(concept: Concept) -> str:
    if not concept.trained:
        return "not trained yet"
    figures = ratios(concept)
    if not figures:
        return "not measured against the unedited photos"
    told = ", ".join(f"{name} {value:.2f}" for name, value in figures.items())
    worse = " or ".join(name for name, value in figures.items() if value >= 1)
    return f"{told} (0 is the teacher, 1 is doing nothing)" + (
        f"; no better than doing nothing by its {worse}" * bool(worse)
    )
