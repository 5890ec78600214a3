"""Trainings: each is run once, measured, and stored under all that determines it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import nn

from e2gan.data.folders import Data, find_photos, folders_of, named
from e2gan.data.import_dataset import REAL
from e2gan.data.pairs import Pair, Pairs
from e2gan.embedders import Embedder
from e2gan.errors import DataError
from e2gan.evaluation.fid import fid
from e2gan.evaluation.inception import Inception, find_inception
from e2gan.evaluation.measure import photograph
from e2gan.evaluation.report import FEATURES, NETWORKS, evaluate
from e2gan.files import atomic_path
from e2gan.images import open_image
from e2gan.kept import folder_of, kept
from e2gan.models.pixels import to_images
from e2gan.progress import Progress
from e2gan.recipe import TrainingRecipe
from e2gan.training.batches import ConceptPairs
from e2gan.training.flops import training_flops
from e2gan.training.trainer import Trainer
from e2gan_baselines.training import trainer_of
from e2gan_reproduce.outcome import Outcome, Subject
from e2gan_reproduce.scale import Scale

__all__ = ["Networks", "Trainings"]

Networks = tuple[nn.Module, nn.Module]
"""A generator and its discriminator."""

SHOWN = 4
"""Number of test photos whose edits are stored for the sheet."""


class Trainings:
    """The trainings in a folder.

    Args:
        data: the folder of photographs, or several.
        folder: holds the trainings.
        scale: how much of the paper's work is done.
        seed: for every training and every random choice.
        device: as for `Trainer`.
    """

    def __init__(
        self,
        data: Data,
        folder: Path,
        scale: Scale,
        *,
        seed: int = 0,
        device: str | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.data, self.folder, self.scale = data, folder, scale
        self.seed, self.device, self.progress = seed, device, progress or Progress()
        self.seconds = 0.0
        """Seconds of all requested trainings, including those stored by earlier runs."""

    @cached_property
    def real(self) -> list[Image.Image]:
        """The other kind's test pictures of an unpaired data set, in the edits' size."""
        folders = [folder / REAL / "test" for folder in folders_of(self.data) if (folder / REAL / "test").is_dir()]
        side = (self.scale.crop, self.scale.crop)
        photos = [photo for folder in folders for _, photo in find_photos(folder)]
        return [ImageOps.fit(open_image(photo, opaque=True), side) for photo in photos]

    @cached_property
    def networks(self) -> dict[str, Embedder]:
        """Inception if it is on this machine, and the networks that always measure; at a small scale only the first."""
        weights = find_inception(None)
        makers: dict[str, Callable[[], Embedder]] = {} if weights is None else {"inception": lambda: Inception(weights)}
        makers.update(NETWORKS)
        names = list(makers) if self.scale.second else list(makers)[:1]
        return {name: _Remembering(makers[name]()) for name in names}

    @property
    def features(self) -> str:
        """The headline network's label."""
        name = next(iter(self.networks))
        return FEATURES.get(name, name)

    def measured(
        self,
        name: str,
        subject: Subject,
        make: Callable[[], Networks],
        recipe: TrainingRecipe,
        learnt: ConceptPairs,
        pairs: Pairs,
        made_from: Mapping[str, Any],
    ) -> Outcome:
        """Train what ``make`` returns and measure it, unless that was done before.

        It is measured on the test photos of ``pairs``.

        Raises:
            DataError: the subject has fewer than two test photos.
        """
        test = pairs.splits.get("test", ())
        if len(test) < 2:
            raise DataError(f"{named(self.data)}: {len(test)} test photos, which is too few to measure on")
        recipe = replace(recipe, seed=self.seed)
        made_from = {**made_from, "test": [pair.key for pair in test]}
        if self.real:
            made_from["real"] = hashlib.sha256(b"".join(picture.tobytes() for picture in self.real)).hexdigest()
        folder = self.folder_of(f"{subject.id}-{name}", recipe, [learnt], made_from)

        def train() -> dict[str, Any]:
            self.progress.stage(f"{subject.id}: {name}, {len(learnt.train)} pairs")
            return asdict(self._measure(self.trained(make, recipe, [learnt], folder), learnt, test, folder))

        outcome = replace(Outcome(**kept(folder / "outcome.json", train)), folder=str(folder))
        (folder / "checkpoint.pt").unlink(missing_ok=True)
        self.seconds += outcome.seconds
        return outcome

    def trained(
        self, make: Callable[[], Networks], recipe: TrainingRecipe, learnt: Sequence[ConceptPairs], folder: Path
    ) -> Trainer:
        """Train to the end; a stopped run continues."""
        torch.manual_seed(self.seed)
        generator, discriminator = make()
        trainer = trainer_of(recipe)(
            generator, discriminator, learnt, recipe, folder, device=self.device, report=self.progress.advance
        )
        trainer.run()
        trainer.generator.eval()
        return trainer

    def _measure(self, trainer: Trainer, learnt: ConceptPairs, test: Sequence[Pair], folder: Path) -> Outcome:
        photos: list[Image.Image] = []
        edits: list[Image.Image] = []
        targets: list[Image.Image] = []
        for pair in test:
            batch, edit = trainer.edit(pair, learnt, side=self.scale.crop)
            for pictures, x in zip((photos, edits, targets), (batch.photo, edit, batch.target), strict=True):
                pictures += to_images(x)
        for number, i in enumerate(np.linspace(0, len(test) - 1, min(SHOWN, len(test)))):
            for name, pictures in (("photo", photos), ("teacher", targets), ("edit", edits)):
                with atomic_path(folder / f"{name}-{number}.png") as temporary:
                    pictures[int(i)].save(temporary)
        groups = [photograph(pair.source) for pair in test]
        quality = evaluate(photos, edits, targets, groups, networks=self.networks).to_dict()
        if self.real:
            embed = next(iter(self.networks.values()))
            quality["fid_to_real"] = fid(embed(edits), embed(self.real))
            quality["unedited_to_real"] = fid(embed(photos), embed(self.real))
        generator, discriminator = trainer.networks
        return Outcome(
            quality=quality,
            trained=sum(p.numel() for p in generator.parameters() if p.requires_grad),
            steps=trainer.steps,
            flops=training_flops(
                replace(trainer.recipe, steps=trainer.steps),
                generator,
                discriminator,
                learnt.prompt.shape[1],
                keeps=learnt.keeps,
                objective=trainer.objective_type,
            ),
            seconds=round(trainer.seconds, 1),
        )

    def folder_of(
        self, name: str, recipe: TrainingRecipe, learnt: Sequence[ConceptPairs], made_from: Mapping[str, Any]
    ) -> Path:
        """The folder of a training, named by a digest of all that determines it."""
        return folder_of(
            self.folder / name,
            {
                **made_from,
                "training": recipe.to_dict(),
                "learnt": [
                    [
                        concept.id,
                        concept.keeps,
                        concept.skips,
                        concept.noise,
                        hashlib.sha256(concept.prompt.tobytes()).hexdigest(),
                        [pair.key for pair in concept.train],
                    ]
                    for concept in learnt
                ],
            },
            digits=10,
        )

    def timed(self, make: Callable[[], Networks], recipe: TrainingRecipe, learnt: ConceptPairs, steps: int) -> float:
        """Mean seconds per step over ``steps`` steps, after a warm-up step; the training is discarded."""
        torch.manual_seed(self.seed)
        generator, discriminator = make()
        recipe = replace(recipe, steps=10_000)
        trainer = trainer_of(recipe)(
            generator, discriminator, [learnt], recipe, self.folder / "timed", device=self.device
        )
        trainer.train_step()
        started = time.perf_counter()
        for step in range(steps):
            trainer.step = step + 1
            trainer.train_step()
        return (time.perf_counter() - started) / steps


class _Remembering:
    """An embedder that embeds each picture once: every training of a concept is measured on the same pictures."""

    def __init__(self, embed: Embedder) -> None:
        self.embed = embed
        self.known: dict[str, np.ndarray] = {}

    def __call__(self, images: Sequence[Image.Image]) -> np.ndarray:
        keys = [hashlib.sha256(image.tobytes()).hexdigest() for image in images]
        new = {key: image for key, image in zip(keys, images, strict=True) if key not in self.known}
        if new:
            self.known.update(zip(new, self.embed(list(new.values())), strict=True))
        return np.stack([self.known[key] for key in keys])
