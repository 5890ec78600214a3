"""The editor's whole edit as a network that can be traced: a picture in, the edited picture out.

Everything that the editor does between reading a photo and writing it is in there, but for the resizing of large
photos and the padding of odd sizes.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from e2gan.base import Base
from e2gan.concept import Concept
from e2gan.models.generator import Generator, OutConv
from e2gan.models.layout import KEEPS
from e2gan.models.light import kept, mix_tones, toned
from e2gan.models.lora import Folder, delta_weights

__all__ = ["FoldedEdit", "SwappableEdit", "folded", "traceable"]


class FoldedEdit(nn.Module):
    """One concept's edit, its changes folded into the weights."""

    def __init__(self, generator: Generator, prompt: Tensor, keeps: str, tone: Tensor) -> None:
        """``prompt`` is (T, D), ``tone`` (3, 4); the picture is computed in the prompt's type."""
        super().__init__()
        self.generator = generator
        self.keeps = keeps
        self.register_buffer("prompt", prompt[None])
        self.register_buffer("tone", tone[None])

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] to its edit, likewise; H and W are multiples of the generator's stride."""
        x = image * 2 - 1
        count = x.shape[0]  # not len(), which would be a constant of the graph
        prompt = self.get_buffer("prompt")
        y = self.generator(x.to(prompt.dtype), prompt.expand(count, -1, -1)).float()
        if self.keeps != KEEPS[0]:
            y = kept(self.keeps, y, toned(x, self.get_buffer("tone").expand(count, -1, -1)))
        return ((y + 1) / 2).clamp(0, 1)


class SwappableEdit(nn.Module):
    """Any concept's edit: what is the concept's goes in beside the picture."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, image: Tensor, concept: Mapping[str, Tensor]) -> Tensor:
        """As :meth:`FoldedEdit.forward`.

        ``concept`` holds the adapter's factors by PEFT's names, of any ranks, and ``prompt`` (1, T, D),
        ``tone`` (1, 3, 4) and ``shares`` (1, K).
        """
        x = image * 2 - 1
        count = x.shape[0]
        deltas = delta_weights(self.generator.config, concept)
        weights = {f"{name}.weight": self.generator.get_parameter(f"{name}.weight") + deltas[name] for name in deltas}
        y = functional_call(self.generator, weights, (x, concept["prompt"].expand(count, -1, -1)))
        photo = toned(x, concept["tone"].expand(count, -1, -1))
        shares = concept["shares"].view(-1, 1, 1, 1, 1)
        y = torch.stack([share * kept(what, y, photo) for what, share in zip(KEEPS, shares)]).sum(0)
        return ((y + 1) / 2).clamp(0, 1)


def folded(base: Base, concept: Concept, dtype: torch.dtype = torch.float32) -> FoldedEdit:
    """The edit of a concept; in ``dtype``, but for its last layer and what is kept of the photo, as in the editor.

    Raises:
        BaseModelError: the base's files are damaged.
        ConceptError: the concept is untrained, damaged or made for another base.
    """
    adapter = concept.load(base)
    generator = base.generator()
    deltas = delta_weights(base.config, {name: torch.from_numpy(value) for name, value in adapter.tensors.items()})
    Folder(generator).fold([(1.0, deltas)])
    for name, module in traceable(generator).named_children():
        if name != "conv_out":
            module.to(dtype)
    prompt = torch.from_numpy(adapter.prompt).to(dtype)
    return FoldedEdit(generator, prompt, concept.keeps, mix_tones((concept.tone, 1.0))).eval()


def traceable(generator: Generator) -> Generator:
    """Give a generator's last convolution the form that suits a graph; it keeps its weights."""
    generator.conv_out.__class__ = _PairedOutConv
    return generator


class _PairedOutConv(OutConv):
    """The last convolution for 2×2 pixels at once: here always, and without writing into a tensor."""

    def forward(self, x: Tensor) -> Tensor:
        offsets = [F.pad(self.weight, (j, 1 - j, i, 1 - i)) for i in range(2) for j in range(2)]
        bias = None if self.bias is None else self.bias.repeat_interleave(4)
        return F.pixel_shuffle(F.conv2d(x, torch.stack(offsets, 1).flatten(0, 1), bias, stride=2), 2)
