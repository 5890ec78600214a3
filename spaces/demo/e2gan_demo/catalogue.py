"""The concepts that the page offers: the installed ones for its base, and those added from the Hub while it runs."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2gan.about import facts, judgements, measured, verdict
from e2gan.base import Base
from e2gan.concept import Concept, made_for
from e2gan.errors import ConceptError, E2GANError, E2GANWarning
from e2gan.images import PREVIEW, open_image
from e2gan.installing import install_command, install_elsewhere
from e2gan.plugins import registry, reload_registry
from e2gan.tables import shown
from e2gan_demo.disk import KEPT
from e2gan_demo.limits import Buckets

if TYPE_CHECKING:
    from e2gan_hub.ref import Ref

__all__ = ["Catalogue"]

PREVIEW_WIDTH = 640
"""Width of a card's picture, before and after side by side, in pixels."""

MOST_ADDED = 200_000_000
"""Maximum bytes of concepts that strangers have added; a concept has a few hundred thousand."""

ADDITIONS, IN_RESERVE = 1 / 60, 20.0
"""A stranger's requests for concepts, successful or not: number for each second, and at once."""

MOST_BLENDED = 4
"""Maximum concepts in one blend."""


@dataclass
class Added:
    """A concept that a stranger has added."""

    concept: Concept
    size: int
    """In bytes."""
    used: float = field(default_factory=time.monotonic)


