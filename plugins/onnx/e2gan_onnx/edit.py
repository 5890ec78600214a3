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
from e2gan.models.edit import Look, edited, look_of
from e2gan.models.generator import Generator, OutConv, UpConv
from e2gan.models.layout import KEEPS
from e2gan.models.light import kept, toned
from e2gan.models.lora import Folder, delta_weights
from e2gan.models.noise import noise_tile

__all__ = ["FoldedEdit", "SwappableEdit", "folded", "traceable"]


class FoldedEdit(nn.Module):
    """One concept's edit, its changes folded into the weights."""

    prompt: Tensor
    skips: Tensor | None
    noise: Tensor | None
    tones: Tensor | None

    def __init__(self, generator: Generator, look: Look, keeps: str) -> None:
        """``look`` is one row; the picture is computed in its prompt's type."""
        super().__init__()
        self.generator = generator
        self.keeps = keeps
        for name in ("prompt", "skips", "noise", "tones"):
            self.register_buffer(name, getattr(look, name))

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] to its edit, likewise; H and W are multiples of the generator's stride."""
        x = image * 2 - 1
        count = x.shape[0]  # not len(), which would be a constant of the graph
        look = Look(self.prompt.expand(count, -1, -1), skips=self.skips, noise=self.noise)
        y = edited(lambda x, *look: self.generator(x.to(self.prompt.dtype), *look), x, look)
        if self.tones is not None:  # what is kept is known: the shares, which edited() goes by, are values
            y = kept(self.keeps, y, toned(x, self.tones.expand(count, -1, -1)))
        return ((y + 1) / 2).clamp(0, 1)


class SwappableEdit(nn.Module):
    """Any concept's edit: what is the concept's goes in beside the picture."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, image: Tensor, concept: Mapping[str, Tensor]) -> Tensor:
        """As :meth:`FoldedEdit.forward`.

        ``concept`` holds the adapter's factors by PEFT's names, of any ranks, and ``prompt`` (1, T, D),
        ``tone`` (1, 3, 4), ``shares`` (1, K), and where the graph has them ``skips`` (1, 3) and ``noise`` (1,).
        """
        x = image * 2 - 1
        count = x.shape[0]
        deltas = delta_weights(self.generator.config, concept)
        weights = {f"{name}.weight": self.generator.get_parameter(f"{name}.weight") + deltas[name] for name in deltas}
        look = Look(concept["prompt"].expand(count, -1, -1), skips=concept.get("skips"), noise=concept.get("noise"))
        y = edited(lambda *given: functional_call(self.generator, weights, given), x, look)
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
    traceable(generator)
    if dtype == torch.float32:
        _bake(generator)
    for name, module in generator.named_children():
        if name != "conv_out":
            module.to(dtype)
    prompt = torch.from_numpy(adapter.prompt).to(dtype)
    look = look_of(prompt, concept.keeps, concept.tone, concept.skips, concept.noise)
    return FoldedEdit(generator, look, concept.keeps).eval()


def traceable(generator: Generator) -> Generator:
    """Give a generator's last convolution the form that suits a graph; it keeps its weights."""
    noise_tile()  # is kept from its first use on, which must not be while tracing: tensors have no values then
    generator.conv_out.__class__ = _PairedOutConv
    return generator


def _bake(generator: Generator) -> None:
    """Store the weights of smoothed convolutions as they are used, for a graph whose weights stay."""
    for module in generator.modules():
        if isinstance(module, UpConv) and module.smoothing != "none":
            module.weight = nn.Parameter(module.smoothed(), requires_grad=False)
            module.__class__ = _BakedUpConv


class _BakedUpConv(UpConv):
    """A transposed convolution whose weight has the filter in it."""

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        return self.folded(x, self.weight)


class _PairedOutConv(OutConv):
    """The last convolution for 2×2 pixels at once: here always, and without writing into a tensor."""

    def forward(self, x: Tensor) -> Tensor:
        offsets = [F.pad(self.weight, (j, 1 - j, i, 1 - i)) for i in range(2) for j in range(2)]
        bias = None if self.bias is None else self.bias.repeat_interleave(4)
        return F.pixel_shuffle(F.conv2d(x, torch.stack(offsets, 1).flatten(0, 1), bias, stride=2), 2)
