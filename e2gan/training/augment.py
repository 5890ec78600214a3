"""DiffAugment (Zhao et al., 2020): the discriminator sees real and generated pairs under the same random distortions.

Otherwise it memorises the pairs if they are few.  The distortions are differentiable, so that the generator trains
through them.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["diffaugment"]


def diffaugment(photo: Tensor, edit: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Brightness, saturation, contrast, translation and a cut-out, the same for a photo and its edit.

    Args:
        photo, edit: (N, 3, H, W) in [-1, 1].
        seed: determines the distortion; equal seeds distort equally.
    """
    generator = torch.Generator().manual_seed(seed)
    n, _, height, width = photo.shape

    def draw(low: float, high: float) -> Tensor:
        return (low + (high - low) * torch.rand(n, 1, 1, 1, generator=generator)).to(photo.device)

    def cells(limit: int) -> list[int]:
        return torch.randint(-limit, limit + 1, (n,), generator=generator).tolist()

    brightness, saturation, contrast = draw(-0.5, 0.5), draw(0, 2), draw(0.5, 1.5)
    shifts = list(zip(cells(height // 8), cells(width // 8), strict=True))
    holes = list(zip(cells(height // 2), cells(width // 2), strict=True))

    def distort(x: Tensor) -> Tensor:
        x = x + brightness
        grey = x.mean(dim=1, keepdim=True)
        x = (x - grey) * saturation + grey
        mean = x.mean(dim=(1, 2, 3), keepdim=True)
        x = (x - mean) * contrast + mean
        return torch.stack([_cut(_shift(row, *s), *h) for row, s, h in zip(x, shifts, holes, strict=True)])

    return distort(photo), distort(edit)


def _shift(x: Tensor, down: int, right: int) -> Tensor:
    """Move a (3, H, W) picture; the uncovered area is grey."""
    height, width = x.shape[1:]
    padded = torch.nn.functional.pad(x, (abs(right), abs(right), abs(down), abs(down)))
    top, left = abs(down) - down, abs(right) - right
    return padded[:, top : top + height, left : left + width]


def _cut(x: Tensor, down: int, right: int) -> Tensor:
    """Grey out a square of half the picture's size centred ``down`` and ``right`` of the middle."""
    height, width = x.shape[1:]
    top, left = height // 2 + down - height // 4, width // 2 + right - width // 4
    mask = torch.ones(1, height, width, dtype=x.dtype, device=x.device)
    mask[:, max(0, top) : max(0, top + height // 2), max(0, left) : max(0, left + width // 2)] = 0
    return x * mask
