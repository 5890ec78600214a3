"""Recipes: everything needed to make a concept, or a base, again.

Plain frozen dataclasses read from TOML.  A key that is misspelt or a value out
of range raises RecipeError with the file, the key and the range.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from e2gan.errors import BaseModelError, RecipeError
from e2gan.files import read_toml
from e2gan.models.layout import MAX_NOISE, NO_SKIPS, GeneratorConfig, Keeps, Ranks, Skips
from e2gan.tables import Table, did_you_mean, options_line

__all__ = [
    "GIVEN",
    "BaseRecipe",
    "BestOf",
    "Candidate",
    "Choice",
    "Framing",
    "Recipe",
    "Rejection",
    "Selection",
    "TeacherChoice",
    "TrainingRecipe",
]


GIVEN = "given"
"""The teacher of a recipe whose pairs already exist."""


LATER = ("scales", "half_size", "perceptual_shrink", "discriminator_every", "saturation", "peaks", "clip_gradient")
"""Settings that are newer than some kept trainings.  The digest of all settings identifies a training, so it includes
these only if they are used."""


@dataclass(frozen=True)
class TrainingRecipe:
    """How long to train, on what, and with which losses, for concepts and bases alike."""

    seed: int = 0
    epochs: int = 100
    """Passes over the training pairs (paper section 4.1)."""
    steps: int | None = None
    """Optimiser steps; if given, they decide the length instead of ``epochs``."""
    batch_size: int = 1
    crop: int = 256
    """Side of the random square crops, in pixels, a multiple of 8.  The pairs' whole side is best: instance norms and
    many teachers depend on the whole picture, so a crop teaches a different edit."""
    scales: tuple[float, float] = (1.0, 1.0)
    """Smallest and largest scale of a pair's pictures before the crop, drawn at random each time; never so
    small that the crop would not fit.  For pairs of whole photos: training sees strokes and faces of many sizes."""
    half_size: float = 0.0
    """Share of the run, 0 to 1, from its start, with pictures at half size, a quarter of the work; the rest teaches
    strokes as fine as the teacher's."""
    learning_rate: float = 2e-4
    """Adam's learning rate, before it decays."""
    discriminator_learning_rate: float | None = None
    """The discriminator's, if it differs from the generator's: an adapter takes a higher rate than a whole network."""
    adapter_learning_rate: float | None = None
    """For a base: it is trained with an adapter for each of its concepts beside it, at this rate (None: without)."""
    betas: tuple[float, float] = (0.5, 0.999)
    """Adam's."""
    clip_gradient: float = 0.0
    """Largest norm of the generator's gradient; a longer one is scaled down to it (0: none is).  The gradient of a
    nearly flat picture is many times as long as others, as instance norms magnify what little there is."""
    lr_decay_from: float = 0.5
    """Share of the run, 0 to 1, after which the rate falls linearly to zero."""
    ranks: tuple[int, int, int, int] = (1, 4, 8, 8)
    """LoRA ranks of the sampling layers, from the image side inward; a base uses them for its concepts' adapters."""
    transformer_rank: int = 1
    """LoRA rank of the transformer block's projections."""
    warmup: float = 0.0
    """Share of the run, from its start, with only the L1 distance; then the other losses join (Ledig et al., 2017)."""
    l1: float = 100.0
    """Weight of the L1 distance to the teacher's picture."""
    gan: float = 1.0
    """Weight of the conditional GAN loss."""
    perceptual: float = 0.0
    """Weight of the L1 distance between deep features."""
    style: float = 0.0
    """Weight of the distance between Gram matrices of deep features."""
    perceptual_shrink: int = 1
    """Side in pixels of the squares over which pictures are averaged before deep features are computed: with 2,
    these cost a quarter."""
    saturation: float = 0.0
    """Weight of the penalty for colours so far out that tanh no longer passes a gradient, for generators that end in
    one: without it, an area that has become black or white by mistake stays so."""
    peaks: float = 0.0
    """Weight of the penalty for activations that a few spots of a picture dominate (`e2gan.models.norms.Watched`), for
    E²GAN's own generator: such spots become glaring patches."""
    gan_loss: Literal["lsgan", "vanilla"] = "lsgan"
    discriminator_every: int = 1
    """Steps from one update of the discriminator to the next."""
    ema: float = 0.995
    """Decay of the generator's moving average, from 0 (no average) to below 1."""
    diffaugment: bool = False
    """Whether the discriminator sees differentiably augmented pairs (Zhao et al., 2020)."""

    def __post_init__(self) -> None:
        values = Table(vars(self), "training recipe", RecipeError)
        values.whole("seed", low=0, high=2**32 - 1)
        values.whole("epochs", low=1, high=100_000)
        if self.steps is not None:
            values.whole("steps", low=1, high=100_000_000)
        values.whole("batch_size", low=1, high=4096)
        values.whole("crop", low=32, high=2048)
        if self.crop % 8:
            raise values.fault(f"crop must be a multiple of 8, not {self.crop}")
        object.__setattr__(self, "scales", _tuple(values, "scales", 2))
        for scale in self.scales:
            Table({"scales": scale}, values.where, RecipeError).number("scales", low=0.05, high=4)
        if self.scales[0] > self.scales[1]:
            raise values.fault(f"scales must rise, not fall from {self.scales[0]:g} to {self.scales[1]:g}")
        values.number("half_size", low=0, high=1)
        if self.half_size and (self.crop % 16 or self.crop < 64):
            raise values.fault(f"with half_size, crop must be a multiple of 16 from 64 up, not {self.crop}")
        values.number("learning_rate", low=1e-8, high=1)
        for name in ("discriminator_learning_rate", "adapter_learning_rate"):
            if getattr(self, name) is not None:
                values.number(name, low=1e-8, high=1)
        values.number("lr_decay_from", low=0, high=1)
        values.number("warmup", low=0, high=1)
        for name in ("l1", "gan", "perceptual", "style", "saturation", "peaks", "clip_gradient"):
            values.number(name, low=0, high=1e9)
        if not (self.l1 or self.gan or self.perceptual or self.style):
            raise values.fault("l1, gan, perceptual and style are all 0: there is nothing to train on")
        if self.warmup and not self.l1:
            raise values.fault("warmup trains only on l1, which is 0")
        values.whole("perceptual_shrink", low=1, high=4)
        if self.perceptual_shrink == 3:
            raise values.fault("perceptual_shrink must be 1, 2 or 4, not 3")
        values.choice("gan_loss", ("lsgan", "vanilla"))
        values.whole("discriminator_every", low=1, high=1000)
        values.number("ema", low=0, high=0.99999)
        values.flag("diffaugment")
        object.__setattr__(self, "betas", _tuple(values, "betas", 2))
        for i in range(2):
            Table({"betas": self.betas[i]}, values.where, RecipeError).number("betas", low=0, high=0.99999)
        object.__setattr__(self, "ranks", _tuple(values, "ranks", 4))
        try:
            Ranks(self.ranks, self.transformer_rank)
        except BaseModelError as error:
            raise values.fault(str(error)) from None

    @property
    def adapter_ranks(self) -> Ranks:
        return Ranks(self.ranks, self.transformer_rank)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], where: str) -> TrainingRecipe:
        """Read the settings from a table of a file; ``where`` names both in errors."""
        for key in data:
            allowed = [f.name for f in fields(cls)]
            if key not in allowed:
                hint = did_you_mean(key, allowed) or f"the keys allowed here are {', '.join(allowed)}"
                raise RecipeError(f"{where}: unknown key '{key[:60]}'", hint=hint)
        try:
            return cls(**data)
        except RecipeError as error:
            raise RecipeError(f"{where}: {str(error).removeprefix('training recipe: ')}", hint=error.hint) from None

    def to_dict(self) -> dict[str, Any]:
        """Every setting as TOML can hold it: lists for tuples, without what is None, or in `LATER` and unused."""
        values = {name: list(v) if isinstance(v, tuple) else v for name, v in vars(self).items()}
        unused = {
            setting.name
            for setting in fields(self)
            if setting.name in LATER and getattr(self, setting.name) == setting.default
        }
        return {name: value for name, value in values.items() if value is not None and name not in unused}


