"""The generator of the published reproduction: a transformer between a frozen ResNet50 stem and a small decoder.

The report fixes the stem, the transformer and the training.  It does not say how prompt and picture are fused, how wide
the decoder is, or where its norms are.  Here the prompt's tokens precede the picture's in the transformer's source.
"""

from __future__ import annotations

import math
import os
import warnings
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from e2gan.errors import BaseModelError
from e2gan.models.generator import ResBlock, norm_relu

__all__ = ["PatchDiscriminator", "Reproduction", "load_stem"]

STEM_WIDTH = 512
"""Output channels of the stem's second stage, at an eighth of the size; the transformer has the same width."""

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and deviation that normalised ImageNet's pictures for the stem."""


class Bottleneck(nn.Module):
    """ResNet's block of three convolutions (He et al., 2016), with the names in torchvision's files."""

    def __init__(self, inputs: int, inner: int, stride: int) -> None:
        super().__init__()
        outputs = 4 * inner
        self.conv1 = nn.Conv2d(inputs, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = (
            nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs))
            if stride != 1 or inputs != outputs
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.bn1(self.conv1(x)))
        h = F.relu(self.bn2(self.conv2(h)))
        return F.relu(self.bn3(self.conv3(h)) + self.downsample(x))


class Stem(nn.Module):
    """ResNet50's conv1, max-pool, layer1 and layer2: (N, 3, H, W) in [-1, 1] to (N, 512, H/8, W/8).  Frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(Bottleneck(64, 64, 1), *(Bottleneck(256, 64, 1) for _ in range(2)))
        self.layer2 = nn.Sequential(Bottleneck(256, 128, 2), *(Bottleneck(512, 128, 1) for _ in range(3)))
        self.requires_grad_(False)

    def train(self, mode: bool = True) -> Stem:
        """Keep ImageNet's statistics in the norms."""
        super().train(False)
        return self

    def forward(self, x: Tensor) -> Tensor:
        mean, deviation = (x.new_tensor(values)[:, None, None] for values in (MEAN, DEVIATION))
        x = ((x + 1) / 2 - mean) / deviation
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, stride=2, padding=1)
        out: Tensor = self.layer2(self.layer1(x))
        return out


class Reproduction(nn.Module):
    """Photo and prompt in, edit out, at one size: multiples of 32."""

    def __init__(self, prompt_dim: int, *, depth: int = 3, feed_forward: int = 1024) -> None:
        super().__init__()
        c = STEM_WIDTH
        self.stem = Stem()
        self.prompt = nn.Linear(prompt_dim, c)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="enable_nested_tensor")  # not used here
            self.transformer = nn.Transformer(
                c, 8, depth, depth, feed_forward, dropout=0.1, activation=_gelu, batch_first=True
            )
        self.up1 = nn.ConvTranspose2d(c, c // 2, 4, stride=2, padding=1)
        self.block = ResBlock(c // 2)
        self.up2 = nn.ConvTranspose2d(c // 2, c // 4, 4, stride=2, padding=1)
        self.up3 = nn.ConvTranspose2d(c // 4, c // 8, 4, stride=2, padding=1)
        self.pad = nn.ReflectionPad2d(3)
        self.out = nn.Conv2d(c // 8, 3, 7)

    def forward(self, photo: Tensor, prompt: Tensor, prompt_bias: Tensor | None = None) -> Tensor:
        """(N, 3, H, W) in [-1, 1] and (N, T, prompt_dim) to (N, 3, H, W) in [-1, 1]."""
        features = self.stem(photo)
        height, width = features.shape[-2:]
        tokens = features.flatten(2).transpose(1, 2)
        tokens = tokens + _positions(height, width, tokens.shape[-1]).to(tokens)
        source = torch.cat([self.prompt(prompt), tokens], dim=1)
        hidden = None
        if prompt_bias is not None:
            hidden = torch.zeros(source.shape[:2], dtype=torch.bool, device=source.device)
            hidden[:, : prompt.shape[1]] = torch.isinf(prompt_bias)
        h = self.transformer(source, tokens, src_key_padding_mask=hidden, memory_key_padding_mask=hidden)
        x = h.transpose(1, 2).unflatten(2, (height, width))
        x = self.block(norm_relu(self.up1(x)))
        x = norm_relu(self.up3(norm_relu(self.up2(x))))
        return torch.tanh(self.out(self.pad(x)))


def _gelu(x: Tensor) -> Tensor:
    """Used instead of torch's own function, which would use its fused encoder; that fails in half precision."""
    return F.gelu(x)


class PatchDiscriminator(nn.Module):
    """Convolutions with instance norm and LeakyReLU on photo and edit, as in the report: PatchGAN's layout."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        widths = (6, width, 2 * width, 4 * width, 8 * width)
        layers: list[nn.Module] = []
        for place, (i, o) in enumerate(pairwise(widths)):
            layers.append(nn.Conv2d(i, o, 4, stride=2 if place < 3 else 1, padding=1))
            if place:
                layers.append(nn.InstanceNorm2d(o))
            layers.append(nn.LeakyReLU(0.2))
        layers.append(nn.Conv2d(widths[-1], 1, 4, padding=1))
        self.layers = nn.Sequential(*layers)

    def forward(self, photo: Tensor, edit: Tensor) -> Tensor:
        logits: Tensor = self.layers(torch.cat([photo, edit], dim=1))
        return logits


def load_stem(model: Reproduction, file: str | os.PathLike[str]) -> None:
    """Give the stem the weights of torchvision's ``resnet50`` file (.pth, or safetensors); the rest is not used.

    Raises:
        BaseModelError: the file cannot be read, or lacks a tensor or has one of another shape.
    """
    path = Path(file)
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
        state = {name: state[name] for name in model.stem.state_dict() if not name.endswith("num_batches_tracked")}
        model.stem.load_state_dict(state, strict=False)
    except Exception as error:  # neither reader has its own exception
        fault = f"has no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())[:200]
        raise BaseModelError(f"{path}: not the weights of torchvision's resnet50 ({fault})") from error


def _positions(height: int, width: int, channels: int) -> Tensor:
    """(height · width, channels): sines and cosines, half of the channels for the row and half for the column."""
    rates = torch.exp(torch.arange(0, channels // 2, 2) * (-math.log(10_000) / (channels // 2)))

    def along(count: int) -> Tensor:
        angles = torch.arange(count)[:, None] * rates
        return torch.cat([angles.sin(), angles.cos()], dim=1)

    rows = along(height)[:, None].expand(-1, width, -1)
    columns = along(width)[None].expand(height, -1, -1)
    return torch.cat([rows, columns], dim=2).flatten(0, 1)
