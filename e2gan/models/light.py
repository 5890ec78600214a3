"""Restoring in an edit what the generator cannot know about the photo, or cannot carry.

The generator's instance norms remove each channel's mean and contrast exactly: a photo, the same
photo darker, and the same photo tinted come out alike.  And everything passes its transformer
block, one token for 8×8 pixels, where fine detail is lost first.  That suits a painting, which has its
own palette and strokes.  It is wrong for an edit that remains a photograph, so a concept says what it
``keeps`` of the photo in the concept's ``tone``, the one affine map of colours that comes nearest to its
teacher's.  A photo that has lost its colours does not show what green turns into.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from e2gan.models.layout import Keeps

__all__ = ["keep", "toned"]

SPAN = 3.0
"""The generator's -1 and 1 in standard deviations from the photo's mean, if it repaints the picture."""

SHIFT = 0.5
"""The generator's -1 and 1 in standard deviations from the photo's own colour, if the photo stays."""

LUMA = (0.2126, 0.7152, 0.0722)
"""Rec. 709 weights of the channels."""

CELL = 8
"""Side in pixels of the means by which colours are compared: one token of the transformer block."""

STEADINESS = 0.01
"""Variance of a neighbourhood, for values in [-1, 1], below which the whole picture's slope outweighs its own."""


def toned(photo: Tensor, tones: Tensor, *, half: bool = False) -> Tensor:
    """Photos (N, 3, H, W) in [-1, 1] under their tones (N, 3, 4), in [-1, 1] again; ``half`` as of `keep`."""
    matrix, offset = tones[:, :, :3], tones[:, :, 3:, None]
    if half:
        return F.conv2d(photo, matrix[0, :, :, None, None], offset[0, :, 0, 0]).clamp(-1, 1)
    return (torch.einsum("noc,nchw->nohw", matrix, photo) + offset).clamp(-1, 1)


def keep(
    made: Tensor, photo: Tensor, keeps: Sequence[Keeps], shares: Tensor | None = None, *, half: bool = False
) -> Tensor:
    """The generator's picture with what is kept of the photo, or a weighted mean of several such pictures.

    ``nothing`` leaves the picture as it is.  ``light`` reads it as deviations from the photo's mean luminance, in
    multiples of its contrast, and ``colour`` as deviations from each channel's mean.  ``detail`` reads it as
    shifts of the photo's own colours, smoothed so that they only change from place to place.

    Args:
        made: (N, 3, H, W) in [-1, 1]: the generator's picture of ``photo``.
        photo: (N, 3, H, W) in [-1, 1], ``toned``; for ``detail`` H and W are multiples of 8 from 16 up.
        keeps: what is kept.
        shares: (N, len(keeps)): the share of each kind that a picture keeps; each row adds up to 1.  None if all
            pictures keep the same one kind.
        half: compute sums in a form that half precision, and a runtime for it, can hold: no mean over more than a
            few thousand values at once, moments after subtracting the mean, one tone for all the pictures, and
            H and W multiples of 8.

    Returns:
        (N, 3, H, W); if something is kept, values may leave [-1, 1].
    """
    pictures = [_kept(kind, made, photo, half) for kind in keeps]
    if shares is None:
        (picture,) = pictures
        return picture
    return reduce(torch.add, [share.view(-1, 1, 1, 1) * part for share, part in zip(shares.unbind(1), pictures)])


def _kept(what: Keeps, made: Tensor, photo: Tensor, half: bool) -> Tensor:
    if what == Keeps.LIGHT:
        luma = torch.tensor(LUMA, dtype=photo.dtype, device=photo.device).view(1, 3, 1, 1)
        return _anchored(made, F.conv2d(photo, luma) if half else (photo * luma).sum(1, keepdim=True), half)
    if what == Keeps.COLOUR:
        return _anchored(made, photo, half)
    if what == Keeps.DETAIL:
        deviation, _ = _deviation_and_mean(photo, half)
        return photo + _guided(SHIFT * deviation * made, photo, half)
    return made


def _anchored(made: Tensor, anchor: Tensor, half: bool) -> Tensor:
    deviation, mean = _deviation_and_mean(anchor, half)
    return mean + SPAN * deviation * made


def _deviation_and_mean(x: Tensor, half: bool) -> tuple[Tensor, Tensor]:
    """Standard deviation and mean of each channel, both (N, C, 1, 1)."""
    if not half:
        return torch.std_mean(x, dim=(2, 3), keepdim=True)
    mean = _mean_of_cells(x)
    rest = x - mean
    # Without Bessel's correction, which half precision cannot express from 64² on.
    return _mean_of_cells(rest * rest).sqrt(), mean


def _mean_of_cells(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, CELL).mean((2, 3), keepdim=True)


def _guided(shift: Tensor, photo: Tensor, half: bool) -> Tensor:
    """The shift as a local affine map, channel by channel, of the photo's colours.

    A guided filter (He et al., 2013) fitted to means of 8×8 pixels, as in its fast form (He and Sun, 2015),
    so that the generator's strokes stay out.  If a neighbourhood is flat, its slope tends to the
    whole picture's, not to zero: grass is flat at this scale, and must stay grass.
    """
    x, y = F.avg_pool2d(photo, CELL), F.avg_pool2d(shift, CELL)
    dx, dy = x - x.mean((2, 3), keepdim=True), y - y.mean((2, 3), keepdim=True)
    overall = (dx * dy).mean((2, 3), keepdim=True) / ((dx * dx).mean((2, 3), keepdim=True) + STEADINESS)
    mean_x, mean_y = _around(x), _around(y)
    a, b, mean_a, mean_b = (dx, dy, _around(dx), _around(dy)) if half else (x, y, mean_x, mean_y)
    covariance = _around(a * b) - mean_a * mean_b
    variance = _around(a * a) - mean_a * mean_a
    slope = (covariance + STEADINESS * overall) / (variance + STEADINESS)
    offset = mean_y - slope * mean_x
    # With a factor, a runtime needs no sizes.
    enlarged: dict[str, Any] = {"scale_factor": CELL} if half else {"size": photo.shape[-2:]}
    slope, offset = (F.interpolate(m, mode="bilinear", **enlarged) for m in (slope, offset))
    return slope * photo + offset


def _around(x: Tensor) -> Tensor:
    return F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
