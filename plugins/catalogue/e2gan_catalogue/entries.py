"""What the site says about one concept."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2gan.about import Judgement, facts, judgements, measured, verdict
from e2gan.concept import FILES, Concept, check_bundle
from e2gan.errors import ConceptError
from e2gan.files import read_bytes
from e2gan_catalogue.getting import Step, steps_to_get
from e2gan_catalogue.pictures import Pictures, write_pictures

__all__ = ["Entry", "write_entry"]

STAMP = (1980, 1, 1, 0, 0, 0)
"""The time of all files in an archive, so that the same bundle gives the same archive."""


@dataclass(frozen=True)
class Entry:
    """A concept on the site."""

    concept: Concept
    slug: str
    """Its name in addresses, which no other entry has."""
    pictures: Pictures | None
    archive: str
    """Path of the bundle's archive below the site."""
    archive_bytes: int
    verdict: str
    """How good it is, in a few words."""
    measured: str
    """What that is based on, as a sentence."""
    judgements: list[Judgement]
    facts: list[tuple[str, str]]
    steps: list[Step]

    @property
    def page(self) -> str:
        """Path of its page below the site."""
        return f"concepts/{self.slug}.html"

    @property
    def words(self) -> str:
        """What the search looks through."""
        concept = self.concept
        teachers = " ".join(map(str, concept.recipe.teachers))
        texts = (concept.id, concept.title, concept.prompt, concept.description, teachers, *concept.authors)
        return " ".join((*texts, concept.license, concept.base_id)).lower()

    @property
    def closeness(self) -> float:
        """From 0 to 1, to sort by; below 0 if nothing was measured."""
        return self.judgements[0].share if self.judgements else -1.0

    def data(self) -> dict[str, Any]:
        """For programs."""
        concept = self.concept
        return {
            "id": concept.id,
            "title": concept.title,
            "version": concept.version,
            "prompt": concept.prompt,
            "description": concept.description,
            "license": concept.license,
            "authors": list(concept.authors),
            "base": {"id": concept.base_id, "sha256": concept.base_sha256},
            "page": self.page,
            "bundle": self.archive,
            "bytes": self.archive_bytes,
        }

    def card(self, root: str) -> dict[str, Any]:
        """The card of the page that edits; ``root`` leads from there to the site."""
        pictures = self.pictures
        return {
            "name": self.concept.id,
            "title": self.concept.title,
            "prompt": self.concept.prompt,
            "description": self.concept.description,
            "preview": root + pictures.after[max(w for w in pictures.after if w <= 512)] if pictures else None,
            "whole": True,
            "verdict": self.verdict,
            "measured": self.measured,
            "quality": [(each.label, each.share, each.words) for each in self.judgements],
            "facts": self.facts,
            "link": root + self.page,
        }


def write_entry(concept: Concept, site: Path, slug: str) -> Entry:
    """Check a concept, and write its pictures and its archive.

    Raises:
        ConceptError: the bundle is damaged, not trained, or not there any more; nothing was written.
    """
    check_bundle(concept)
    try:
        data, rows = _archived(concept), facts(concept)
    except OSError as fault:
        raise ConceptError(f"{concept.path}: {fault.strerror or fault}") from fault
    archive = f"bundles/{slug}-{concept.version}.zip"
    (site / archive).parent.mkdir(exist_ok=True)
    (site / archive).write_bytes(data)
    return Entry(
        concept=concept,
        slug=slug,
        pictures=write_pictures(concept, site, slug),
        archive=archive,
        archive_bytes=len(data),
        verdict=verdict(concept.quality),
        measured=measured(concept.quality),
        judgements=judgements(concept.quality),
        facts=rows,
        steps=steps_to_get(concept, Path(archive).name),
    )


def _archived(concept: Concept) -> bytes:
    """A zip of the bundle, as a folder that is named after the concept."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, limit in FILES.items():
            if (concept.path / name).is_file():
                entry = zipfile.ZipInfo(f"{concept.id}/{name}", STAMP)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, read_bytes(concept.path / name, limit=limit, error=ConceptError))
    return buffer.getvalue()