def _tuple(table: Table, key: str, length: int) -> tuple[Any, ...]:
    value = table.data[key]
    if not isinstance(value, (list, tuple)) or len(value) != length:
        raise table.fault(f"{key} must be a list of {length} numbers, not {str(value)[:60]!r}")
    return tuple(value)


@dataclass(frozen=True)
class Framing:
    """How a photo becomes the picture that a teacher edits; `e2gan.data.framing.frame` does it.

    Raises RecipeError: a value is out of range.
    """

    side: int = 256
    """Side of the square, or shorter side of a whole photo, in pixels, 32 to 4096."""
    whole: bool = False
    """Whether to keep the whole photo instead of its middle square: a filter's strokes have the photo's scale, so
    only crops of the whole edited photo show them as they are."""
    quality: int = 95
    """JPEG quality, 1 to 100."""
    share: float = 1.0
    """Share of the photos to edit, 0.01 to 1.  Which ones depends on the teachers, so that the concepts of a
    base see different photos."""
    least: int = 32
    """Minimum shorter side of a whole photo, in pixels: photos are never enlarged, and smaller ones give no pair."""

    def __post_init__(self) -> None:
        values = Table(vars(self), "the pairs' pictures", RecipeError)
        values.whole("side", low=32, high=4096)
        values.flag("whole")
        values.whole("quality", low=1, high=100)
        values.number("share", low=0.01, high=1)

    @classmethod
    def from_table(cls, table: Table) -> Framing:
        framing = cls(
            side=table.whole("side", cls.side, low=32, high=4096),
            whole=table.flag("whole", cls.whole),
            quality=table.whole("quality", cls.quality, low=1, high=100),
            share=table.number("share", cls.share, low=0.01, high=1),
        )
        table.done()
        if framing.side % 8:
            raise table.fault(f"side must be a multiple of 8, not {framing.side}")
        return framing

    def __str__(self) -> str:
        """For people: ``whole photos, shorter side 432 pixels``."""
        text = f"whole photos, shorter side {self.side} pixels" if self.whole else f"squares of {self.side} pixels"
        return text if self.share == 1 else f"{text}, from {100 * self.share:g} % of the photos"

    def for_crops(self, crop: int) -> Framing:
        """The same framing, without photos that are too small for crops of ``crop`` pixels, unless all pictures are."""
        return replace(self, least=min(self.side, crop))


