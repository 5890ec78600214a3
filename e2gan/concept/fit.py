"""How a bundle fits the base that is installed here."""

from __future__ import annotations

from e2gan.base import Base, find_base
from e2gan.concept.manifest import Concept
from e2gan.errors import BaseModelError

__all__ = ["base_of", "check_bundle", "made_for"]


def base_of(concept: Concept) -> Base | None:
    """The base that a concept was made for, if it is installed."""
    try:
        base = find_base(concept.base_id)
    except BaseModelError:
        return None
    return base if base.sha256 == concept.base_sha256 else None


def made_for(concept: Concept, base: Base) -> Concept | None:
    """The concept for that base, which its package may hold for several; None if it is not there, or not trained."""
    concept = concept.on(base.sha256)
    return concept if concept.trained and concept.base_sha256 == base.sha256 else None


def check_bundle(concept: Concept) -> Base | None:
    """Check every file of a bundle, and if its base is installed, their contents against the base, which it returns.

    Raises:
        ConceptError: something is wrong.
    """
    base = base_of(concept)
    if base is None:
        concept.check()
    else:
        concept.load(base)
    return base
