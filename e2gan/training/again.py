"""Training a concept again for a few steps, twice, to see whether its recipe gives the same adapter each time."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from e2gan.concept import ADAPTER, MANIFEST, Concept
from e2gan.data.folders import Data
from e2gan.data.make_pairs import find_inputs
from e2gan.data.sources import photographs
from e2gan.errors import DataError, TrainingError
from e2gan.files import atomic_write, sha256_file, temporary_folder
from e2gan.progress import Progress
from e2gan.training.concept import train_concept

__all__ = ["PHOTOS", "STEPS", "train_again"]

STEPS = 20
PHOTOS = 16
"""Photographs that the short trainings see, the first of the training split; given pairs are all used."""


def train_again(
    concept: Concept,
    data: Data | None,
    *,
    workers: int | None = None,
    device: str | None = None,
    progress: Progress | None = None,
) -> str:
    """Make pairs and train by the concept's recipe for `STEPS` steps, twice, from nothing; the bundle stays as it is.

    Both runs are on this machine: on another one, rounding may differ.

    Returns:
        The SHA-256 of the adapter, the same both times.

    Raises:
        TrainingError: the two adapters differ.
        E2GANError: it cannot be trained here, for example because its teacher is not installed.
    """
    progress = progress or Progress()
    with temporary_folder() as place:
        data = _few(photographs(data, concept.recipe, place / "source", progress), concept, place / "photos")
        digests = []
        for turn in ("first", "second"):
            progress.stage(f"train for {STEPS} steps, the {turn} time")
            bundle = place / turn / "bundle"
            _write_short(concept, bundle)
            train_concept(
                bundle,
                data,
                work=place / turn / "work",
                workers=workers,
                device=device,
                until="train",
                progress=progress,
            )
            digests.append(sha256_file(bundle / ADAPTER))
    if digests[0] != digests[1]:
        raise TrainingError(
            f"two trainings of {STEPS} steps give different adapters: {digests[0][:12]}… and {digests[1][:12]}…",
            hint="the teacher may not give the same picture every time; compare two runs of e2gan distill",
        )
    return digests[0]


def _few(data: Data, concept: Concept, folder: Path) -> Data:
    """Some of the training photos, copied into ``folder``."""
    if concept.recipe.given:
        return data
    train = [photo for split, photo in find_inputs(data, concept.recipe) if split == "train"]
    if not train:
        raise DataError("none of the photos is in the training split", hint="put them into folders train, val and test")
    (folder / "train").mkdir(parents=True)
    for number, photo in enumerate(train[:PHOTOS]):
        shutil.copyfile(photo, folder / "train" / f"{number:03}{os.path.splitext(photo)[1]}")
    return folder


def _write_short(concept: Concept, bundle: Path) -> None:
    """The concept's recipe alone, with fewer steps."""
    import tomlkit

    manifest = {key: value for key, value in concept.manifest.items() if key not in ("quality", "training", "tone")}
    recipe = {**manifest["recipe"], "training": {**manifest["recipe"].get("training", {}), "steps": STEPS}}
    bundle.mkdir(parents=True)
    atomic_write(bundle / MANIFEST, tomlkit.dumps({**manifest, "recipe": recipe}))
