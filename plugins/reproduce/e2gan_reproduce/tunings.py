"""Parameter-efficient tunings of the crucial layers other than LoRA, as far as peft supports convolutions."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from e2gan.models.generator import Generator
from e2gan.models.layout import Ranks, crucial_layers
from e2gan.models.lora import attach, lora_config

__all__ = ["ALL", "TUNINGS", "crucial_alone"]


def _supported(generator: Generator) -> list[str]:
    """Names of the crucial layers that are not transposed convolutions."""
    names = [layer.name for layer in crucial_layers(generator.config)]
    return [name for name in names if not isinstance(generator.get_submodule(name), nn.ConvTranspose2d)]


def _lora(generator: Generator, **options: Any) -> nn.Module:
    """LoRA with the recipe's usual ranks, on the supported layers only."""
    from peft import get_peft_model

    config = lora_config(generator.config, Ranks())
    names = _supported(generator)
    config.target_modules = names
    for pattern in (config.rank_pattern or {}, config.alpha_pattern or {}):
        for key in [key for key in pattern if not any(re.match(key, name) for name in names)]:
            del pattern[key]
    for name, value in options.items():
        setattr(config, name, value)
    return get_peft_model(generator, config)  # type: ignore[arg-type]


def _with(kind: str, generator: Generator, **options: Any) -> nn.Module:
    import peft

    config = getattr(peft, kind)(target_modules=_supported(generator), **options)
    model: nn.Module = peft.get_peft_model(generator, config)  # type: ignore[arg-type]
    return model


def crucial_alone(generator: Generator) -> nn.Module:
    """The generator, with gradients only for the weights that an adapter would change."""
    generator.requires_grad_(False)
    for layer in crucial_layers(generator.config):
        generator.get_submodule(layer.name).weight.requires_grad_(True)
    return generator


ALL = "all crucial weights"

TUNINGS: dict[str, Callable[[Generator], nn.Module]] = {
    "LoRA": lambda generator: attach(generator, Ranks()),
    ALL: crucial_alone,
    "LoRA, no transposed": _lora,
    "DoRA, no transposed": partial(_lora, use_dora=True),
    "LoHa, no transposed": partial(_with, "LoHaConfig", r=2, alpha=2, use_effective_conv2d=True),
    "LoKr, no transposed": partial(_with, "LoKrConfig", r=6, alpha=6, decompose_factor=2),
    "IA3, no transposed": partial(_with, "IA3Config", feedforward_modules=[]),
}
"""By name: a function from a base's generator to the trained module."""
