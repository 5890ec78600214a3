"""A concept's whole edit as a network for Core ML: photo in, picture out."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from e2gan.base import Base
from e2gan.concept import Concept
from e2gan.models.edit import Edit
from e2gan.models.generator import Generator
from e2gan.models.layout import ADAPTER_PREFIX, crucial_layers
from e2gan.models.look import Look, look_of
from e2gan.models.lora import fold_adapter
from e2gan.models.noise import SIDE, noise_tile

__all__ = ["PackagedEdit", "build"]


class PackagedEdit(nn.Module):
    """The same edit as :meth:`e2gan.Editor.apply`, for a photo of the working size at full strength."""

    def __init__(self, edit: Edit, look: Look) -> None:
        """``look`` has one row."""
        super().__init__()
        self.edit, self.look = edit, look

    def forward(self, photo: Tensor) -> Tensor:
        """Photo (1, 3, H, W) in [-1, 1] -> edit, whole numbers from 0 to 255.

        The network rounds the result, because runtimes treat fractions of a step differently.
        """
        return torch.round((self.edit(photo, self.look) * 127.5 + 127.5).clamp(0, 255))


class TiledEdit(Edit):
    """An edit whose noise is prepared for the largest possible photo."""

    tile: Tensor

    def __init__(self, generator: Generator, sizes: Sequence[tuple[int, int]]) -> None:
        """``sizes``: all possible widths and heights of a photo."""
        super().__init__(generator, half=True)
        width, height = (max(lengths) for lengths in zip(*sizes))
        repeated = np.tile(noise_tile(), (-(-height // SIDE), -(-width // SIDE)))[None, None, :height, :width]
        self.register_buffer("tile", torch.from_numpy(np.ascontiguousarray(repeated)))

    def with_noise(self, photo: Tensor, look: Look, offsets: Tensor | None) -> Tensor:
        if look.noise is None:
            return photo
        height, width = photo.shape[2:]
        # A convolution of photo and tile: from a product with the tile alone the converter makes a new constant,
        # which several concepts could not share.
        onto = torch.cat([torch.eye(3), look.noise.expand(3, 1)], 1)[..., None, None]
        return F.conv2d(torch.cat([photo, self.tile[:, :, :height, :width]], 1), onto)


class Branched(nn.Module):
    """A layer of the base with a concept's low-rank change beside it: W·x + B·(A·x).

    W thus stays the base's own and is stored once for all concepts.
    """

    up: Tensor

    def __init__(self, layer: nn.Module, a: Tensor, b: Tensor) -> None:
        """``a`` and ``b``: shaped as PEFT saves them."""
        super().__init__()
        self.layer = layer
        self.down = copy.deepcopy(layer)
        self.down.register_parameter("weight", nn.Parameter(a, requires_grad=False))
        self.down.register_parameter("bias", None)
        self.register_buffer("up", b)

    @property
    def weight(self) -> Tensor:
        """The base's weight; the generator reads its dtype."""
        weight = self.layer.weight
        assert isinstance(weight, Tensor)
        return weight

    def forward(self, x: Tensor) -> Tensor:
        h = self.down(x)
        return self.layer(x) + (F.linear(h, self.up) if self.up.dim() == 2 else F.conv2d(h, self.up))


def build(base: Base, concept: Concept, sizes: Sequence[tuple[int, int]], *, folded: bool) -> PackagedEdit:
    """The network of a concept: its change folded into the base's weights, or in branches beside them.

    ``sizes`` are the widths and heights of its photos, in pixels.

    Raises:
        ConceptError: the concept is untrained, malformed or made for another base.
        BaseModelError: the base's files are damaged.
    """
    adapter = concept.load(base)
    generator = base.generator()
    if folded:
        fold_adapter(generator, adapter.tensors)
    else:
        tensors = {name: torch.from_numpy(value) for name, value in adapter.tensors.items()}
        for layer in crucial_layers(base.config):
            a, b = (tensors[f"{ADAPTER_PREFIX}{layer.name}.lora_{factor}.weight"] for factor in "AB")
            generator.set_submodule(layer.name, Branched(generator.get_submodule(layer.name), a, b))
    look = look_of(torch.from_numpy(adapter.prompt), concept.keeps, concept.tone, concept.skips, concept.noise)
    return PackagedEdit(TiledEdit(generator, sizes), look).eval()