class Catalogue:
    """Concepts by their names: those of the installed ones, and ``hub:OWNER/NAME@COMMIT`` for those of strangers."""

    def __init__(self, base: Base, previews: Path, *, live: Base | None = None, strangers: Path | None = None) -> None:
        """Offer the concepts made for ``base``.

        Args:
            previews: the folder for the cards' pictures.
            live: the base for the camera, if it is another one.
            strangers: the folder for visitors' concepts if visitors are strangers.  Then a concept that one of them
                adds is hidden from the others, and uses nothing of the host's: no token, no pulled concept.
        """
        self.base, self.live = base, live
        self.public = strangers is not None
        self._strangers = strangers
        self._added: dict[str, Added] = {}
        self._additions = Buckets(ADDITIONS, IN_RESERVE)
        self._previews = previews
        self._lock = threading.Lock()
        self._adding = threading.Lock()
        previews.mkdir()
        if strangers:
            strangers.mkdir()

    # Concepts on offer

    def concepts(self) -> dict[str, Concept]:
        """The usable installed concepts, by name."""
        installed = ((name, made_for(concept, self.base)) for name, concept in registry().all("concept").items())
        return {name: concept for name, concept in installed if concept}

    def cards(self) -> list[dict[str, Any]]:
        """The card of each installed concept."""
        cards = []
        for id, concept in self.concepts().items():
            with suppress(E2GANError, OSError):  # a bundle may be removed while the page runs
                cards.append(self.card(id, concept))
        return cards

    def find(self, name: object) -> Concept:
        """The installed or added concept with that name.

        The name is untrusted text: it is not used as a path, and nothing is fetched for it.

        Raises:
            ConceptError: no concept has that name.
        """
        concept = None
        if isinstance(name, str):
            concept = registry().all("concept").get(name)
            if concept is None and (added := self._added.get(name)):
                added.used = time.monotonic()
                concept = added.concept
        concept = concept and made_for(concept, self.base)
        if concept is None:
            raise ConceptError(f"no concept {shown(name)} here", hint="choose another, or add it again")
        return concept

    def blend(self, wanted: object) -> dict[Concept, float]:
        """The blend for untrusted JSON: ``{name: weight}``, weights from 0 to 1.

        Raises:
            ConceptError: it is not a blend.
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

    def live_blend(self, wanted: Mapping[str, float]) -> dict[Concept, float] | None:
        """A checked blend for the camera's own base; None if there is none, or a concept is not made for it.

        Args:
            wanted: weight by name.
        """
        blend = {}
        for name, weight in wanted.items():
            if weight:
                if (concept := self._live(name)) is None:
                    return None
                blend[concept] = weight
        return blend

    def _live(self, name: str) -> Concept | None:
        """The installed concept for the camera's own base."""
        concept = registry().all("concept").get(name)
        return made_for(concept, self.live) if concept and self.live else None

    def card(self, name: str, concept: Concept) -> dict[str, Any]:
        """The card of a concept: plain values, with the manifest's text unescaped."""
        return {
            "name": name,
            "title": concept.title,
            "prompt": concept.prompt,
            "description": concept.description,
            "preview": self._preview(concept),
            "install": self._install(concept),
            "live": self._live(name) is not None,
            "facts": [*facts(concept), ("From", concept.source or concept.distribution or "a folder")],
            "verdict": verdict(concept.quality),
            "measured": measured(concept.quality),
            "quality": [(each.label, each.share, each.words) for each in judgements(concept.quality)],
        }

    def _install(self, concept: Concept) -> str | None:
        """The command by which a visitor gets the concept; None if it cannot be had from anywhere."""
        if concept.source and concept.source.startswith("hub:"):
            return f"e2gan pull {concept.source.removeprefix('hub:')}"
        return install_elsewhere(concept.distribution) if concept.distribution else None

    def _preview(self, concept: Concept) -> str | None:
        """File name of the card's picture among the previews; None if the bundle has none."""
        if concept.preview is None:
            return None
        # Named after the bundle's content: a concept may have two versions.
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

    def add(self, repo: object, visitor: str = "") -> dict[str, Any]:
        """Get a concept from the Hub, check it, and return its card.

        On your own machine it is installed as by ``e2gan pull``.  In public use, its id does not mean it: only the
        visitor who added it has its name, and nobody else sees it.

        Raises:
            E2GANError: the concept cannot be fetched, is not sound, or is for another base; or this visitor, or all
                visitors together, have asked for too many.
        """
        if not self.can_add:
            raise E2GANError("adding concepts needs the package 'e2gan-hub'", hint=install_command("e2gan-hub"))
        from e2gan_hub.ref import Ref

        ref = Ref.given(repo if isinstance(repo, str) else "")
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", E2GANWarning
            )  # notes about publishers seen for the first time: the card names the publisher
            return self._pull(ref) if self._strangers is None else self._take_in(ref, visitor, self._strangers)

    def _pull(self, ref: Ref) -> dict[str, Any]:
        """Install a concept; if its id is taken, offer it under its name on the Hub."""
        from e2gan_hub.pull import pull

        pulled = pull(ref)
        self._must_fit(ref, pulled.concept)
        reload_registry()
        name = pulled.concept.id if pulled.listed else f"hub:{pulled.ref.repo}"
        return self.card(name, self.find(name))

    def _take_in(self, ref: Ref, visitor: str, place: Path) -> dict[str, Any]:
        """Get a concept for a stranger: without a token, and within limits in bytes."""
        from e2gan_hub.client import client
        from e2gan_hub.pull import fetch, find

        if not self._additions.take(visitor):
            raise E2GANError("too many concepts were requested", hint="wait a few minutes, or run the demo yourself")
        api = client(token=False)
        found = find(ref, api)
        name = f"hub:{found.ref.repo}@{found.commit}"
        with self._adding:
            if name not in self._added:
                self.sweep()
                if sum(added.size for added in self._added.values()) + found.size > MOST_ADDED:
                    raise E2GANError(
                        "this page cannot take more concepts for now", hint="run the demo on your own machine"
                    )
                folder = place / secrets.token_hex(16)
                try:
                    fetch(found, folder, api)
                    concept = Concept.read(folder, source=name)
                    self._must_fit(ref, concept)
                except BaseException:
                    shutil.rmtree(folder, ignore_errors=True)
                    raise
                self._added[name] = Added(concept, found.size)
        return self.card(name, self.find(name))

    def _must_fit(self, ref: Ref, concept: Concept) -> None:
        if not made_for(concept, self.base):
            raise ConceptError(
                f"{ref}: made for the base '{concept.base_id}' ({concept.base_sha256[:12]}…), "
                f"not for '{self.base.id}' ({self.base.sha256[:12]}…)",
                hint="choose a concept for the base that this page runs on",
            )

    def sweep(self) -> None:
        """Delete strangers' concepts that nobody has used for long."""
        oldest = time.monotonic() - KEPT
        for name in [name for name, added in list(self._added.items()) if added.used < oldest]:
            added = self._added.pop(name)
            shutil.rmtree(added.concept.path, ignore_errors=True)
