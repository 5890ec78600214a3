"""The trainings behind the tables, by what is trained."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from e2gan.base import Base, write_base
from e2gan.concept import Concept
from e2gan.data.folders import Data, find_photos, named
from e2gan.data.make_pairs import distilled_pairs
from e2gan.data.pairs import Pairs
from e2gan.data.selection import select_pairs
from e2gan.errors import DataError
from e2gan.files import atomic_path
from e2gan.kept import kept
from e2gan.models.discriminator import Discriminator, load_discriminator
from e2gan.models.generator import Generator
from e2gan.models.layout import NO_SKIPS, GeneratorConfig, Keeps, Ranks
from e2gan.models.lora import attach
from e2gan.models.prompt import PromptEncoder
from e2gan.progress import Progress
from e2gan.recipe import Candidate, Recipe, Selection, TeacherChoice, TrainingRecipe
from e2gan.training.batches import ConceptPairs
from e2gan.training.flops import adapter_flops, training_flops
from e2gan_baselines.baseline import Baseline, make_baseline
from e2gan_baselines.training import BaselineObjective, BaselineRecipe
from e2gan_reproduce.outcome import Outcome, Subject
from e2gan_reproduce.scale import Scale
from e2gan_reproduce.trainings import Networks, Trainings

__all__ = ["FULL_RATE", "Lab"]

FULL_RATE = 2e-4
"""The paper's learning rate for whole weights; an adapter's, whose factors begin near zero, is higher."""

BY_ITSELF: dict[str, Any] = {"keeps": Keeps.NOTHING, "skips": NO_SKIPS, "noise": 0.0}
"""Settings of E²GAN's concepts that other models do not have."""


