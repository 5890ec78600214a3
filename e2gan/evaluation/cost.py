"""What a concept costs: parameters, bytes, and the arithmetic of its training."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from e2gan.base import Base
from e2gan.concept import ADAPTER, Concept
from e2gan.errors import MissingExtraError
from e2gan.models.layout import NEUTRAL, adapter_parameters
from e2gan.recipe import TrainingRecipe

__all__ = ["cost", "step_flops", "training_flops"]


def cost(concept: Concept, base: Base) -> dict[str, int]:
    """The ``[quality.cost]`` of a trained concept; ``training_flops`` only where the extra ``train`` is installed."""
    found = {
        "trained_parameters": adapter_parameters(base.config, concept.ranks),
        "adapter_bytes": (concept.path / ADAPTER).stat().st_size,
    }
    steps = concept.training.get("steps")
    if isinstance(steps, int):
        with suppress(ImportError, MissingExtraError):
            found["training_flops"] = training_flops(replace(concept.recipe.training, steps=steps), base)
    return found


def training_flops(recipe: TrainingRecipe, base: Base) -> int:
    """Floating-point operations of a concept's training, a multiply-add counted as two.

    Counted, not timed: steps × batch × what one picture takes in `step_flops`, with the warm-up's steps and the
    others each for themselves.  Only matrix products and convolutions count, forwards and backwards, of the
    generator with its adapter, the discriminator and the perceptual trunk; what is frozen has no gradient of
    its weights.  Validation, the optimiser and elementwise work do not count.

    Args:
        recipe: with ``steps`` given.
        base: the base that is adapted.

    Raises:
        ValueError: the recipe gives no ``steps``.
        MissingExtraError: the training packages are not installed.
    """
    if recipe.steps is None:
        raise ValueError("the length of the training depends on the number of pairs: give steps")
    # As the loop decides it, step by step.
    warm = sum(step >= recipe.warmup * recipe.steps for step in range(recipe.steps))
    per_picture = warm * step_flops(recipe, base, warm=True)
    if warm < recipe.steps:
        per_picture += (recipe.steps - warm) * step_flops(recipe, base, warm=False)
    return recipe.batch_size * per_picture


def step_flops(recipe: TrainingRecipe, base: Base, *, warm: bool, tokens: int = 16) -> int:
    """The operations of one step of training on one picture, by running it once on the CPU.

    Args:
        recipe: its crop, ranks and losses count.
        base: the base that is adapted.
        warm: whether the step is past the warm-up, which knows the L1 distance alone.
        tokens: the prompt's length, of little weight.

    Raises:
        MissingExtraError: the training packages are not installed.
    """
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    from e2gan.models.discriminator import Discriminator
    from e2gan.models.generator import Generator
    from e2gan.models.light import toned
    from e2gan.models.lora import attach
    from e2gan.training.losses import VGG16Trunk, content_and_style

    generator = attach(Generator(base.config), recipe.adapter_ranks)
    discriminator = Discriminator()
    trunk = VGG16Trunk() if recipe.perceptual or recipe.style else None
    photo = edit = torch.zeros(1, 3, recipe.crop, recipe.crop)
    prompt = torch.zeros(1, tokens, base.config.prompt_dim)
    # The fused attention of CPUs is not known to the counter; its parts are.
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        fake = generator(photo, prompt)
        # What an edit keeps is elementwise, but for the photo's tone.
        toned(photo, torch.tensor([NEUTRAL]))
        losses = [(fake - edit).abs().mean()]
        if warm:
            discriminator.requires_grad_(False)
            losses.append(discriminator(photo, fake).mean())
            if trunk is not None:
                with torch.no_grad():
                    wanted = trunk(edit)
                losses += content_and_style(trunk(fake), wanted)
        torch.stack(losses).sum().backward()
        if warm:
            discriminator.requires_grad_(True)
            (discriminator(photo, edit) + discriminator(photo, fake.detach())).mean().backward()
    return int(counter.get_total_flops())
