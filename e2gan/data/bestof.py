"""The best of several teachers' edits of a photo (paper section 4.1: "the best perceptual result is kept").

An edit's score is how well its step, from photo to edit in a network's space, points where the concept points,
and less if the edit leaves the photo's contours behind:

    score = cos(step, concept) × min(1, structure / 0.2)

**If a CLIP model is on this computer**, the concept's direction is the step from "a photo" to its prompt in
CLIP's text space: the directional similarity of StyleGAN-NADA (Gal et al., 2022), by which InstructPix2Pix (Brooks
et al., 2023) chose its pairs.

**If CLIP is missing**, nothing here can read the prompt, so the edits themselves say what the concept is: its
direction is the mean of all steps, of all teachers and photos, in an embedder's space.  This is a vote, and right if
most edits are: occasional failures point elsewhere.  If one teacher fails throughout, the vote may side with
the failures if they are alike.

Measured with EfficientNet-Lite0 on 32 landscapes as a painting, a pencil sketch, an autumn and a dusk, with one good
and one bad edit of each photo: the good edit always wins over the photo itself, another photo's and a black picture,
and about eight times of ten or more over an edit of half the strength.  Over a noisy or a blurred one, or one of
another style, it wins nine times of ten if such failures are the exception (a quarter of one teacher's edits), but
not for the dusk, which looks much like them to the network, and not if a teacher fails like this throughout.

Structure counts only up to 0.2, because a painting is not better for keeping more of the photo: beyond that,
the score would reward doing little.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from e2gan.data.pairs import open_made
from e2gan.embedders import ClipImage, Embedder
from e2gan.errors import E2GANError
from e2gan.plugins import registry
from e2gan.recipe import BestOf

__all__ = ["ENOUGH", "Judge", "best", "find_judge", "scores"]

ENOUGH = 0.2
"""Structure at which an edit has kept enough of its photo."""

CHUNK = 64
"""Pictures in memory at a time."""


class Judge(Protocol):
    """Tells which edit is better."""

    name: str
    """For reports, and to recognise another judge's scores."""
    embed: Embedder

    def direction(self, steps: np.ndarray) -> np.ndarray:
        """The concept's direction, (D,) of any length; ``steps`` are the edits' steps, (N, D), each of length 1."""
        ...


def find_judge(choice: BestOf, prompt: str) -> Judge:
    """CLIP if it is on this computer and there is a prompt to compare with, otherwise the embedder.

    Nothing is downloaded: a CLIP model that is only partly here counts as missing.

    Raises:
        PluginError: there is no such embedder.
        E2GANError: the CLIP is a folder that cannot be read.
    """
    model = os.path.expanduser(choice.clip)
    if prompt and _is_here(model, choice.revision):
        clip = ClipImage(model, choice.revision, download=False)
        try:
            clip.load()
            return _Clip(f"CLIP {model}", clip, prompt)
        except E2GANError:
            if os.path.isdir(model):  # named explicitly, so another judge must not replace it
                raise
    return _Consensus(choice.embedder)


def scores(judge: Judge, photos: Sequence[Path], edits: Sequence[Path], structure: Sequence[float]) -> np.ndarray:
    """The score of each edit, (N,) in [-1, 1]; a photo with several edits appears once for each.

    Raises MissingExtraError or E2GANError: the judge's network cannot be loaded, or a picture cannot be read.
    """
    distinct = list(dict.fromkeys(photos))
    before = dict(zip(distinct, _embed(judge.embed, distinct)))
    steps = _unit(_embed(judge.embed, edits) - np.stack([before[photo] for photo in photos]))
    cosines = steps @ _unit(judge.direction(steps))
    faithfulness = np.minimum(1, np.asarray(structure, np.float64) / ENOUGH)
    # An edit in the wrong direction is not better for leaving the photo behind.
    return np.where(cosines > 0, cosines * faithfulness, cosines)


def best(scores: Sequence[float]) -> int:
    """The index of the edit to keep: the highest score, or among equal ones the first teacher of the recipe."""
    return int(np.argmax(scores))


def _embed(embed: Embedder, files: Sequence[Path]) -> np.ndarray:
    """(N, D) float64, the pictures read a few at a time."""
    parts = (files[start : start + CHUNK] for start in range(0, len(files), CHUNK))
    return np.concatenate([embed([open_made(file) for file in part]) for part in parts]).astype(np.float64)


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors of length 1 along the last axis; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    units: np.ndarray = vectors / np.where(lengths > 0, lengths, 1)
    return units


class _Consensus:
    """The direction in which most edits go."""

    def __init__(self, embedder: str) -> None:
        self.name = embedder
        self.embed: Embedder = registry().get("embedder", embedder).factory()

    def direction(self, steps: np.ndarray) -> np.ndarray:
        mean: np.ndarray = steps.mean(axis=0)
        return mean


class _Clip:
    """The direction in which the prompt points."""

    def __init__(self, name: str, clip: ClipImage, prompt: str) -> None:
        self.name = name
        self._clip, self._prompt = clip, prompt
        self.embed: Embedder = clip

    def direction(self, steps: np.ndarray) -> np.ndarray:
        before, after = self._clip.texts(["a photo", self._prompt])
        step: np.ndarray = after - before
        return step


def _is_here(model: str, revision: str) -> bool:
    """Whether a CLIP model is a folder, or at least its configuration is in the Hub's cache."""
    if os.path.isdir(model):
        return True
    try:
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError
    except ImportError:
        return False
    try:
        return isinstance(try_to_load_from_cache(model, "config.json", revision=revision), str)
    except HFValidationError:  # the path of a folder that is not there
        return False
