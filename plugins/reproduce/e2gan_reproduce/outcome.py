"""What is trained, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from e2gan.concept import Concept
from e2gan.data.folders import Data
from e2gan.models.layout import NO_SKIPS, Keeps, Skips
from e2gan.recipe import Recipe

__all__ = ["Outcome", "Subject"]


@dataclass(frozen=True)
class Subject:
    """The subject of a training: a concept, or something like it."""

    id: str
    prompt: str
    recipe: Recipe
    keeps: Keeps = Keeps.NOTHING
    skips: Skips = NO_SKIPS
    noise: float = 0.0
    data: Data | None = None
    """Photographs, or given pairs, of its own instead of the lab's."""

    @classmethod
    def of(cls, concept: Concept) -> Subject:
        return cls(concept.id, concept.prompt, concept.recipe, concept.keeps, concept.skips, concept.noise)


@dataclass(frozen=True)
class Outcome:
    """A training, measured on its subject's test photos."""

    quality: Mapping[str, Any]
    """`e2gan.evaluation.report.Quality.to_dict`."""
    trained: int
    """Trained parameters."""
    steps: int
    flops: int
    """Operations of the training (`e2gan.training.flops.training_flops`)."""
    seconds: float
    folder: str = field(compare=False, default="")
    """Folder of its pictures: ``photo-0.png``, ``teacher-0.png``, ``edit-0.png`` and so on."""

    @property
    def fid(self) -> float:
        """FID in the headline network's features."""
        return float(self.quality[self.quality["headline"]]["fid"])

    @property
    def fid_ratio(self) -> float:
        """FID as a share of the unedited photos' FID."""
        return float(self.quality[self.quality["headline"]]["fid_ratio"])

    def error(self, *, ratio: bool) -> float:
        """The standard error of `fid`, or of `fid_ratio`, over the test photographs, from its 95 % interval."""
        low, high = self.quality[self.quality["headline"]]["fid_ratio_interval"]
        unedited = 1.0 if ratio or not self.fid_ratio else self.fid / self.fid_ratio
        return (high - low) / (2 * 1.96) * unedited
