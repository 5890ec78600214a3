"""The trainings behind the tables: each is run once, measured, and stored under all that determines it."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import nn

from e2gan.base import Base, write_base
from e2gan.concept import Concept
from e2gan.data.folders import Data, find_photos, folders_of, named
from e2gan.data.import_dataset import REAL
from e2gan.data.make_pairs import distilled_pairs
from e2gan.data.pairs import Pair, Pairs
from e2gan.data.selection import select_pairs
from e2gan.embedders import Embedder
from e2gan.errors import DataError
from e2gan.evaluation.fid import fid
from e2gan.evaluation.inception import Inception, find_inception
from e2gan.evaluation.measure import photograph
from e2gan.evaluation.report import FEATURES, NETWORKS, evaluate
from e2gan.files import atomic_path
from e2gan.images import open_image
from e2gan.kept import folder_of, kept
from e2gan.models.discriminator import Discriminator, load_discriminator
from e2gan.models.generator import Generator
from e2gan.models.layout import NO_SKIPS, GeneratorConfig, Keeps, Ranks, Skips
from e2gan.models.lora import attach
from e2gan.models.pixels import to_images
from e2gan.models.prompt import PromptEncoder
from e2gan.progress import Progress
from e2gan.recipe import Candidate, Recipe, Selection, TeacherChoice, TrainingRecipe
from e2gan.training.batches import ConceptPairs
from e2gan.training.flops import adapter_flops, training_flops
from e2gan.training.trainer import Trainer
from e2gan_baselines.baseline import Baseline, make_baseline
from e2gan_baselines.training import BaselineObjective, BaselineRecipe, trainer_of

__all__ = ["FULL", "FULL_RATE", "SCALES", "SMALL", "Lab", "Outcome", "Scale", "Subject"]

Networks = tuple[nn.Module, nn.Module]

FULL_RATE = 2e-4
"""The paper's learning rate for whole weights; an adapter's, whose factors begin near zero, is higher."""

SHOWN = 4
"""Number of test photos whose edits are stored for the sheet."""


@dataclass(frozen=True)
class Scale:
    """How much of the paper's work is done."""

    name: str
    crop: int
    """Side in pixels of the squares to train on, and of the measured centre squares."""
    adapter_steps: int | None
    """Steps of an adapter's training; None: the paper's 100 epochs."""
    generator_steps: int | None
    """Steps of a generator's training from scratch; None: the paper's 200 epochs."""
    base_steps: int | None
    """Steps of a base's training; None: the recipe's own."""
    base_concepts: int | None
    """Concepts of a base; None: the recipe's own."""
    base_photos: int | None
    """Number of photographs that a base is trained on; None: all."""
    work: float | None
    """Operations of a baseline's training, as a multiple of an adapter's; None: the paper's 200 epochs."""
    ssd_steps: int | None
    """Epochs of a Spectral Style-DCGAN's training; None: the paper's 20."""
    second: bool
    """Whether a second network also measures; this takes longer than a small training."""


SMALL = Scale("small", 128, 40, 300, 240, 4, 200, 14.0, 300, second=False)
FULL = Scale("full", 256, None, None, None, None, None, None, None, second=True)
SCALES = {scale.name: scale for scale in (SMALL, FULL)}

BY_ITSELF: dict[str, Any] = {"keeps": Keeps.NOTHING, "skips": NO_SKIPS, "noise": 0.0}
"""Settings of E²GAN's concepts that other models do not have."""


@dataclass(frozen=True)
class Subject:
    """The subject of a training: a concept, or something like it."""

    id: str
    prompt: str
    recipe: Recipe
    keeps: Keeps = Keeps.NOTHING
    skips: Skips = NO_SKIPS
    noise: float = 0.0

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


