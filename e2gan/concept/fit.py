"""How bundles fit the bases that are installed here."""

from __future__ import annotations

import os
from dataclasses import replace

from e2gan.base import Base, find_base
from e2gan.concept.layout import MANIFEST, bundle_folders
from e2gan.concept.manifest import Concept
from e2gan.errors import BaseModelError, ConceptError

__all__ = ["base_of", "check_bundle", "concept_in", "made_for"]


def concept_in(folder: str | os.PathLike[str]) -> Concept:
    """The concept whose bundle ``folder`` is, or which it is the distribution of, with its bundles for other bases.

    Raises:
        ConceptError: there is no bundle, one is malformed, or two are not of one concept.
        RecipeError: its recipe is malformed.
    """
    first, *others = map(Concept.read, bundle_folders(folder))
    for other in others:
        if other.id != first.id:
            raise ConceptError(f"{other.path / MANIFEST}: it is '{other.id}', but the bundle beside it '{first.id}'")
    return replace(first, others=tuple(others))


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
