"""Co-Mod-GAN: a StyleGAN2 whose styles come from a latent and from the photo at once (Zhao et al., ICLR 2021)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["CoModGAN", "StyleDiscriminator", "Widths"]

BLUR = (1.0, 3.0, 3.0, 1.0)
"""The filter of StyleGAN2's up- and downsampling, along each axis."""

DROPOUT = 0.5
"""Dropout of the photo's global features, as in the published program."""

PATH_DECAY = 0.01
"""Rate at which the mean path length is updated (Karras et al., 2020)."""


@dataclass(frozen=True)
class Widths:
    """The networks' sizes; the defaults are the published ones, for 256 × 256 pixels."""

    side: int = 256
    """Side in pixels, a power of two; the photo's global features cover the whole of it."""
    base: int = 16_384
    widest: int = 512
    """A layer of a side of s pixels has ``base`` / (s / 2) channels, at most ``widest``."""
    latent: int = 512
    mapping_layers: int = 8

    def __post_init__(self) -> None:
        if self.side < 8 or self.side & (self.side - 1):
            raise ValueError(f"the side must be a power of two and at least 8, not {self.side}")

    def channels(self, side: int) -> int:
        return min(2 * self.base // side, self.widest)

    @property
    def sides(self) -> list[int]:
        """Of the layers, from 4 up."""
        return [2**power for power in range(2, int(math.log2(self.side)) + 1)]


class Linear(nn.Module):
    """A linear layer that scales its weights as it runs, so that all layers learn at one rate (Karras et al., 2018)."""

    def __init__(self, inputs: int, outputs: int, *, rate: float = 1.0, bias: float = 0.0, active: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias / rate))
        self.scale, self.rate, self.active = rate / math.sqrt(inputs), rate, active

    def forward(self, x: Tensor) -> Tensor:
        y = F.linear(x, self.weight * self.scale, self.bias * self.rate)
        return _activated(y) if self.active else y


