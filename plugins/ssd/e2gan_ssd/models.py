"""The networks: generator and discriminator, and what the ablations remove (paper, section 2)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from e2gan.errors import E2GANError

__all__ = ["LATENT", "SIDE", "VARIANTS", "Discriminator", "Generator", "Variant", "variant"]

LATENT = 100
"""Width of z and of w."""

SIDE = 64
"""Pixels of a side."""

WIDTHS = (512, 256, 128, 64)
"""Channels of the generator's inner layers, from 4 × 4 to 32 × 32 pixels; the discriminator's, in reverse order."""


@dataclass(frozen=True)
class Variant:
    """A model of the paper's tables by its parts."""

    mapping: bool
    """Four linear layers map z to w."""
    adain: bool
    """w sets mean and deviation of every inner layer's channels (AdaIN); otherwise they use batch norm."""
    spectral: bool
    """The discriminator's convolutions have spectral norm."""


VARIANTS = {
    "ssd": Variant(mapping=True, adain=True, spectral=True),
    "no-spectral-norm": Variant(mapping=True, adain=True, spectral=False),
    "no-adain": Variant(mapping=True, adain=False, spectral=True),
    "dcgan": Variant(mapping=False, adain=False, spectral=False),
}
"""The paper's model, its two ablations, and the DCGAN it is compared with (Radford et al., 2016)."""


def variant(name: str) -> Variant:
    """The parts of the model with that name; raises E2GANError if there is none."""
    if name not in VARIANTS:
        raise E2GANError(f"no model '{name}'", hint=f"known: {', '.join(VARIANTS)}")
    return VARIANTS[name]


class AdaIN(nn.Module):
    """Instance norm whose scale and shift are linear in w (Huang and Belongie, 2017)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Linear(LATENT, channels)
        self.beta = nn.Linear(LATENT, channels)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        scale, shift = self.alpha(w)[..., None, None], self.beta(w)[..., None, None]
        return F.instance_norm(x) * scale + shift


class Generator(nn.Module):
    """z (N, 100) to pictures (N, 3, 64, 64) in [-1, 1].

    With a mapping, w both begins the picture and sets its styles: the paper does not say whether the first layer
    takes z or w, and in its ablation without AdaIN, w is not used elsewhere.
    """

    def __init__(self, parts: Variant) -> None:
        super().__init__()
        layers = [layer for _ in range(4) for layer in (nn.Linear(LATENT, LATENT), nn.LeakyReLU(0.2))]
        self.mapping = nn.Sequential(*layers) if parts.mapping else nn.Identity()
        channels = (LATENT, *WIDTHS, 3)
        self.convolutions = nn.ModuleList(
            nn.ConvTranspose2d(i, o, 4, stride=2 if i != LATENT else 1, padding=1 if i != LATENT else 0, bias=False)
            for i, o in pairwise(channels)
        )
        self.norms = nn.ModuleList(AdaIN(o) if parts.adain else nn.BatchNorm2d(o) for o in WIDTHS)
        self.apply(_begin)
        if parts.mapping:
            _begin_mapping(self.mapping)

    def forward(self, z: Tensor) -> Tensor:
        w = self.mapping(z)
        x = w[..., None, None]
        for convolution, norm in zip(self.convolutions, self.norms):
            x = convolution(x)
            x = F.relu(norm(x, w) if isinstance(norm, AdaIN) else norm(x))
        return torch.tanh(self.convolutions[-1](x))


class Discriminator(nn.Module):
    """Pictures (N, 3, 64, 64) in [-1, 1] to logits (N,): above 0 is real."""

    def __init__(self, parts: Variant) -> None:
        super().__init__()
        channels = (3, *reversed(WIDTHS))
        layers: list[nn.Module] = []
        for i, o in pairwise(channels):
            layers.append(nn.Conv2d(i, o, 4, stride=2, padding=1, bias=False))
            if i != 3:
                layers.append(nn.BatchNorm2d(o))
            layers.append(nn.LeakyReLU(0.01))
        layers.append(nn.Conv2d(WIDTHS[0], 1, 4, bias=False))
        self.layers = nn.Sequential(*layers)
        self.apply(_begin)
        if parts.spectral:
            for layer in self.layers:
                if isinstance(layer, nn.Conv2d):
                    spectral_norm(layer)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.layers(x)
        return logits.flatten()


def _begin(module: nn.Module) -> None:
    """DCGAN's initialisation: convolutions N(0, 0.02), scales about 1."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)
    elif isinstance(module, AdaIN):
        # At first every w has the same style: mean 0 and deviation 1.
        for linear, start in ((module.alpha, 1.0), (module.beta, 0.0)):
            nn.init.normal_(linear.weight, 0.0, 0.02)
            nn.init.constant_(linear.bias, start)


def _begin_mapping(mapping: nn.Module) -> None:
    """Kaiming's initialisation, so that w varies as much as z; PyTorch's own shrinks it to a tenth."""
    for layer in mapping.modules():
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, a=0.2)
            nn.init.zeros_(layer.bias)
