"""Sifting the teachers' edits: reject bad pairs, and keep the best of several edits of a photo."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from e2gan.data.bestof import best, find_judge, scores
from e2gan.data.crew import Job
from e2gan.data.reject import Figures, measure_files, reason
from e2gan.files import atomic_write
from e2gan.kept import read_state
from e2gan.processes import default_workers
from e2gan.progress import Progress
from e2gan.recipe import Recipe
from e2gan.tables import canonical_json

__all__ = ["BEATEN", "Edit", "Verdict", "sift"]

BEATEN = "not the best"
"""The reason for leaving out a good edit: another teacher's edit is better."""

CACHE = "measured.json"
"""The file in the folder of pairs that holds what was measured, by the pictures' distinct names."""


@dataclass(frozen=True)
class Edit:
    """A teacher's picture of a photo."""

    job: Job
    split: str
    source: str
    """The photo's name in its folder."""
    teacher: int
    """The teacher's number in the recipe."""

    @property
    def name(self) -> str:
        """A name that no other picture of the folder has."""
        return f"{self.split}/{self.job.output.name}"


@dataclass
class Verdict:
    """The result for all edits; each is in ``kept`` or in ``rejected``."""

    kept: list[Edit] = field(default_factory=list)
    rejected: dict[Edit, str] = field(default_factory=dict)
    """Edit → reason: one of :data:`e2gan.data.reject.REASONS`, or `BEATEN`."""
    figures: dict[Edit, Figures] = field(default_factory=dict)
    """Empty if the recipe neither rejects nor compares edits."""
    scores: dict[Edit, float] = field(default_factory=dict)
    """Scores of the edits that are not bad, if there are several teachers."""
    judge: str = ""
    """The judge that chose the best edits."""


def sift(folder: Path, edits: Sequence[Edit], recipe: Recipe, prompt: str, progress: Progress) -> Verdict:
    """Judge edits whose pictures are below ``folder``; earlier measurements are reused.

    Raises:
        DataError: a picture is damaged.
        PluginError, MissingExtraError, E2GANError: the judge cannot be loaded.
    """
    several = len(recipe.teachers) > 1
    if not several and recipe.rejection is None:
        (folder / CACHE).unlink(missing_ok=True)
        return Verdict(list(edits))
    cache = _read(folder / CACHE)
    verdict = Verdict(figures=_figures(edits, cache, progress))
    if limits := recipe.rejection:
        reasons = {edit: reason(verdict.figures[edit], limits) for edit in edits}
        verdict.rejected = {edit: why for edit, why in reasons.items() if why}
    good = [edit for edit in edits if edit not in verdict.rejected]
    if several and good:
        _compare(good, verdict, recipe, prompt, cache, progress)
    verdict.kept = [edit for edit in good if edit not in verdict.rejected]
    here = {edit.name for edit in edits}
    cache["figures"] = {name: row for name, row in cache["figures"].items() if name in here}
    atomic_write(folder / CACHE, json.dumps(cache))
    return verdict


def _figures(edits: Sequence[Edit], cache: dict[str, Any], progress: Progress) -> dict[Edit, Figures]:
    """The figures of each edit; new ones are added to the cache."""
    by_name: dict[str, Any] = cache["figures"]
    new = [edit for edit in edits if edit.name not in by_name]
    if new:
        progress.stage(f"measure {len(new)} edits")
        # Threads: decoding and arithmetic on whole pictures release Python's lock.
        with ThreadPoolExecutor(default_workers()) as pool:
            measured = pool.map(lambda edit: measure_files(edit.job.input, edit.job.output), new)
            for done, (edit, figures) in enumerate(zip(new, measured), start=1):
                by_name[edit.name] = [figures.contrast, figures.change, figures.structure]
                progress.advance(done, len(new), {})
    return {edit: Figures(*by_name[edit.name]) for edit in edits}


def _compare(
    good: Sequence[Edit], verdict: Verdict, recipe: Recipe, prompt: str, cache: dict[str, Any], progress: Progress
) -> None:
    """Score the good edits, and reject all but the best of each photo."""
    judge = find_judge(recipe.best_of, prompt)
    verdict.judge = judge.name
    # One edit more or less can change every score, so they are cached together or not at all.
    question = canonical_json({"judge": judge.name, "prompt": prompt, "edits": [edit.name for edit in good]}).decode()
    if cache["question"] != question:
        progress.stage(f"compare {len(good)} edits by {judge.name}")
        photos, pictures = [edit.job.input for edit in good], [edit.job.output for edit in good]
        new_scores = scores(judge, photos, pictures, [verdict.figures[edit].structure for edit in good])
        cache["scores"] = [round(float(score), 4) for score in new_scores]
        cache["question"] = question
    verdict.scores = dict(zip(good, cache["scores"], strict=True))
    of_photo: dict[str, list[Edit]] = {}
    for edit in good:
        of_photo.setdefault(edit.source, []).append(edit)
    for rivals in of_photo.values():
        winner = best([verdict.scores[edit] for edit in rivals])
        verdict.rejected |= {edit: BEATEN for place, edit in enumerate(rivals) if place != winner}


def _read(file: Path) -> dict[str, Any]:
    """The cache, or an empty one if it is missing or not in this program's format."""
    empty: dict[str, Any] = {"figures": {}, "question": "", "scores": []}
    cache = read_state(file)
    try:
        sound = (
            cache.keys() == empty.keys()
            and all(len(row) == 3 and all(0 <= figure <= 1 for figure in row) for row in cache["figures"].values())
            and all(isinstance(score, (int, float)) for score in cache["scores"])
        )
    except (TypeError, AttributeError):
        return empty
    return cache if sound else empty
