"""How a bundle fits the base that is installed here."""

from __future__ import annotations

from e2gan.base import Base, find_base
from e2gan.concept.manifest import Concept
from e2gan.errors import BaseModelError

__all__ = ["base_of", "check_bundle"]


def base_of(concept: Concept) -> Base | None:
    """The base that a concept was made for, if it is installed."""
    try:
        base = find_base(concept.base_id)
    except BaseModelError:
        return None
    return base if base.sha256 == concept.base_sha256 else None


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