@dataclass(frozen=True)
class Selection:
    """Which of the distilled pairs training uses (paper section 4.3)."""

    method: Literal["similarity-clustering", "random", "all"] = "all"
    """``similarity-clustering``: the pair nearest to each K-means centre; ``random``: the first of a shuffle."""
    clusters: int = 400
    """The number of pairs to keep at most; ``all`` does not use it."""
    embedder: str = "efficientnet-lite0"
    """Id of the embedder whose space is clustered."""

    @classmethod
    def from_table(cls, table: Table) -> Selection:
        selection = cls(
            method=table.choice("method", ("similarity-clustering", "random", "all"), cls.method),
            clusters=table.whole("clusters", cls.clusters, low=1, high=1_000_000),
            embedder=table.id("embedder", cls.embedder),
        )
        table.done()
        return selection


@dataclass(frozen=True)
class TeacherChoice:
    """A teacher and its options."""

    id: str
    """Id of an installed teacher."""
    options: dict[str, Any] = field(default_factory=dict)
    """Arguments for the teacher's factory."""

    def __str__(self) -> str:
        """For people: ``magenta-multistyle (style = 19)``."""
        if self.id == GIVEN:
            return "none, the pairs are given"
        options = options_line(self.options)
        return f"{self.id} ({options})" if options else self.id


@dataclass(frozen=True)
class Rejection:
    """The figures below which a pair is rejected; :mod:`e2gan.data.reject` says how they are measured.

    A recipe rejects pairs if it has the table ``[recipe.rejection]``, even an empty one; a limit of 0 rejects no pair.
    """

    contrast: float = 0.01
    """Minimum contrast of the edit, 0 to 1: with less it is broken, black or of one colour."""
    change: float = 0.008
    """Minimum difference between photo and edit, 0 to 1: with less the teacher did nothing.  The autoencoder of a
    diffusion teacher alone changes a photo by more than the default."""
    structure: float = 0.12
    """Minimum likeness of the edit's contours to the photo's, 0 to 1: with less it shows something else."""

    @classmethod
    def from_table(cls, table: Table) -> Rejection:
        limits = {
            limit.name: table.number(limit.name, getattr(cls, limit.name), low=0, high=1) for limit in fields(cls)
        }
        table.done()
        return cls(**limits)


@dataclass(frozen=True)
class BestOf:
    """How to choose the best of several teachers' edits of a photo; :mod:`e2gan.data.bestof` describes the method."""

    clip: str = "openai/clip-vit-base-patch32"
    """A CLIP model's id on the Hub or its folder; it judges if it is on this computer."""
    revision: str = "3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268"
    """Its commit on the Hub; ``main`` for a model other than the default."""
    embedder: str = "efficientnet-lite0"
    """Id of the embedder that judges if CLIP is missing."""

    @classmethod
    def from_table(cls, table: Table) -> BestOf:
        clip = table.text("clip", cls.clip, limit=1000)
        revision = table.text("revision", cls.revision if clip == cls.clip else "main")
        judges = cls(clip, revision, table.id("embedder", cls.embedder))
        table.done()
        return judges


