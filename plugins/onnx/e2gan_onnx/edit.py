"""The editor's whole edit with pictures in [0, 1], to be traced: a picture in, the edited picture out.

It includes everything that the editor does between reading a photo and writing it, except the resizing of large
photos and the padding of odd sizes.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call

from e2gan.base import Base
from e2gan.concept import Concept
from e2gan.models.deltas import delta_weights
from e2gan.models.edit import Edit
from e2gan.models.generator import Generator, UpConv
from e2gan.models.layout import Keeps
from e2gan.models.look import Look, look_of
from e2gan.models.lora import fold_adapter

__all__ = ["FoldedEdit", "SwappableEdit", "folded", "traceable"]


class FoldedEdit(nn.Module):
    """One concept's edit, its changes folded into the weights."""

    def __init__(self, edit: Edit, look: Look) -> None:
        """``look`` has one row."""
        super().__init__()
        self.edit, self.look = edit, look

    def forward(self, photo: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] to its edit in the same form; H and W are multiples of the generator's stride."""
        count = photo.shape[0]  # not len(), which would be a constant of the graph
        y = self.edit(photo * 2 - 1, self.look.expand(count))
        return ((y + 1) / 2).clamp(0, 1)


class SwappableEdit(nn.Module):
    """Any concept's edit: the concept's own tensors are inputs, beside the picture."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.edit, self.config = traceable(generator), generator.config

    def forward(self, photo: Tensor, concept: Mapping[str, Tensor]) -> Tensor:
        """As :meth:`FoldedEdit.forward`.

        ``concept`` holds the adapter's factors by PEFT's names, of any ranks, and ``prompt`` (1, T, D),
        ``tone`` (1, 3, 4), ``shares`` (1, K) in the order of `Keeps`, and if the graph has them, ``skips`` (1, 3)
        and ``noise`` (1,).
        """
        weights = {}
        for layer, delta in delta_weights(self.config, concept).items():
            name = f"generator.{layer}.weight"
            weights[name] = self.edit.get_parameter(name) + delta
        look = Look(
            concept["prompt"],
            skips=concept.get("skips"),
            noise=concept.get("noise"),
            keeps=tuple(Keeps),
            shares=concept["shares"],
            tones=concept["tone"],
        )
        y = functional_call(self.edit, weights, (photo * 2 - 1, look.expand(photo.shape[0])))
        return ((y + 1) / 2).clamp(0, 1)


def folded(base: Base, concept: Concept, dtype: torch.dtype = torch.float32) -> FoldedEdit:
    """The edit of a concept in ``dtype``, except the last layer and what is kept of the photo, as in the editor.

    Raises:
        BaseModelError: the base's files are damaged.
        ConceptError: the concept is untrained, damaged or made for another base.
    """
    adapter = concept.load(base)
    generator = base.generator()
    fold_adapter(generator, adapter.tensors)
    if dtype == torch.float32:
        _fold_filters(generator)
    prompt = torch.from_numpy(adapter.prompt).to(dtype)
    look = look_of(prompt, concept.keeps, concept.tone, concept.skips, concept.noise)
    return FoldedEdit(traceable(generator.to_precision(dtype)), look).eval()


def traceable(generator: Generator) -> Edit:
    """The edit in a form suitable for tracing."""
    return Edit(generator, at_once=True)


def _fold_filters(generator: Generator) -> None:
    """Store the weights of smoothed convolutions in the form used, for a graph with fixed weights."""
    for name, module in [*generator.named_modules()]:
        if isinstance(module, UpConv) and module.smoothing != "none":
            generator.set_submodule(name, module.folded())