class Lab(Trainings):
    """Photographs, a base and concepts, with the trainings on them.

    Args:
        data: the folder of photographs, or several.
        work: holds a concept's pairs in ``ID/pairs``, like ``runs`` after `e2gan train`; trainings go to ``reproduce``.
        scale: how much of the paper's work is done.
        base: adapters are trained on it.
        subjects: the concepts to train.
        concepts: the same, as they are on disk, for tables that train nothing.
        seed: for every training and every random choice.
        device: as for `Trainer`.
    """

    def __init__(
        self,
        data: Data,
        work: Path,
        scale: Scale,
        base: Base,
        subjects: Sequence[Subject],
        *,
        concepts: Sequence[Concept] = (),
        seed: int = 0,
        device: str | None = None,
        progress: Progress | None = None,
    ) -> None:
        super().__init__(data, work / "reproduce", scale, seed=seed, device=device, progress=progress)
        self.work, self.base, self.subjects, self.concepts = work, base, tuple(subjects), tuple(concepts)
        self._pairs: dict[str, Pairs] = {}

    # Data

    def pairs(self, subject: Subject) -> Pairs:
        """The subject's pairs, which are made or read once."""
        if subject.id not in self._pairs:
            folder = self.work / subject.id / "pairs"
            self._pairs[subject.id] = distilled_pairs(
                subject.data or self.data, folder, subject.recipe, prompt=subject.prompt, progress=self.progress
            )
        return self._pairs[subject.id]

    def learnt(self, subject: Subject, selection: Selection | None = None) -> ConceptPairs:
        """The training pairs: all, or a selection."""
        train = self.pairs(subject).split("train")
        if selection is not None:
            train = select_pairs(train, selection, self.seed, cache=self.work / subject.id / "embeddings")
        return ConceptPairs(
            subject.id, self.tokens(subject.prompt), train, [], subject.keeps, subject.skips, subject.noise
        )

    def tokens(self, prompt: str) -> np.ndarray:
        return self._encoder.encode(prompt)

    @cached_property
    def _encoder(self) -> PromptEncoder:
        return PromptEncoder()

    # Trainings

    def adapter(
        self,
        subject: Subject,
        *,
        base: Base | None = None,
        ranks: Ranks | None = None,
        selection: Selection | None = None,
        longer: int = 1,
        prompt: np.ndarray | None = None,
    ) -> Outcome:
        """An adapter, trained by the concept's recipe with the given changes.

        Args:
            base: instead of the lab's.
            ranks: instead of the recipe's.
            selection: instead of the recipe's.
            longer: factor for the scale's steps or epochs.
            prompt: tokens (T, D) instead of the prompt's.
        """
        base = base or self.base
        recipe = self._length(subject.recipe.training, self.scale.adapter_steps, 100, longer)
        ranks = ranks or recipe.adapter_ranks
        recipe = replace(recipe, ranks=ranks.sampling, transformer_rank=ranks.transformer)
        learnt = self.learnt(subject, selection or subject.recipe.selection)
        if prompt is not None:
            learnt = replace(learnt, prompt=prompt)
        return self.measured(
            "adapter",
            subject,
            lambda: (attach(base.generator().train(), ranks), _judge(base)),
            recipe,
            learnt,
            self.pairs(subject),
            {"base": [base.sha256, base.discriminator_sha256]},
        )

    def tuned(self, name: str, subject: Subject, tune: Callable[[Generator], nn.Module], rate: float) -> Outcome:
        """The base's generator on a concept's selected pairs, tuned as ``tune`` prepares it."""
        recipe = self._length(subject.recipe.training, self.scale.adapter_steps, 100)
        return self.measured(
            name,
            subject,
            lambda: (tune(self.base.generator().train()), _judge(self.base)),
            replace(recipe, learning_rate=rate),
            self.learnt(subject, subject.recipe.selection),
            self.pairs(subject),
            {"base": [self.base.sha256, self.base.discriminator_sha256], "way": name},
        )

    def scratch(self, subject: Subject, config: GeneratorConfig) -> Outcome:
        """A generator trained from fresh weights on all pairs with the concept's losses."""
        recipe = self._length(
            replace(subject.recipe.training, learning_rate=FULL_RATE), self.scale.generator_steps, 200
        )
        shape = config.to_dict()
        learnt, pairs = self.learnt(subject), self.pairs(subject)
        return self.measured("scratch", subject, lambda: _fresh(config), recipe, learnt, pairs, {"shape": shape})

    def baseline(self, subject: Subject, id: str, *, start: Mapping[str, torch.Tensor] | None = None) -> Outcome:
        """Another model, trained from scratch or from the weights ``start`` on all pairs as in its paper."""
        learnt = replace(self.learnt(subject), **BY_ITSELF)
        baseline = self.fresh_baseline(id)
        recipe = self.baseline_recipe(id, baseline, self._adapter_flops(subject))

        def make() -> Networks:
            again = self.fresh_baseline(id)
            if start is not None:
                again.generator.load_state_dict(start)
            return again.generator, again.discriminator

        made_from = {"model": id, "start": None if start is None else _digest(start)}
        return self.measured(id, subject, make, recipe, learnt, self.pairs(subject), made_from)

    def fresh_baseline(self, id: str, side: int | None = None) -> Baseline:
        """A baseline with fresh weights; if it takes only one size, for ``side`` pixels, by default the scale's."""
        torch.manual_seed(self.seed)
        sides = {"side": side or self.scale.crop} if id == "comodgan" else {}
        return make_baseline(id, self.base.config.prompt_dim, **sides)

    def baseline_recipe(self, id: str, made: Baseline, of_adapter: int) -> BaselineRecipe:
        """The model's own recipe, reduced to the scale."""
        recipe = replace(made.recipe, crop=self.scale.crop, seed=self.seed)
        if self.scale.work is None:
            return recipe
        recipe = replace(recipe, batch_size=min(4, recipe.batch_size))
        probe = 16
        flops = training_flops(
            replace(recipe, steps=probe),
            made.generator,
            made.discriminator,
            self.base.config.prompt_dim,
            objective=BaselineObjective,
        )
        return replace(recipe, steps=max(1, round(self.scale.work * of_adapter * probe / flops)))

    def _adapter_flops(self, subject: Subject) -> int:
        recipe = self._length(subject.recipe.training, self.scale.adapter_steps, 100)
        steps = recipe.steps or recipe.epochs * subject.recipe.selection.clusters
        return adapter_flops(replace(recipe, steps=steps), self.base, subject.keeps)

    def train_base(
        self, name: str, learnt: Sequence[ConceptPairs], recipe: TrainingRecipe, config: GeneratorConfig
    ) -> Base:
        """A base, trained once on several concepts."""
        recipe = replace(recipe, seed=self.seed, crop=self.scale.crop)
        if self.scale.base_steps is not None:
            recipe = replace(recipe, steps=self.scale.base_steps, batch_size=1)
        folder = self.folder_of(f"base-{name}", recipe, learnt, {"shape": config.to_dict()})
        if not (folder / "base/base.toml").is_file():
            self.progress.stage(f"train the base '{name}' on {len(learnt)} concepts")
            trainer = self.trained(lambda: _fresh(config), recipe, learnt, folder)
            write_base(
                folder / "base",
                id=f"{name}-base",
                title=name,
                version="1.0.0",
                license="apache-2.0",
                config=config,
                generator=trainer.generator_state(),
                discriminator=trainer.discriminator_state(),
                training={**trainer.record(), "concepts": [concept.id for concept in learnt]},
            )
            (folder / "checkpoint.pt").unlink(missing_ok=True)
        base = Base.read(folder / "base")
        self.seconds += base.manifest["training"]["seconds"]
        return base

    def mixed(self, id: str, learnt: Sequence[ConceptPairs]) -> dict[str, torch.Tensor]:
        """A baseline's generator, trained once on several concepts like a base."""
        baseline = self.fresh_baseline(id)
        recipe = replace(baseline.recipe, crop=self.scale.crop, seed=self.seed)
        if self.scale.base_steps is not None:
            recipe = replace(recipe, steps=self.scale.base_steps)
        folder = self.folder_of(f"mixed-{id}", recipe, learnt, {"model": id})
        weights = folder / "generator.pt"

        def train() -> dict[str, Any]:
            self.progress.stage(f"pre-train {id} on {len(learnt)} concepts")
            trainer = self.trained(lambda: (baseline.generator, baseline.discriminator), recipe, learnt, folder)
            with atomic_path(weights) as temporary:
                torch.save(trainer.networks.generator.state_dict(), temporary)
            return {"seconds": trainer.seconds}

        spent = kept(folder / "seconds.json", train, sound=lambda result: "seconds" in result and weights.is_file())
        (folder / "checkpoint.pt").unlink(missing_ok=True)
        self.seconds += spent["seconds"]
        state: dict[str, torch.Tensor] = torch.load(weights, weights_only=True, map_location="cpu")
        return state

    def candidate(self, candidate: Candidate) -> ConceptPairs:
        """The pairs from which a base learns a candidate: all pairs of the scale's number of photographs."""
        recipe = Recipe((TeacherChoice(candidate.teacher, candidate.teacher_options),))
        folder = self.folder / f"candidates-{self.scale.base_photos or 'all'}" / candidate.id
        pairs = distilled_pairs(self.photographs, folder, recipe, prompt=candidate.prompt, progress=self.progress)
        return ConceptPairs(
            candidate.id,
            self.tokens(candidate.prompt),
            pairs.split("train"),
            [],
            candidate.keeps,
            candidate.skips,
            candidate.noise,
        )

    @cached_property
    def photographs(self) -> Data:
        """The folder, or several, of a base's training photographs."""
        count = self.scale.base_photos
        if count is None:
            return self.data
        photos = [photo for split, photo in find_photos(self.data) if split == "train"]
        if not photos:
            raise DataError(f"{named(self.data)}: there are no photographs to train on")
        folder = self.folder / f"photographs-{count}"
        taken: set[str] = set()
        for i in np.linspace(0, len(photos) - 1, min(count, len(photos))):
            photo = photos[int(i)]
            name = f"{int(i)}-{photo.name}" if photo.name in taken else photo.name
            taken.add(name)
            copy = folder / "train" / name
            if not copy.is_file():
                with atomic_path(copy) as temporary:
                    shutil.copyfile(photo, temporary)
        return folder

    def _length(self, recipe: TrainingRecipe, steps: int | None, epochs: int, longer: int = 1) -> TrainingRecipe:
        return replace(recipe, crop=self.scale.crop, steps=steps and steps * longer, epochs=epochs * longer)


def _fresh(config: GeneratorConfig) -> Networks:
    generator, discriminator = Generator(config), Discriminator()
    generator.initialize()
    discriminator.initialize()
    return generator, discriminator


def _judge(base: Base) -> nn.Module:
    return load_discriminator(base.discriminator_path)


def _digest(state: Mapping[str, torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()