@dataclass(frozen=True)
class Recipe:
    """The ``[recipe]`` of a concept."""

    teachers: tuple[TeacherChoice, ...]
    """The teachers that the concept imitates, one or more; with several, each photo's best edit counts."""
    source: str = ""
    """Name of the set of photos the teachers edited."""
    rejection: Rejection | None = None
    """Which pairs are left out; None: no pairs."""
    best_of: BestOf = BestOf()
    pictures: Framing = Framing()
    """How the photos become the pairs' pictures."""
    selection: Selection = Selection()
    training: TrainingRecipe = TrainingRecipe()

    @property
    def given(self) -> bool:
        """Whether its data are pairs instead of photos for teachers to edit."""
        return self.teachers[0].id == GIVEN

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], where: str) -> Recipe:
        """Read a recipe from its table; ``where`` is the file's name, for errors."""
        table = Table(data, f"{where}: [recipe]", RecipeError)
        training = table.sub("training", {})
        recipe = cls(
            teachers=_teachers(table),
            source=table.text("source", ""),
            rejection=Rejection.from_table(table.sub("rejection", {})) if "rejection" in data else None,
            best_of=BestOf.from_table(table.sub("best_of", {})),
            pictures=Framing.from_table(table.sub("pictures", {})),
            selection=Selection.from_table(table.sub("selection", {})),
            training=TrainingRecipe.from_dict(training.data, training.where),
        )
        table.done()
        if any(teacher.id == GIVEN for teacher in recipe.teachers):
            if len(recipe.teachers) > 1:
                raise table.fault(f"the teacher '{GIVEN}' cannot be combined with other teachers")
            if recipe.teachers[0].options:
                raise table.fault(f"the teacher '{GIVEN}' has no options")
            if recipe.rejection is not None:
                raise table.fault("given pairs are never rejected", "remove [recipe.rejection]")
            if "pictures" in data:
                raise table.fault("given pairs are used as they are", "remove [recipe.pictures]")
        return recipe


def _teachers(table: Table) -> tuple[TeacherChoice, ...]:
    """One teacher as ``teacher`` and ``[teacher_options]``, or several as ``[[teachers]]``."""
    single = [key for key in ("teacher", "teacher_options") if key in table.data]
    if "teachers" not in table.data:
        return (TeacherChoice(table.id("teacher"), table.plain("teacher_options")),)
    if single:
        raise table.fault(
            f"{single[0]} cannot be combined with [[teachers]]", "move it into its own [[recipe.teachers]]"
        )
    teachers: list[TeacherChoice] = []
    for entry in table.tables("teachers"):
        teacher = TeacherChoice(entry.id("id"), entry.plain("options"))
        entry.done()
        if teacher in teachers:
            raise entry.fault(f"the teacher '{teacher.id}' is listed twice with the same options")
        teachers.append(teacher)
    return tuple(teachers)


@dataclass(frozen=True)
class Candidate:
    """A concept the base could be trained on."""

    id: str
    prompt: str
    teacher: str
    teacher_options: dict[str, Any]
    held_out: bool
    """Kept away from the base, to test new concepts with."""
    keeps: Keeps = Keeps.NOTHING
    """What its edits keep of the photo."""
    skips: Skips = NO_SKIPS
    """How much bypasses the generator's bottleneck."""
    noise: float = 0.0
    """Strength of the noise on the photo."""
    title: str = ""
    """For people; if empty, made from the id."""
    description: str = ""
    """One sentence for people who search for concepts."""


@dataclass(frozen=True)
class Choice:
    """How the base's concepts are chosen among the candidates (paper section 4.1, spec "Base model")."""

    concepts: int
    """The total number of concepts."""
    include: tuple[str, ...] = ()
    """Candidates that are always taken; K-means over mean image embeddings chooses the others."""
    method: Literal["kmeans"] = "kmeans"
    embedder: str = "efficientnet-lite0"
    images: int = 32
    """Edited pictures averaged for each candidate."""
    seed: int = 0


