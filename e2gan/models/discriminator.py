"""The conditional 70×70 PatchGAN discriminator of pix2pix (Isola et al., 2017)."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from e2gan.models.weights import draw_weights, load_weights

__all__ = ["Discriminator", "load_discriminator"]


class Discriminator(nn.Module):
    """Scores each 70×70 patch of a photo and its edit.

    6→64→128→256→512→1 with 4×4 convolutions, instance norm on the middle three: 2,767,809
    parameters.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        w = width
        self.conv1 = nn.Conv2d(6, w, 4, stride=2, padding=1)
        self.conv2 = nn.Conv2d(w, 2 * w, 4, stride=2, padding=1)
        self.conv3 = nn.Conv2d(2 * w, 4 * w, 4, stride=2, padding=1)
        self.conv4 = nn.Conv2d(4 * w, 8 * w, 4, stride=1, padding=1)
        self.conv5 = nn.Conv2d(8 * w, 1, 4, stride=1, padding=1)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """x and y: photo and edit, (N, 3, H, W) in [-1, 1], H and W at least 32 -> (N, 1, H/8 - 2, W/8 - 2) logits."""
        h = F.leaky_relu(self.conv1(torch.cat([x, y], dim=1)), 0.2, inplace=True)
        for conv in (self.conv2, self.conv3, self.conv4):
            h = F.leaky_relu(F.instance_norm(conv(h)), 0.2)
        return self.conv5(h)

    def initialize(self, std: float = 0.02) -> None:
        """Draw every weight from N(0, std), and set biases to zero."""
        draw_weights(self, std)


def load_discriminator(path: str | Path) -> Discriminator:
    """Read a discriminator's weights, to continue its training.

    Raises:
        BaseModelError: the file is not safetensors, or does not hold this discriminator.
    """
    discriminator = Discriminator()
    load_weights(discriminator, path)
    return discriminator
