"""What a model costs: parameters, bytes, and the arithmetic of an edit and of a training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from e2gan.base import Base
from e2gan.concept import ADAPTER, Concept
from e2gan.errors import MissingExtraError
from e2gan.models.layout import NEUTRAL, adapter_parameters
from e2gan.recipe import TrainingRecipe

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.utils.flop_counter import FlopCounterMode

__all__ = ["StepKind", "concept_flops", "cost", "macs", "step_flops", "step_kind", "training_flops"]


class StepKind(NamedTuple):
    """What a step of a training does; steps of a kind do the same work."""

    warm: bool = True
    """Whether it is past the warm-up, in which the discriminator and what is perceptual have no part."""
    half_size: bool = False
    """Whether its pictures are at half their size."""
    updates_discriminator: bool = True
    """Whether the discriminator is updated, once warm."""
    path_length: bool = False
    """Whether the generator's penalty is due."""
    r1: bool = False
    """Whether the discriminator's penalty is due, where it is updated."""


def step_kind(recipe: TrainingRecipe, step: int) -> StepKind:
    """The kind of a step, counted from 0, as `e2gan.training.loop.Trainer` decides it; ``recipe`` gives ``steps``."""
    from e2gan.training.loop import PATH_EVERY, R1_EVERY

    assert recipe.steps is not None
    updates, later = divmod(step, recipe.discriminator_every)
    return StepKind(
        warm=step >= recipe.warmup * recipe.steps,
        half_size=step < recipe.half_size * recipe.steps,
        updates_discriminator=later == 0,
        path_length=bool(recipe.path_length) and step % PATH_EVERY == 0,
        r1=bool(recipe.r1) and later == 0 and updates % R1_EVERY == 0,
    )


def cost(concept: Concept, base: Base) -> dict[str, int]:
    """The ``[quality.cost]`` of a trained concept; ``training_flops`` only where the extra ``train`` is installed."""
    found = {
        "trained_parameters": adapter_parameters(base.config, concept.ranks),
        "adapter_bytes": (concept.path / ADAPTER).stat().st_size,
    }
    steps = concept.training.get("steps")
    if isinstance(steps, int):
        with suppress(ImportError, MissingExtraError):
            found["training_flops"] = concept_flops(replace(concept.recipe.training, steps=steps), base)
    return found


def concept_flops(recipe: TrainingRecipe, base: Base) -> int:
    """`training_flops` of a concept: of the base's generator with its adapter."""
    from e2gan.models.discriminator import Discriminator
    from e2gan.models.generator import Generator
    from e2gan.models.lora import attach

    generator = attach(Generator(base.config), recipe.adapter_ranks)
    return training_flops(recipe, generator, Discriminator(), base.config.prompt_dim)


def training_flops(recipe: TrainingRecipe, generator: nn.Module, discriminator: nn.Module, prompt_dim: int) -> int:
    """Floating-point operations of a training, a multiply-add counted as two.

    Counted, not timed: steps × batch × what one picture takes in `step_flops`, each `StepKind` for itself.  Only
    matrix products and convolutions count, forwards and backwards, of the generator, the discriminator and the
    perceptual trunk; what is frozen has no gradient of its weights.  Validation, the optimiser and elementwise work do
    not count.

    Args:
        recipe: with ``steps`` given.
        generator, discriminator: as `e2gan.training.loop.Trainer` takes them; they stay as they are.
        prompt_dim: width of the prompt's tokens.

    Raises:
        ValueError: the recipe gives no ``steps``.
        MissingExtraError: the training packages are not installed.
    """
    steps = recipe.steps
    if steps is None:
        raise ValueError("the length of the training depends on the number of pairs: give steps")
    kinds = Counter(step_kind(recipe, step) for step in range(steps))
    per_picture = sum(
        count * step_flops(recipe, generator, discriminator, prompt_dim, kind) for kind, count in kinds.items()
    )
    return recipe.batch_size * per_picture


def step_flops(
    recipe: TrainingRecipe,
    generator: nn.Module,
    discriminator: nn.Module,
    prompt_dim: int,
    kind: StepKind,
    *,
    tokens: int = 16,
) -> int:
    """The operations of one step of training on one picture, by running it once on copies of the networks.

    Args:
        recipe: its crop and losses count.
        generator, discriminator, prompt_dim: as of `training_flops`.
        kind: what the step does.
        tokens: the prompt's length, of little weight.

    Raises:
        MissingExtraError: the training packages are not installed.
    """
    import torch

    from e2gan.models.light import toned
    from e2gan.training.losses import VGG16Trunk, content_and_style, shrunk

    generator, discriminator = deepcopy(generator).train(), deepcopy(discriminator).train()
    device = next(generator.parameters()).device
    trunk = VGG16Trunk().to(device) if recipe.perceptual or recipe.style else None
    side = recipe.crop // 2 if kind.half_size else recipe.crop
    photo = edit = torch.zeros(1, 3, side, side, device=device)
    prompt, prompt_bias = torch.zeros(1, tokens, prompt_dim, device=device), torch.zeros(1, tokens, device=device)
    with _counting() as counter:
        fake = generator(photo, prompt, prompt_bias)
        # What an edit keeps is elementwise, but for the photo's tone.
        toned(photo, torch.tensor([NEUTRAL], device=device))
        losses = [(fake - edit).abs().mean()]
        if kind.warm:
            discriminator.requires_grad_(False)
            losses.append(discriminator(photo, fake).mean())
            if trunk is not None:
                made, target = (shrunk(picture, recipe.perceptual_shrink) for picture in (fake, edit))
                with torch.no_grad():
                    wanted = trunk(target)
                losses += content_and_style(trunk(made), wanted)
        if kind.path_length:
            penalty: Any = generator.path_penalty
            losses.append(penalty(photo, prompt, prompt_bias))
        torch.stack(losses).sum().backward()
        if kind.warm and kind.updates_discriminator:
            discriminator.requires_grad_(True)
            loss = (discriminator(photo, edit) + discriminator(photo, fake.detach())).mean()
            if kind.r1:
                edit = edit.clone().requires_grad_(True)
                # The counter cannot follow into a module whose own input is what the gradient is taken by.
                (slope,) = torch.autograd.grad(discriminator(photo, edit.clone()).sum(), edit, create_graph=True)
                loss = loss + slope.square().sum()
            loss.backward()
    return int(counter.get_total_flops())


def macs(model: nn.Module, *inputs: Tensor) -> int:
    """Multiply-accumulates of one forward pass, attention included; a transposed convolution by its input's size."""
    import torch

    with _counting() as counter, torch.no_grad():
        model(*inputs)
    return int(counter.get_total_flops()) // 2


@contextmanager
def _counting() -> Iterator[FlopCounterMode]:
    """Count matrix products and convolutions; of fused attention, which it may not know, the parts."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        yield counter
