"""Giving an edit back what the generator cannot know of the photo, or cannot carry.

The generator's instance norms take each channel's mean and contrast away, exactly: a photo, the same
photo darker, and the same photo tinted come out alike.  And all that it knows passes its transformer
block, one token for 8×8 pixels, where fine detail is the first to go.  That suits a painting, whose
palette and strokes are its own.  It is wrong for what remains a photograph, so a concept says what of
the photo's it ``keeps``: of the photo in the concept's ``tone``, the one affine map of colours that comes
nearest to its teacher's.  What green turns into cannot be told from a photo that has lost its colours.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from e2gan.models.layout import KEEPS, Tone

__all__ = ["keep", "keep_shares", "kept", "mix_tones", "toned"]

SPAN = 3.0
"""Standard deviations from the photo's mean that the generator's -1 and 1 stand for, where it paints anew."""

SHIFT = 0.5
"""Standard deviations from the photo's own colour that they stand for, where the photo stays."""

LUMA = (0.2126, 0.7152, 0.0722)
"""Rec. 709 weights of the channels."""

CELL = 8
"""Side in pixels of the means that colours are compared by: one token of the transformer block."""

STEADINESS = 0.01
"""Variance of a neighbourhood, of values in [-1, 1], below which the whole picture's slope outweighs its own."""


def keep_shares(*keeps: tuple[str, float]) -> Tensor:
    """(K,) shares, in the order of :data:`~e2gan.models.layout.KEEPS`, of a blend of (what is kept, weight)."""
    shares = torch.zeros(len(KEEPS))
    for kept, weight in keeps:
        shares[KEEPS.index(kept)] += weight
    return shares / shares.sum()


def mix_tones(*tones: tuple[Tone, float]) -> Tensor:
    """(3, 4): the mean of (tone, weight)."""
    total = sum(weight for _, weight in tones)
    return torch.stack([torch.tensor(tone) * (weight / total) for tone, weight in tones]).sum(0)


def toned(photo: Tensor, tones: Tensor) -> Tensor:
    """Photos (N, 3, H, W) in [-1, 1] under their tones (N, 3, 4), in [-1, 1] again."""
    matrix, offset = tones[:, :, :3], tones[:, :, 3:, None]
    return (torch.einsum("noc,nchw->nohw", matrix, photo) + offset).clamp(-1, 1)


def keep(made: Tensor, photo: Tensor, shares: Tensor) -> Tensor:
    """The generator's picture with what is kept of the photo, or a mean of several.

    Args:
        made: (N, 3, H, W) in [-1, 1]: what the generator gave for ``photo``.
        photo: (N, 3, H, W) in [-1, 1], ``toned``; for ``detail`` H and W are multiples of 8 from 16 up.
        shares: (N, K): how much each picture keeps of what; each row adds up to 1.

    Returns:
        (N, 3, H, W); where something is kept it may leave [-1, 1].
    """
    result = torch.zeros_like(made)
    for what, share in zip(KEEPS, shares.unbind(1)):
        if share.any():
            result = result + share.view(-1, 1, 1, 1) * kept(what, made, photo)
    return result


def kept(what: str, made: Tensor, photo: Tensor) -> Tensor:
    """The generator's picture where all keep the same: one of :data:`~e2gan.models.layout.KEEPS`.

    ``nothing`` leaves it as it is.  ``light`` reads it as deviations from the photo's mean luminance, in
    multiples of its contrast, and ``colour`` as those from each channel's mean.  ``detail`` reads it as
    shifts of the photo's own colours, and takes of them no more than changes from place to place.
    Shapes and ranges are those of :func:`keep`.
    """
    if what == "light":
        luma = torch.tensor(LUMA, dtype=photo.dtype, device=photo.device).view(1, 3, 1, 1)
        return _anchored(made, (photo * luma).sum(1, keepdim=True))
    if what == "colour":
        return _anchored(made, photo)
    if what == "detail":
        return photo + _guided(SHIFT * photo.std(dim=(2, 3), keepdim=True) * made, photo)
    return made


def _anchored(made: Tensor, anchor: Tensor) -> Tensor:
    deviation, mean = torch.std_mean(anchor, dim=(2, 3), keepdim=True)
    return mean + SPAN * deviation * made


def _guided(shift: Tensor, photo: Tensor) -> Tensor:
    """The shift as a local affine map, channel by channel, of the photo's colours.

    A guided filter (He et al., 2013) fitted to means of 8×8 pixels, as in its fast form (He and Sun, 2015),
    so that strokes of the generator's stay out.  Where a neighbourhood is flat, its slope tends to the
    whole picture's, not to none: grass is flat at this scale, and must stay grass.
    """
    x, y = F.avg_pool2d(photo, CELL), F.avg_pool2d(shift, CELL)
    dx, dy = x - x.mean((2, 3), keepdim=True), y - y.mean((2, 3), keepdim=True)
    overall = (dx * dy).mean((2, 3), keepdim=True) / ((dx * dx).mean((2, 3), keepdim=True) + STEADINESS)
    mean_x, mean_y = _around(x), _around(y)
    covariance = _around(x * y) - mean_x * mean_y
    variance = _around(x * x) - mean_x * mean_x
    slope = (covariance + STEADINESS * overall) / (variance + STEADINESS)
    offset = mean_y - slope * mean_x
    slope, offset = (F.interpolate(m, size=photo.shape[-2:], mode="bilinear") for m in (slope, offset))
    return slope * photo + offset


def _around(x: Tensor) -> Tensor:
    return F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
