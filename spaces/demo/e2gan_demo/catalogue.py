"""The concepts that the page offers: the installed ones for its base, and those added from the Hub while it runs."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from e2gan.base import Base
from e2gan.concept import ADAPTER, Concept
from e2gan.errors import ConceptError, E2GANError, E2GANWarning
from e2gan.images import PREVIEW, open_image
from e2gan.plugins import registry
from e2gan.tables import shown

__all__ = ["Catalogue"]

PREVIEW_WIDTH = 640
"""Width of a card's picture, before and after side by side, in pixels."""

MOST_ADDED = 50
"""Most repositories that strangers may have pulled to one machine before it is started again."""

MOST_BLENDED = 4
"""Most concepts in one blend."""

CLOSENESS = {
    "l1_ratio": (
        "Difference to the teacher",
        "mean difference of pixels, where the unedited photo has 1; 0 is the teacher",
    ),
    "fid_ratio": ("Distance in features", "Fréchet distance, where the unedited photos have 1; 0 is the teacher"),
    "stroke_energy": ("Stroke energy", "fine detail as a share of the teacher's; 1 is as much"),
}
"""The measured figures that a card shows: name, and what it means."""


class Catalogue:
    """Concepts by the names that the page uses for them: ids, and ``hub:OWNER/NAME@COMMIT`` for those not listed."""

    def __init__(self, base: Base, previews: Path, *, public: bool = False) -> None:
        """Offer the concepts made for ``base``.

        Args:
            previews: the folder for the cards' pictures.
            public: keep what a visitor adds from the others.
        """
        self.base = base
        self.public = public
        self._added: dict[str, Concept] = {}
        self._previews = previews
        self._lock = threading.Lock()
        previews.mkdir()

    # What there is

    def concepts(self) -> dict[str, Concept]:
        """The installed concepts that can be used, by id."""
        return {id: concept for id, concept in registry().concepts.items() if self._fits(concept)}

    def cards(self) -> list[dict[str, Any]]:
        """What the page shows of each installed concept."""
        return [self.card(id, concept) for id, concept in self.concepts().items()]

    def find(self, name: object) -> Concept:
        """The concept of that name: an installed one, or one that was added here.

        Text from outside: it is no path, and nothing is fetched for it.

        Raises:
            ConceptError: there is none.
        """
        found = registry().concepts.get(name) or self._added.get(name) if isinstance(name, str) else None
        if found is None or not self._fits(found):
            raise ConceptError(f"no concept {shown(name)} here", hint="choose another")
        return found

    def blend(self, wanted: object) -> dict[Concept, float]:
        """The blend that JSON from outside asks for: ``{name: weight}``, weights from 0 to 1.

        Raises:
            ConceptError: it is none.
        """
        if not isinstance(wanted, Mapping) or not 1 <= len(wanted) <= MOST_BLENDED:
            raise ConceptError("choose a concept", hint=f"a blend has at most {MOST_BLENDED}")
        blend = {}
        for name, weight in wanted.items():
            if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 <= weight <= 1:
                raise ConceptError(f"the weight of {shown(name)} must be a number from 0 to 1")
            if weight > 0:
                blend[self.find(name)] = float(weight)
        if not blend:
            raise ConceptError("choose a concept", hint="all weights are 0")
        return blend

    def card(self, name: str, concept: Concept) -> dict[str, Any]:
        """What the page shows of a concept: plain values, text from its manifest unescaped."""
        return {
            "name": name,
            "title": concept.title,
            "prompt": concept.prompt,
            "description": concept.description,
            "preview": self._preview(concept),
            "install": _install(concept),
            "facts": _facts(concept),
            "quality": _quality(concept),
        }

    def _fits(self, concept: Concept) -> bool:
        return concept.trained and concept.base_sha256 == self.base.sha256

    def _preview(self, concept: Concept) -> str | None:
        """File name of the card's picture among the previews; None if the bundle has none."""
        if concept.preview is None:
            return None
        # By its bundle's content: a concept of one name may come in two versions.
        file = self._previews / f"{concept.id}-{concept.recipe_digest[:12]}-{concept.preview.stat().st_mtime_ns}.webp"
        with self._lock:
            if not file.exists():
                try:
                    picture = open_image(concept.preview, limits=PREVIEW)
                except E2GANError:
                    return None
                picture.thumbnail((PREVIEW_WIDTH, PREVIEW_WIDTH))
                picture.save(file, quality=82, method=4)
        return file.name

    # Adding

    @property
    def can_add(self) -> bool:
        try:
            import e2gan_hub  # noqa: F401
        except ImportError:
            return False
        return True

    def add(self, repo: object) -> dict[str, Any]:
        """Pull a concept from the Hub, checked; gives its card.

        On one's own machine it is installed as ``e2gan pull`` does.  For the public its id does not come to mean
        it: who added it has its name, and nobody else sees it.

        Raises:
            E2GANError: it cannot be had, is no sound concept, or is for another base.
        """
        if not self.can_add:
            raise E2GANError("adding concepts needs the package 'e2gan-hub'", hint="pip install e2gan-hub")
        from e2gan_hub.pull import pull
        from e2gan_hub.ref import Ref

        ref = Ref.parse(repo.strip() if isinstance(repo, str) else "")
        if self.public and len(self._added) >= MOST_ADDED:
            raise E2GANError(
                "enough concepts have been added here for now", hint="run the demo on your own machine: e2gan demo"
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", E2GANWarning)  # of publishers seen for the first time: the card says whose
            pulled = pull(ref, list_it=not self.public)
        if not self._fits(pulled.concept):
            raise ConceptError(
                f"{ref}: made for the base '{pulled.concept.base_id}' ({pulled.concept.base_sha256[:12]}…), "
                f"not for '{self.base.id}' ({self.base.sha256[:12]}…)",
                hint="choose a concept for the base that this page runs on",
            )
        registry.cache_clear()
        if pulled.listed and not self.public:
            return self.card(pulled.concept.id, self.find(pulled.concept.id))
        name = f"hub:{ref.repo}@{pulled.commit}"
        self._added[name] = pulled.concept
        return {**self.card(name, pulled.concept), "install": f"e2gan pull {ref.repo}@{pulled.commit}"}


def _install(concept: Concept) -> str:
    if concept.source and concept.source.startswith("hub:"):
        return f"e2gan pull {concept.source.removeprefix('hub:')}"
    return f"pip install {concept.distribution}" if concept.distribution else f"e2gan show {concept.path}"


def _facts(concept: Concept) -> list[tuple[str, str]]:
    recipe = concept.recipe
    selection = recipe.selection
    kept = "all" if selection.method == "all" else f"{selection.clusters}, by {selection.method}"
    return [
        ("Version", concept.version),
        ("Licence", concept.license),
        ("Authors", ", ".join(concept.authors) or "not stated"),
        ("Size", f"{(concept.path / ADAPTER).stat().st_size / 1000:,.0f} kB"),
        ("Base", f"{concept.base_id}, {concept.base_sha256[:12]}"),
        ("Teacher", "; ".join(map(str, recipe.teachers))),
        ("Photos", recipe.source or "not stated"),
        ("Pairs kept", kept),
        ("Ranks", f"{', '.join(map(str, concept.ranks.sampling))}; transformer {concept.ranks.transformer}"),
        ("From", concept.source or concept.distribution or "a folder"),
    ]


def _quality(concept: Concept) -> list[tuple[str, float, str]]:
    quality = concept.quality
    headline = quality.get(str(quality.get("headline")), {})
    figures = {**(headline if isinstance(headline, Mapping) else {}), **quality}
    return [
        (label, float(figures[key]), meaning)
        for key, (label, meaning) in CLOSENESS.items()
        if isinstance(figures.get(key), (int, float))
    ]
