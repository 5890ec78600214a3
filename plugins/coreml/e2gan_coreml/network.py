"""An edit as one network: photo in, picture out, with all that the editor does around the generator."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from e2gan.base import Base
from e2gan.concept import Concept
from e2gan.models.generator import Generator, UpConv
from e2gan.models.layout import ADAPTER_PREFIX, NO_SKIPS, crucial_layers
from e2gan.models.light import CELL, LUMA, SHIFT, SPAN, STEADINESS
from e2gan.models.lora import Folder, delta_weights
from e2gan.models.noise import SIDE, noise_tile

__all__ = ["Edit", "build"]


class Edit(nn.Module):
    """What :meth:`e2gan.Editor.apply` does to a photo of the working size, at full strength."""

    prompt: Tensor
    skips: Tensor | None
    tile: Tensor | None
    onto: Tensor | None
    tone_matrix: Tensor
    tone_offset: Tensor
    luma: Tensor

    def __init__(
        self, generator: Generator, prompt: Tensor, concept: Concept, sizes: Sequence[tuple[int, int]]
    ) -> None:
        """``prompt``: (T, D); ``sizes``: width and height of each photo that may come."""
        super().__init__()
        self.generator = generator
        self.keeps = concept.keeps
        self.register_buffer("skips", torch.tensor([concept.skips]) if concept.skips != NO_SKIPS else None)
        self.register_buffer("tile", _tiled(sizes) if concept.noise else None)
        # As a convolution of photo and tile: of a product with the tile alone the converter makes another constant,
        # and several concepts could not share it.
        onto = torch.cat([torch.eye(3), torch.full((3, 1), concept.noise)], 1)[..., None, None]
        self.register_buffer("onto", onto if concept.noise else None)
        tone = torch.tensor(concept.tone)
        self.register_buffer("prompt", prompt[None])
        self.register_buffer("tone_matrix", tone[:, :3, None, None])
        self.register_buffer("tone_offset", tone[:, 3])
        self.register_buffer("luma", torch.tensor(LUMA).view(1, 3, 1, 1))

    def forward(self, photo: Tensor) -> Tensor:
        """Photo (1, 3, H, W) in [-1, 1] -> edit, whole numbers from 0 to 255.

        Rounded here, because what a runtime does with fractions of a pixel's step is its own affair.
        """
        seen = photo
        if self.tile is not None and self.onto is not None:
            height, width = photo.shape[2:]
            seen = F.conv2d(torch.cat([photo, self.tile[:, :, :height, :width]], 1), self.onto)
        made = self.generator(seen, self.prompt, None, self.skips)
        if self.keeps != "nothing":
            photo = F.conv2d(photo, self.tone_matrix, self.tone_offset).clamp(-1, 1)
        if self.keeps == "light":
            made = _anchored(made, F.conv2d(photo, self.luma))
        elif self.keeps == "colour":
            made = _anchored(made, photo)
        elif self.keeps == "detail":
            made = photo + _guided(SHIFT * _spread(photo) * made, photo)
        return torch.round((made * 127.5 + 127.5).clamp(0, 255))


# The same sums as e2gan.models.light, in a form that half precision can hold: no mean is taken over more than a few
# thousand values at once, and moments are of what is left after the mean.


def _mean(x: Tensor) -> Tensor:
    """(1, C, H, W) -> (1, C, 1, 1); H and W multiples of 8."""
    return F.avg_pool2d(x, CELL).mean((2, 3), keepdim=True)


def _spread(x: Tensor) -> Tensor:
    """The standard deviation of each channel; Bessel's correction is below half precision from 64² on."""
    x = x - _mean(x)
    return _mean(x * x).sqrt()


def _anchored(made: Tensor, kept: Tensor) -> Tensor:
    return _mean(kept) + SPAN * _spread(kept) * made


def _guided(shift: Tensor, photo: Tensor) -> Tensor:
    x, y = F.avg_pool2d(photo, CELL), F.avg_pool2d(shift, CELL)
    dx, dy = x - x.mean((2, 3), keepdim=True), y - y.mean((2, 3), keepdim=True)
    overall = (dx * dy).mean((2, 3), keepdim=True) / ((dx * dx).mean((2, 3), keepdim=True) + STEADINESS)
    around_dx, around_dy = _around(dx), _around(dy)
    covariance = _around(dx * dy) - around_dx * around_dy
    variance = _around(dx * dx) - around_dx * around_dx
    slope = (covariance + STEADINESS * overall) / (variance + STEADINESS)
    offset = _around(y) - slope * _around(x)
    slope, offset = (F.interpolate(m, scale_factor=CELL, mode="bilinear") for m in (slope, offset))
    return slope * photo + offset


def _around(x: Tensor) -> Tensor:
    return F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)


def _tiled(sizes: Sequence[tuple[int, int]]) -> Tensor:
    """(1, 1, H, W): the noise over the largest width and height."""
    width, height = (max(lengths) for lengths in zip(*sizes))
    return noise_tile().repeat(-(-height // SIDE), -(-width // SIDE))[None, None, :height, :width].contiguous()


class TwoStepUpConv(UpConv):
    """A smoothed transposed convolution in the form that half precision can hold."""

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        return self.filtered(x)


class Branched(nn.Module):
    """A layer of the base with a concept's low-rank change beside it: W·x + B·(A·x).

    So W stays the base's own, to be stored once for all concepts.
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
        """The base's; the generator asks for its type."""
        weight = self.layer.weight
        assert isinstance(weight, Tensor)
        return weight

    def forward(self, x: Tensor) -> Tensor:
        h = self.down(x)
        return self.layer(x) + (F.linear(h, self.up) if self.up.dim() == 2 else F.conv2d(h, self.up))


def build(base: Base, concept: Concept, sizes: Sequence[tuple[int, int]], *, folded: bool) -> Edit:
    """The network of a concept: its change folded into the base's weights, or in branches beside them.

    ``sizes`` are of the photos that it will see, in pixels: widths and heights.

    Raises:
        ConceptError: the concept is untrained, malformed or made for another base.
        BaseModelError: the base's files are damaged.
    """
    adapter = concept.load(base)
    tensors = {name: torch.from_numpy(value) for name, value in adapter.tensors.items()}
    generator = base.generator()
    for module in generator.modules():
        if isinstance(module, UpConv) and module.smoothing != "none":
            module.__class__ = TwoStepUpConv
    if folded:
        Folder(generator).fold([(1.0, delta_weights(base.config, tensors))])
    else:
        for layer in crucial_layers(base.config):
            a, b = (tensors[f"{ADAPTER_PREFIX}{layer.name}.lora_{factor}.weight"] for factor in "AB")
            generator.set_submodule(layer.name, Branched(generator.get_submodule(layer.name), a, b))
    return Edit(generator, torch.from_numpy(adapter.prompt), concept, sizes).eval()
