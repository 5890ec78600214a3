"""A concept's whole edit as a network for LiteRT: pictures in 8 bits, height × width × 3, of one size."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from e2gan.base import Base
from e2gan.concept import Concept
from e2gan.models.edit import Edit
from e2gan.models.generator import UpConv
from e2gan.models.look import Look, look_of
from e2gan.models.lora import fold_adapter

__all__ = ["EDIT", "PHOTO", "PixelEdit", "build"]

PHOTO, EDIT = "photo", "edit"
"""Names of the input and the output."""


class PixelEdit(nn.Module):
    """The same edit as :meth:`e2gan.Editor.apply`, at full strength."""

    def __init__(self, edit: Edit, look: Look, stride: int) -> None:
        """``look`` has one row; the generator takes multiples of ``stride``."""
        super().__init__()
        self.edit, self.look, self.stride = edit, look, stride

    def forward(self, photo: Tensor) -> dict[str, Tensor]:
        """(1, H, W, 3) uint8 to its edit in the same form, by its name."""
        height, width = photo.shape[1:3]
        x = photo.permute(0, 3, 1, 2).float() / 127.5 - 1
        if height % self.stride or width % self.stride:
            x = F.pad(x, (0, -width % self.stride, 0, -height % self.stride), mode="reflect")
        y = self.edit(x, self.look)[:, :, :height, :width]
        pixels = torch.round((y * 127.5 + 127.5).clamp(0, 255))
        return {EDIT: pixels.permute(0, 2, 3, 1).to(torch.uint8)}


def build(base: Base, concept: Concept) -> PixelEdit:
    """The network of a concept, its change folded into the base's weights.

    Raises:
        ConceptError: the concept is untrained, malformed or made for another base.
        BaseModelError: the base's files are damaged.
    """
    adapter = concept.load(base)
    generator = base.generator()
    fold_adapter(generator, adapter.tensors)
    for name, module in [*generator.named_modules()]:
        if isinstance(module, UpConv):
            generator.set_submodule(name, _even(module))
    look = look_of(torch.from_numpy(adapter.prompt), concept.keeps, concept.tone, concept.skips, concept.noise)
    return PixelEdit(Edit(generator), look, base.config.stride).eval()


def _even(layer: UpConv) -> nn.ConvTranspose2d:
    """The same layer as one convolution with an even kernel.

    LiteRT's converter refuses an output padding, which an odd kernel needs to double the size.  A fourth row and column
    of zeros take its place, and change nothing.
    """
    if layer.smoothing != "none":
        return layer.folded()
    even = nn.ConvTranspose2d(layer.in_channels, layer.out_channels, layer.kernel_size[0] + 1, 2, padding=1)
    even.weight = nn.Parameter(F.pad(layer.weight.detach(), (0, 1, 0, 1)), requires_grad=False)
    even.bias = None if layer.bias is None else nn.Parameter(layer.bias.detach(), requires_grad=False)
    return even
