"""pix2pix's ResNet generator with nine blocks (Isola et al., 2017)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from e2gan.models.generator import ResBlock, norm_relu

__all__ = ["Pix2Pix"]


class Pix2Pix(nn.Module):
    """11,378,179 parameters.  It uses the same blocks as E²GAN's generator, so that only the layout differs."""

    def __init__(self, width: int = 64, blocks: int = 9) -> None:
        super().__init__()
        w, c = width, 4 * width
        self.pad = nn.ReflectionPad2d(3)
        self.conv_in = nn.Conv2d(3, w, 7)
        self.down1 = nn.Conv2d(w, 2 * w, 3, stride=2, padding=1)
        self.down2 = nn.Conv2d(2 * w, c, 3, stride=2, padding=1)
        self.res = nn.Sequential(*(ResBlock(c) for _ in range(blocks)))
        self.up2 = nn.ConvTranspose2d(c, 2 * w, 3, stride=2, padding=1, output_padding=1)
        self.up1 = nn.ConvTranspose2d(2 * w, w, 3, stride=2, padding=1, output_padding=1)
        self.conv_out = nn.Conv2d(w, 3, 7)

    def forward(self, photo: Tensor, prompt: Tensor | None = None, prompt_bias: Tensor | None = None) -> Tensor:
        """(N, 3, H, W) in [-1, 1] to the same shape; H and W are multiples of 4.  The prompt is not used."""
        x = norm_relu(self.conv_in(self.pad(photo)), self.training)
        x = norm_relu(self.down1(x), self.training)
        x = norm_relu(self.down2(x), self.training)
        x = self.res(x)
        x = norm_relu(self.up2(x), self.training)
        x = norm_relu(self.up1(x), self.training)
        x = self.pad(x)
        # In half precision the last convolution may stay in float32, like E²GAN's.
        if not torch.is_autocast_enabled(x.device.type):
            x = x.to(self.conv_out.weight.dtype)
        return torch.tanh(self.conv_out(x))