class Lab:
    """Photographs, a base and concepts, with the trainings on them.

    Args:
        data: the folder of photographs, or several.
        work: holds a concept's pairs in ``ID/pairs``, like ``runs`` after `e2gan train`; trainings go to ``reproduce``.
        scale: how much of the paper's work is done.
        base: adapters are trained on it.
        subjects: the concepts to train.
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
        seed: int = 0,
        device: str | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.data, self.work, self.scale, self.base, self.subjects = data, work, scale, base, tuple(subjects)
        self.seed, self.device, self.progress = seed, device, progress or Progress()
        self.folder = work / "reproduce"
        self._pairs: dict[str, Pairs] = {}
        self.seconds = 0.0
        """Seconds of all requested trainings, including those stored by earlier runs."""

    # Data

    def pairs(self, subject: Subject) -> Pairs:
        """The subject's pairs, which are made or read once."""
        if subject.id not in self._pairs:
            folder = self.work / subject.id / "pairs"
            self._pairs[subject.id] = distilled_pairs(
                self.data, folder, subject.recipe, prompt=subject.prompt, progress=self.progress
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
            {"base": [self.base.sha256, self.base.discriminator_sha256], "way": name},
        )

    def scratch(self, subject: Subject, config: GeneratorConfig) -> Outcome:
        """A generator trained from fresh weights on all pairs with the concept's losses."""
        recipe = self._length(
            replace(subject.recipe.training, learning_rate=FULL_RATE), self.scale.generator_steps, 200
        )
        shape = config.to_dict()
        return self.measured("scratch", subject, lambda: _fresh(config), recipe, self.learnt(subject), {"shape": shape})

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
        return self.measured(id, replace(subject, **BY_ITSELF), make, recipe, learnt, made_from)

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
        folder = self._folder(f"base-{name}", recipe, learnt, {"shape": config.to_dict()})
        if not (folder / "base/base.toml").is_file():
            self.progress.stage(f"train the base '{name}' on {len(learnt)} concepts")
            trainer = self._trainer(lambda: _fresh(config), recipe, learnt, folder)
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
        folder = self._folder(f"mixed-{id}", recipe, learnt, {"model": id})
        weights = folder / "generator.pt"

        def train() -> dict[str, Any]:
            self.progress.stage(f"pre-train {id} on {len(learnt)} concepts")
            trainer = self._trainer(lambda: (baseline.generator, baseline.discriminator), recipe, learnt, folder)
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

    # How trainings are run, measured and stored

    def measured(
        self,
        name: str,
        subject: Subject,
        make: Callable[[], Networks],
        recipe: TrainingRecipe,
        learnt: ConceptPairs,
        made_from: Mapping[str, Any],
    ) -> Outcome:
        """Train what ``make`` returns and measure it, unless that was done before.

        Raises:
            DataError: the subject has fewer than two test photos.
        """
        test = self.pairs(subject).splits.get("test", ())
        if len(test) < 2:
            raise DataError(f"{named(self.data)}: {len(test)} test photos, which is too few to measure on")
        recipe = replace(recipe, seed=self.seed)
        made_from = {**made_from, "test": [pair.key for pair in test]}
        folder = self._folder(f"{subject.id}-{name}", recipe, [learnt], made_from)

        def train() -> dict[str, Any]:
            self.progress.stage(f"{subject.id}: {name}, {len(learnt.train)} pairs")
            return asdict(self._measure(self._trainer(make, recipe, [learnt], folder), learnt, test, folder))

        outcome = replace(Outcome(**kept(folder / "outcome.json", train)), folder=str(folder))
        (folder / "checkpoint.pt").unlink(missing_ok=True)
        self.seconds += outcome.seconds
        return outcome

    def _trainer(
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

    def _length(self, recipe: TrainingRecipe, steps: int | None, epochs: int, longer: int = 1) -> TrainingRecipe:
        return replace(recipe, crop=self.scale.crop, steps=steps and steps * longer, epochs=epochs * longer)

    def _folder(
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

    def timed(self, make: Callable[[], Networks], recipe: TrainingRecipe, subject: Subject, steps: int) -> float:
        """Mean seconds per step over ``steps`` steps, after a warm-up step; the training is discarded."""
        torch.manual_seed(self.seed)
        generator, discriminator = make()
        recipe = replace(recipe, steps=10_000)
        trainer = trainer_of(recipe)(
            generator, discriminator, [self.learnt(subject)], recipe, self.folder / "timed", device=self.device
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
