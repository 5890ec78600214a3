"""What a training step minimises: the generator's loss, and the discriminator's (paper section 4.1)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from e2gan.models.edit import Edit
from e2gan.models.generator import Generator
from e2gan.models.look import Look
from e2gan.models.norms import Watched
from e2gan.recipe import TrainingRecipe
from e2gan.training.adapters import WithAdapters
from e2gan.training.augment import diffaugment
from e2gan.training.losses import VGG16Trunk, content_and_style, gan_loss, shrunk

__all__ = ["Batch", "Loss", "Objective", "StepKind"]


@dataclass(frozen=True)
class StepKind:
    """What a training step does; steps of one kind do the same work."""

    warm: bool = True
    """Whether the step is past the warm-up, which uses neither the discriminator nor the perceptual losses."""
    half_size: bool = False
    """Whether its pictures are at half their size."""
    updates_discriminator: bool = True
    """Whether the discriminator is updated, after the warm-up."""

    @classmethod
    def of(cls, recipe: TrainingRecipe, step: int, steps: int) -> StepKind:
        """The kind of step ``step`` of ``steps``, counted from 0."""
        return cls(
            warm=step >= recipe.warmup * steps,
            half_size=step < recipe.half_size * steps,
            updates_discriminator=step % recipe.discriminator_every == 0,
        )


@dataclass
class Batch:
    """What a step trains on."""

    photo: Tensor
    """(N, 3, H, W) in [-1, 1]."""
    target: Tensor
    """(N, 3, H, W) in [-1, 1]: the teacher's picture."""
    look: Look
    """The look of each picture's concept."""
    concepts: tuple[str, ...] = ()
    """The id of each picture's concept, for a generator with several adapters."""
    offsets: Tensor | None = None
    """(N, 2): each photo's position on the noise tile; None: its corner."""
    kind: StepKind = StepKind()
    """The kind of its step."""
    seed: int = 0
    """Seed of the distortions of the pictures that the discriminator sees."""
    edit: Tensor | None = None
    """(N, 3, H, W): the generator's picture, once it exists."""

    def to(self, device: torch.device) -> Batch:
        offsets = None if self.offsets is None else self.offsets.to(device)
        photo, target, look = self.photo.to(device), self.target.to(device), self.look.to(device)
        return replace(self, photo=photo, target=target, look=look, offsets=offsets)


LINEAR = 2.65
"""Where tanh reaches 0.99, 1/255 from black or white: values beyond it only saturate."""


class Loss(NamedTuple):
    """The minimised loss, and its parts."""

    total: Tensor
    parts: dict[str, Tensor]
    """The parts by name, as they are plotted: without their weights."""

    def plus(self, name: str, part: Tensor, weight: float) -> Loss:
        return Loss(self.total + weight * part, {**self.parts, name: part})


class Objective:
    """The losses of a training as functions of a batch.

    Args:
        generator: called as ``generator(photo, prompt, prompt_bias)``; a `Generator`, or one with an adapter on it.
        discriminator: called as ``discriminator(photo, edit)``.
        recipe: the losses' weights.
        autocast: the context in which networks compute.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        recipe: TrainingRecipe,
        autocast: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self.generator, self.discriminator = generator, discriminator
        self.recipe, self.autocast = recipe, autocast
        self.network = Edit(generator)
        self._several = next((module for module in generator.modules() if isinstance(module, WithAdapters)), None)
        self._before_tanh: list[Tensor] = []
        self._watched: Watched | None = None
        for module in generator.modules():
            if recipe.saturation and isinstance(module, nn.Tanh):
                module.register_forward_pre_hook(self._keep)
            if recipe.peaks and isinstance(module, Generator):
                self._watched = module.norms = Watched()
        self.trunk: VGG16Trunk | None = None
        if recipe.perceptual or recipe.style:
            self.trunk = VGG16Trunk().to(next(generator.parameters()).device)

    def kind(self, step: int, steps: int) -> StepKind:
        """What step ``step`` of ``steps`` does, counted from 0."""
        return StepKind.of(self.recipe, step, steps)

    def edit(self, batch: Batch) -> Tensor:
        """The generator's picture of a batch, float32."""
        self._before_tanh.clear()
        if self._several is not None:
            self._several.concepts = batch.concepts
        with self.autocast():
            edit: Tensor = self.network(batch.photo, batch.look, batch.offsets)
        return edit

    def generator_loss(self, batch: Batch) -> Loss:
        """How far the edit is from the teacher's picture, and, once warm, from what the discriminator accepts."""
        assert batch.edit is not None
        parts = {"l1": F.l1_loss(batch.edit, batch.target)}
        if self._before_tanh:
            parts["saturation"] = F.relu(torch.cat(self._before_tanh).float().abs() - LINEAR).square().mean()
        if self._watched is not None:
            parts["peaks"] = self._watched.penalty()
        if batch.kind.warm:
            self.discriminator.requires_grad_(False)
            with self.autocast():
                parts["gan"] = gan_loss(self.judge(batch, batch.edit), True, self.recipe.gan_loss)
                if self.trunk is not None:
                    edit, target = (shrunk(x, self.recipe.perceptual_shrink) for x in (batch.edit, batch.target))
                    with torch.no_grad():
                        wanted = self.trunk(target)
                    parts["perceptual"], parts["style"] = content_and_style(self.trunk(edit), wanted)
        weighted = [getattr(self.recipe, name) * part for name, part in parts.items()]
        return Loss(torch.stack(weighted).sum(), parts)

    def _keep(self, module: nn.Module, inputs: tuple[Tensor]) -> None:
        if torch.is_grad_enabled():
            self._before_tanh.append(inputs[0])

    def discriminator_loss(self, batch: Batch) -> Loss:
        """How badly the discriminator distinguishes the teacher's pictures from the generator's."""
        assert batch.edit is not None
        self.discriminator.requires_grad_(True)
        with self.autocast():
            real = gan_loss(self.judge(batch, batch.target), True, self.recipe.gan_loss)
            fake = gan_loss(self.judge(batch, batch.edit.detach()), False, self.recipe.gan_loss)
        loss = (real + fake) / 2
        return Loss(loss, {"discriminator": loss})

    def judge(self, batch: Batch, picture: Tensor) -> Tensor:
        """The discriminator's logits for a picture of the batch's photo."""
        photo = batch.photo
        if self.recipe.diffaugment:
            photo, picture = diffaugment(photo, picture, seed=batch.seed)
        logits: Tensor = self.discriminator(photo, picture)
        return logits