@dataclass(frozen=True)
class BaseRecipe:
    """The recipe of a base model, a TOML file of its own."""

    id: str
    title: str
    version: str
    license: str
    generator: GeneratorConfig
    candidates: tuple[Candidate, ...]
    choice: Choice
    training: TrainingRecipe
    pictures: Framing = Framing()
    """How the photos become the pairs' pictures."""
    authors: tuple[str, ...] = ()
    """Of the base's own concepts."""
    photos: str = ""
    """The licence of the photos, in words or as an SPDX expression, which the base's own concepts state."""

    def pairs_of(self, candidate: Candidate) -> Recipe:
        """How a candidate's pairs are made."""
        return Recipe(
            (TeacherChoice(candidate.teacher, candidate.teacher_options),),
            pictures=self.pictures,
            training=self.training,
        )

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> BaseRecipe:
        """Read and check a recipe file.

        Raises:
            RecipeError: the file is missing, is not TOML, or a key or value is wrong.
        """
        table = Table(read_toml(path, error=RecipeError), str(path), RecipeError)
        generator, training = table.sub("generator", {}), table.sub("training", {})
        recipe = cls(
            id=table.id("id"),
            title=table.text("title", limit=100),
            version=table.version("version"),
            license=table.license("license"),
            generator=read_generator_config(generator),
            candidates=_candidates(table),
            choice=_choice(table.sub("choice")),
            training=TrainingRecipe.from_dict(training.data, training.where),
            pictures=Framing.from_table(table.sub("pictures", {})),
            authors=table.texts("authors", ()),
            photos=table.text("photos", ""),
        )
        table.done()
        open_ids = [candidate.id for candidate in recipe.candidates if not candidate.held_out]
        for name in recipe.choice.include:
            if name not in open_ids:
                hint = did_you_mean(name, open_ids)
                raise RecipeError(
                    f"{path}: [choice] includes '{name}', which is not a candidate or is held out", hint=hint
                )
        if len(set(recipe.choice.include)) > recipe.choice.concepts:
            raise RecipeError(f"{path}: [choice] includes more candidates than its {recipe.choice.concepts} concepts")
        if any(candidate.skips != NO_SKIPS for candidate in recipe.candidates) and not recipe.generator.skips:
            raise RecipeError(
                f"{path}: a candidate has skips, but the generator has none", hint="set skips = true in [generator]"
            )
        offered = sum(not candidate.held_out for candidate in recipe.candidates)
        if recipe.choice.concepts > offered:
            raise RecipeError(
                f"{path}: [choice] asks for {recipe.choice.concepts} concepts, "
                f"but only {offered} candidates are not held out"
            )
        return recipe


def read_generator_config(table: Table) -> GeneratorConfig:
    """The generator's configuration from a ``[generator]`` table."""
    try:
        return GeneratorConfig.from_dict(table.data)
    except BaseModelError as error:
        allowed = [f.name for f in fields(GeneratorConfig)]
        wrong = next((key for key in table.data if key not in allowed), None)
        raise table.fault(str(error), wrong and did_you_mean(wrong, allowed)) from None
    except (TypeError, ValueError) as error:
        raise table.fault(f"generator configuration: {error}") from None


def _candidates(table: Table) -> tuple[Candidate, ...]:
    entries = table.tables("candidate")
    candidates: dict[str, Candidate] = {}
    for entry in entries:
        candidate = Candidate(
            id=entry.id("id"),
            prompt=entry.text("prompt", limit=300),
            teacher=entry.id("teacher"),
            teacher_options=entry.plain("teacher_options"),
            held_out=entry.flag("held_out", False),
            keeps=Keeps(entry.choice("keeps", map(str, Keeps), str(Candidate.keeps))),
            skips=entry.numbers("skips", Candidate.skips, low=0, high=1),  # type: ignore[arg-type]
            noise=entry.number("noise", Candidate.noise, low=0, high=MAX_NOISE),
            title=entry.text("title", "", limit=100),
            description=entry.text("description", "", limit=2000),
        )
        entry.done()
        if candidate.id in candidates:
            raise entry.fault(f"two candidates have the id '{candidate.id}'")
        candidates[candidate.id] = candidate
    return tuple(candidates.values())


def _choice(table: Table) -> Choice:
    choice = Choice(
        concepts=table.whole("concepts", low=1, high=10_000),
        include=table.texts("include", Choice.include, most=1000),
        method=table.choice("method", ("kmeans",), Choice.method),
        embedder=table.id("embedder", Choice.embedder),
        images=table.whole("images", Choice.images, low=1, high=100_000),
        seed=table.whole("seed", Choice.seed, low=0, high=2**32 - 1),
    )
    table.done()
    return choice
