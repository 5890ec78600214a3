"""Giving an edit the photo's light back.

The generator's instance norms take each channel's mean and contrast away, exactly: a photo, the same
photo darker, and the same photo tinted come out alike.  That suits a painting, whose palette is its own.
It is wrong for what remains a photograph, so a concept says what of the photo's it ``keeps``, and the
generator's picture is read as deviations from the photo's mean, in multiples of its contrast.
"""

from __future__ import annotations

import torch
from torch import Tensor

from e2gan.models.layout import KEEPS

__all__ = ["keep_light", "keep_shares"]

SPAN = 3.0
"""Standard deviations from the photo's mean that the generator's -1 and 1 stand for."""

LUMA = (0.2126, 0.7152, 0.0722)
"""Rec. 709 weights of the channels."""


def keep_shares(*keeps: tuple[str, float]) -> Tensor:
    """(K,) shares, in the order of :data:`~e2gan.models.layout.KEEPS`, of a blend of (what is kept, weight)."""
    shares = torch.zeros(len(KEEPS))
    for kept, weight in keeps:
        shares[KEEPS.index(kept)] += weight
    return shares / shares.sum()


def keep_light(made: Tensor, photo: Tensor, shares: Tensor) -> Tensor:
    """The generator's picture with the photo's light.

    ``nothing`` leaves it as it is; ``light`` gives it the photo's mean luminance and contrast,
    ``colour`` those of each channel.

    Args:
        made: (N, 3, H, W) in [-1, 1]: what the generator gave for ``photo``.
        photo: (N, 3, H, W) in [-1, 1].
        shares: (N, K): how much each picture keeps nothing, light and colour; each row adds up to 1.

    Returns:
        (N, 3, H, W); where light is kept it may leave [-1, 1].
    """
    luma = torch.tensor(LUMA, dtype=photo.dtype, device=photo.device).view(1, 3, 1, 1)
    grey = (photo * luma).sum(1, keepdim=True)
    nothing, light, colour = (share.view(-1, 1, 1, 1) for share in shares.unbind(1))
    scale, offset = nothing, 0
    for share, kept in ((light, grey), (colour, photo)):
        deviation, mean = torch.std_mean(kept, dim=(2, 3), keepdim=True)
        scale = scale + share * SPAN * deviation
        offset = offset + share * mean
    return made * scale + offset
