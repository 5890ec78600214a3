"""Counting the operations of a training."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace

import torch
from torch import nn

from e2gan.base import Base
from e2gan.concept import Concept
from e2gan.errors import MissingExtraError
from e2gan.evaluation.cost import counting
from e2gan.models.discriminator import Discriminator
from e2gan.models.generator import Generator
from e2gan.models.layout import Keeps
from e2gan.models.look import batched, look_of
from e2gan.models.lora import attach
from e2gan.recipe import TrainingRecipe
from e2gan.training.objective import Batch, Objective, StepKind

__all__ = ["adapter_flops", "recorded_flops", "step_flops", "training_flops"]

TOKENS = 16
"""The assumed length of the prompt, which matters little."""


def recorded_flops(concept: Concept, base: Base) -> int | None:
    """The operations of a concept's recorded training; None without a record, or without the extra ``train``."""
    steps = concept.training.get("steps")
    if isinstance(steps, int):
        with suppress(ImportError, MissingExtraError):
            return adapter_flops(replace(concept.recipe.training, steps=steps), base, concept.keeps)
    return None


def adapter_flops(recipe: TrainingRecipe, base: Base, keeps: Keeps = Keeps.NOTHING) -> int:
    """`training_flops` of an adapter on the base's generator."""
    generator = attach(Generator(base.config), recipe.adapter_ranks)
    return training_flops(recipe, generator, Discriminator(), base.config.prompt_dim, keeps=keeps)


def training_flops(
    recipe: TrainingRecipe,
    generator: nn.Module,
    discriminator: nn.Module,
    prompt_dim: int,
    *,
    keeps: Keeps = Keeps.NOTHING,
    objective: type[Objective] = Objective,
) -> int:
    """Floating-point operations of a training; a multiply-add counts as two.

    This is steps × batch × `step_flops` of one picture, summed over each `StepKind`.  Only matrix products and
    convolutions count, forwards and backwards, of the generator, the discriminator and the perceptual trunk; frozen
    weights have no gradient.  Validation, the optimiser and elementwise work do not count.

    Args:
        recipe: must give ``steps``.
        generator, discriminator: as `e2gan.training.objective.Objective` takes them; they are not changed.
        prompt_dim: width of the prompt's tokens.
        keeps: what the edits keep of their photos.
        objective: the training's objective.

    Raises:
        ValueError: the recipe gives no ``steps``.
        MissingExtraError: the training packages are not installed.
    """
    steps = recipe.steps
    if steps is None:
        raise ValueError("the length of the training depends on the number of pairs: give steps")
    losses = objective(deepcopy(generator).train(), deepcopy(discriminator).train(), recipe)
    kinds = Counter(losses.kind(step, steps) for step in range(steps))
    return recipe.batch_size * sum(
        count * step_flops(losses, prompt_dim, kind, keeps=keeps) for kind, count in kinds.items()
    )


def step_flops(losses: Objective, prompt_dim: int, kind: StepKind, *, keeps: Keeps = Keeps.NOTHING) -> int:
    """The operations of one step of training on one picture, by running it once on the objective's networks."""
    device = next(losses.generator.parameters()).device
    side = losses.recipe.crop // 2 if kind.half_size else losses.recipe.crop
    picture = torch.zeros(1, 3, side, side, device=device)
    look = batched([look_of(torch.zeros(TOKENS, prompt_dim), keeps)]).to(device)
    batch = Batch(picture, picture, look, kind=kind)
    with counting() as counter:
        batch.edit = losses.edit(batch)
        losses.generator_loss(batch).total.backward()
        if kind.warm and kind.updates_discriminator:
            losses.discriminator_loss(batch).total.backward()
    return int(counter.get_total_flops())