class Conv(nn.Module):
    """A convolution of scaled weights, after which its picture may be half as large."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, down: bool = False, active: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        # The shortcut of a residual block has neither bias nor activation.
        self.bias = nn.Parameter(torch.zeros(outputs)) if active else None
        self.scale, self.down = 1 / math.sqrt(inputs * kernel**2), down

    def forward(self, x: Tensor) -> Tensor:
        kernel = self.weight.shape[-1]
        if self.down:
            x = _blurred(x, pad=(kernel // 2 + 1, kernel // 2 + 1) if kernel > 1 else (1, 1))
            x = F.conv2d(x, self.weight * self.scale, stride=2)
        else:
            x = F.conv2d(x, self.weight * self.scale, padding=kernel // 2)
        return x if self.bias is None else _activated(x + self.bias[:, None, None])


class ModulatedConv(nn.Module):
    """A convolution whose input channels a style scales, and whose outputs are brought back to unit deviation."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, style: int, *, up: bool = False, rgb: bool = False
    ) -> None:
        super().__init__()
        self.affine = Linear(style, inputs, bias=1.0, active=False)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise = None if rgb else nn.Parameter(torch.zeros(()))
        self.scale, self.up, self.rgb = 1 / math.sqrt(inputs * kernel**2), up, rgb

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        # Scaling the input and the output has the same effect as scaling the weights of each picture, and
        # needs no convolution in groups.
        scales = self.affine(style)
        weight = self.weight * self.scale
        x = x * scales[..., None, None]
        if self.up:
            x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
            x = _blurred(x, pad=(1, 1), gain=4)
        else:
            x = F.conv2d(x, weight, padding=weight.shape[-1] // 2)
        if self.rgb:
            return x + self.bias[:, None, None]
        norm = torch.rsqrt(torch.einsum("oikl,ni->no", weight.square(), scales.square()) + 1e-8)
        x = x * norm[..., None, None]
        if self.noise is not None and self.training:
            x = x + self.noise * torch.randn_like(x[:, :1])
        return _activated(x + self.bias[:, None, None])


class CoModGAN(nn.Module):
    """Photo in, edit out; 79.2 million parameters at the published widths.  The prompt is not used.

    Training draws a latent for every photo; afterwards the latent is fixed, so that edits are reproducible.
    """

    def __init__(self, widths: Widths | None = None) -> None:
        super().__init__()
        self.widths = widths = widths or Widths()
        c, latent = widths.channels, widths.latent
        seen = 2 * c(4)
        style = latent + seen
        mapping = [Linear(latent, latent, rate=0.01) for _ in range(widths.mapping_layers)]
        self.mapping = nn.Sequential(*mapping)
        self.from_rgb = Conv(3, c(widths.side), 1)
        falling = list(reversed(widths.sides[1:]))
        self.encoders = nn.ModuleList(Conv(c(side), c(side), 3) for side in falling)
        self.downs = nn.ModuleList(Conv(c(side), c(side // 2), 3, down=True) for side in falling)
        self.encoder_last = Conv(c(4), c(4), 3)
        self.see = Linear(16 * c(4), seen)
        self.begin = Linear(seen, 16 * c(4))
        self.first = ModulatedConv(c(4), c(4), 3, style)
        self.ups = nn.ModuleList(ModulatedConv(c(side // 2), c(side), 3, style, up=True) for side in widths.sides[1:])
        self.layers = nn.ModuleList(ModulatedConv(c(side), c(side), 3, style) for side in widths.sides[1:])
        self.to_rgb = nn.ModuleList(ModulatedConv(c(side), 3, 1, style, rgb=True) for side in widths.sides)
        self.mean_path: Tensor
        self.register_buffer("mean_path", torch.zeros(()))
        self.still: Tensor
        self.register_buffer("still", torch.randn(1, latent, generator=torch.Generator().manual_seed(0)))

    def forward(self, photo: Tensor, prompt: Tensor | None = None, prompt_bias: Tensor | None = None) -> Tensor:
        """(N, 3, side, side) in [-1, 1] to the same shape, in about that range."""
        return self._synthesize(photo, self._w(photo))

    def path_penalty(self, photo: Tensor, prompt: Tensor, prompt_bias: Tensor) -> Tensor:
        """How unevenly a step in w changes the picture (path length regularisation, Karras et al., 2020)."""
        w = self._w(photo)
        picture = self._synthesize(photo, w)
        noise = torch.randn_like(picture) / self.widths.side
        (slopes,) = torch.autograd.grad((picture * noise).sum(), w, create_graph=True)
        lengths = slopes.square().sum(1).sqrt()
        self.mean_path.lerp_(lengths.detach().mean(), PATH_DECAY)
        return (lengths - self.mean_path).square().mean()

    def _w(self, photo: Tensor) -> Tensor:
        z = torch.randn(len(photo), self.widths.latent, device=photo.device) if self.training else self.still
        z = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
        w: Tensor = self.mapping(z)
        return w.expand(len(photo), -1)

    def _synthesize(self, photo: Tensor, w: Tensor) -> Tensor:
        x = self.from_rgb(photo)
        skips = []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            x = encoder(x)
            skips.append(x)
            x = down(x)
        x = self.encoder_last(x)
        seen = F.dropout(self.see(x.flatten(1)), DROPOUT, self.training)
        style = torch.cat([w, seen], dim=1)
        x = self.begin(seen).view_as(x) + x
        x = self.first(x, style)
        rgb = self.to_rgb[0](x, style)
        for up, layer, to_rgb in zip(self.ups, self.layers, self.to_rgb[1:], strict=True):
            x = layer(up(x, style) + skips.pop(), style)
            rgb = _enlarged(rgb) + to_rgb(x, style)
        return rgb


class StyleDiscriminator(nn.Module):
    """StyleGAN2's residual discriminator on photo and edit: (N, 1) logits."""

    def __init__(self, widths: Widths | None = None) -> None:
        super().__init__()
        self.widths = widths = widths or Widths()
        c = widths.channels
        falling = list(reversed(widths.sides[1:]))
        self.from_rgb = Conv(6, c(widths.side), 1)
        self.convs = nn.ModuleList(Conv(c(side), c(side), 3) for side in falling)
        self.downs = nn.ModuleList(Conv(c(side), c(side // 2), 3, down=True) for side in falling)
        self.shortcuts = nn.ModuleList(Conv(c(side), c(side // 2), 1, down=True, active=False) for side in falling)
        self.last = Conv(c(4) + 1, c(4), 3)
        self.dense = Linear(16 * c(4), c(4))
        self.out = Linear(c(4), 1, active=False)

    def forward(self, photo: Tensor, edit: Tensor) -> Tensor:
        x = self.from_rgb(torch.cat([photo, edit], dim=1))
        for conv, down, shortcut in zip(self.convs, self.downs, self.shortcuts, strict=True):
            x = (down(conv(x)) + shortcut(x)) / math.sqrt(2)
        # How much the pictures of a batch differ, which exposes a generator whose pictures are all alike.
        spread = x.std(0, correction=0).mean().expand(len(x), 1, *x.shape[2:])
        logits: Tensor = self.out(self.dense(self.last(torch.cat([x, spread], dim=1)).flatten(1)))
        return logits


def _activated(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2) * math.sqrt(2)


def _blurred(x: Tensor, pad: tuple[int, int], gain: float = 1.0) -> Tensor:
    line = torch.tensor(BLUR, device=x.device, dtype=x.dtype)
    filter = line[:, None] * line / line.sum() ** 2 * gain
    x = F.pad(x, (*pad, *pad))
    return F.conv2d(x, filter.expand(x.shape[1], 1, -1, -1), groups=x.shape[1])


def _enlarged(x: Tensor) -> Tensor:
    """Twice the size, through the same filter."""
    wide = x.new_zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
    wide[..., ::2, ::2] = x
    return _blurred(wide, pad=(2, 1), gain=4)
