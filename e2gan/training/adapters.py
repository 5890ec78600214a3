"""A base in training, with an adapter for each of its concepts beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from e2gan.models.deltas import delta_weights, folded
from e2gan.models.generator import Generator
from e2gan.models.layout import Ranks, adapter_shapes, crucial_layers

__all__ = ["WithAdapters"]


class WithAdapters(nn.Module):
    """A generator that is trained together with an adapter for each concept; called like the generator.

    The prompt alone cannot tell a generator all of a concept: it adds nearly the same to every token, and the instance
    norms after the transformer block remove whatever is the same all over the picture, such as a palette.  An adapter
    changes the layers themselves, and the generator learns what the concepts have in common: what later adapters start
    from.

    Args:
        generator: all of its weights are trained.
        concepts: the concepts' ids.
        ranks: those of the adapters.
    """

    def __init__(self, generator: Generator, concepts: Sequence[str], ranks: Ranks) -> None:
        super().__init__()
        self.generator = generator
        self.shapes = adapter_shapes(generator.config, ranks)
        self.adapters = nn.ModuleDict({concept: self._fresh() for concept in concepts})
        self.concepts: Sequence[str] = ()
        """The concept of each picture of the batch to come."""

    def _fresh(self) -> nn.ParameterList:
        """An adapter's factors as PEFT draws them: A at random, B zero."""
        factors = nn.ParameterList()
        for name, shape in self.shapes.items():
            factor = torch.zeros(shape)
            if ".lora_A." in name:
                nn.init.kaiming_uniform_(factor, a=math.sqrt(5))
            factors.append(nn.Parameter(factor))
        return factors

    def adapter(self, concept: str) -> dict[str, Tensor]:
        """An adapter's factors by PEFT's file names."""
        return dict(zip(self.shapes, self.adapters[concept].parameters(), strict=True))

    def forward(
        self, x: Tensor, prompt: Tensor, prompt_bias: Tensor | None = None, skips: Tensor | None = None
    ) -> Tensor:
        """Like `Generator.forward`, each picture with the adapter of its concept in `concepts`."""
        pristine = {
            layer.name: self.generator.get_parameter(f"{layer.name}.weight")
            for layer in crucial_layers(self.generator.config)
        }
        edits: list[Tensor] = []
        order: list[int] = []
        for concept in dict.fromkeys(self.concepts):
            places = [place for place, other in enumerate(self.concepts) if other == concept]
            deltas = delta_weights(self.generator.config, self.adapter(concept))
            weights = {f"{name}.weight": weight for name, weight in folded(pristine, [(1.0, deltas)])}
            given = tuple(None if one is None else one[places] for one in (x, prompt, prompt_bias, skips))
            edits.append(functional_call(self.generator, weights, given))
            order += places
        return torch.cat(edits)[torch.tensor(order).argsort()]
