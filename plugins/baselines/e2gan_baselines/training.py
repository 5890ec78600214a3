"""Training as in other generators' papers: the common loop, with penalties, an optimiser and a schedule of the rate
that E²GAN does not use."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from accelerate.utils import extract_model_from_parallel
from torch import Tensor, nn

from e2gan.errors import RecipeError
from e2gan.recipe import TrainingRecipe
from e2gan.tables import Table
from e2gan.training.objective import Batch, Loss, Objective, StepKind
from e2gan.training.trainer import Trainer

__all__ = [
    "PATH_EVERY",
    "R1_EVERY",
    "BaselineObjective",
    "BaselineRecipe",
    "BaselineStep",
    "BaselineTrainer",
    "trainer_of",
]

PATH_EVERY, R1_EVERY = 8, 16
"""Steps between two uses of each penalty, whose weight is multiplied by the same number (Karras et al., 2020)."""


@dataclass(frozen=True)
class BaselineRecipe(TrainingRecipe):
    """A training recipe with the settings of other papers; None leaves one out."""

    weight_decay: float | None = None
    """AdamW's weight decay (Loshchilov and Hutter, 2019); replaces Adam."""
    cosine_to: float | None = None
    """The learning rate at the end of a cosine over the whole run, instead of the linear fall."""
    r1: float | None = None
    """Weight of the discriminator's squared slope at the teacher's pictures (Mescheder et al., 2018)."""
    path_length: float | None = None
    """Weight of the generator's own ``path_penalty`` (Karras et al., 2020)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        values = Table(vars(self), "training recipe", RecipeError)
        for name in ("weight_decay", "cosine_to", "r1", "path_length"):
            if getattr(self, name) is not None:
                values.number(name, low=0, high=1e9)


@dataclass(frozen=True)
class BaselineStep(StepKind):
    """A step that may have penalties."""

    path_length: bool = False
    """Whether the generator's penalty is due."""
    r1: bool = False
    """Whether the discriminator's penalty is due, if it is updated."""

    @classmethod
    def of(cls, recipe: TrainingRecipe, step: int, steps: int) -> BaselineStep:
        assert isinstance(recipe, BaselineRecipe)
        usual = StepKind.of(recipe, step, steps)
        updates = step // recipe.discriminator_every
        return cls(
            **vars(usual),
            path_length=bool(recipe.path_length) and step % PATH_EVERY == 0,
            r1=bool(recipe.r1) and usual.updates_discriminator and updates % R1_EVERY == 0,
        )


class BaselineObjective(Objective):
    """The usual losses, and the penalties that are due."""

    recipe: BaselineRecipe

    def kind(self, step: int, steps: int) -> BaselineStep:
        return BaselineStep.of(self.recipe, step, steps)

    def generator_loss(self, batch: Batch) -> Loss:
        loss = super().generator_loss(batch)
        assert isinstance(batch.kind, BaselineStep)
        if not batch.kind.path_length:
            return loss
        generator = extract_model_from_parallel(self.generator)
        penalty = PATH_EVERY * generator.path_penalty(batch.photo, batch.look.prompt, batch.look.prompt_bias)
        return loss.plus("path_length", penalty, self.recipe.path_length or 0.0)

    def discriminator_loss(self, batch: Batch) -> Loss:
        loss = super().discriminator_loss(batch)
        assert isinstance(batch.kind, BaselineStep)
        if not batch.kind.r1:
            return loss
        return loss.plus("r1", self.slope(batch), R1_EVERY * (self.recipe.r1 or 0.0) / 2)

    def slope(self, batch: Batch) -> Tensor:
        """The discriminator's squared gradient at the teacher's picture, mean over the batch, in full precision."""
        target = batch.target.detach().requires_grad_(True)
        # A copy: the operation counter cannot enter a module if a gradient is taken at its own input.
        logits = self.judge(batch, target.clone()).float()
        (gradient,) = torch.autograd.grad(logits.sum(), target, create_graph=True)
        return gradient.square().sum(dim=(1, 2, 3)).mean()


class BaselineTrainer(Trainer):
    """The common loop with a `BaselineRecipe`."""

    objective_type = BaselineObjective
    recipe: BaselineRecipe

    def optimizer(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        if self.recipe.weight_decay is None:
            return super().optimizer(parameters)
        return torch.optim.AdamW(parameters, betas=self.recipe.betas, weight_decay=self.recipe.weight_decay)

    def rate(self, full: float, step: int) -> float:
        """A cosine from the first step on, if the recipe has one."""
        if self.recipe.cosine_to is None:
            return super().rate(full, step)
        lowest = min(full, self.recipe.cosine_to)
        return lowest + (full - lowest) * (1 + math.cos(math.pi * step / self.steps)) / 2

    @property
    def same_until(self) -> float:
        return super().same_until if self.recipe.cosine_to is None else 0.0


def trainer_of(recipe: TrainingRecipe) -> type[Trainer]:
    """The trainer for a recipe: a baseline's, or E²GAN's own."""
    return BaselineTrainer if isinstance(recipe, BaselineRecipe) else Trainer
