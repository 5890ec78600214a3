"""Restoring in an edit what the generator cannot know about the photo, or cannot carry.

The generator's instance norms remove each channel's mean and contrast exactly: a photo, the same
photo darker, and the same photo tinted come out alike.  And everything passes its transformer
block, one token for 8×8 pixels, where fine detail is lost first.  That suits a painting, which has its
own palette and strokes.  It is wrong for an edit that remains a photograph, so a concept says what it
``keeps`` of the photo in the concept's ``tone``, the one affine map of colours that comes nearest to its
teacher's.  A photo that has lost its colours does not show what green turns into.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import add
from typing import TypeAlias

from e2gan.models.arrays import Array, Functions, functions_of
from e2gan.models.layout import Keeps

__all__ = ["Moments", "keep", "moments_of", "toned"]

SPAN = 3.0
"""The generator's -1 and 1 in standard deviations from the photo's mean, if it repaints the picture."""

SHIFT = 0.5
"""The generator's -1 and 1 in standard deviations from the photo's own colour, if the photo stays."""

LUMA = (0.2126, 0.7152, 0.0722)
"""Rec. 709 weights of the channels."""

STEADINESS = 0.01
"""Variance of a neighbourhood, for values in [-1, 1], below which the whole picture's slope outweighs its own."""


Moments: TypeAlias = "Mapping[Keeps, tuple[Array, Array]]"
"""Standard deviation and mean, (1, C, 1, 1), of what `LIGHT` and `COLOUR` keep of a picture."""


def toned(photo: Array, tones: Array, *, half: bool = False) -> Array:
    """Photos (N, 3, H, W) in [-1, 1] under their tones (N, 3, 4), in [-1, 1] again; ``half`` as of `keep`."""
    return functions_of(photo, half=half).toned(photo, tones)


def keep(
    made: Array,
    photo: Array,
    keeps: Sequence[Keeps],
    shares: Array | None = None,
    *,
    half: bool = False,
    moments: Moments | None = None,
) -> Array:
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
        half: compute sums in a form that half precision can hold (`e2gan.models.arrays.functions_of`).
        moments: those of the whole picture, if ``photo`` is a part of it (`moments_of`); ``detail`` needs the whole.

    Returns:
        (N, 3, H, W); if something is kept, values may leave [-1, 1].
    """
    f = functions_of(photo, half=half)
    pictures = [_kept(kind, made, photo, f, moments or {}) for kind in keeps]
    if shares is None:
        (picture,) = pictures
        return picture
    parts = [shares[:, i, None, None, None] * part for i, part in enumerate(pictures)]
    return reduce(add, parts)


def moments_of(parts: Iterable[Array], keeps: Sequence[Keeps]) -> Moments:
    """The moments of a whole picture from its parts, each (1, 3, H, W), ``toned``."""
    kinds = [kind for kind in keeps if kind in (Keeps.LIGHT, Keeps.COLOUR)]
    count, sums, squares = 0, dict[Keeps, Array](), dict[Keeps, Array]()
    part: Array = None
    for part in parts:
        f = functions_of(part)
        count += part.shape[2] * part.shape[3]
        for kind in kinds:
            # In double precision: millions of pixels are added up.
            anchor = f.doubled(_anchor(kind, part, f))
            sums[kind] = sums.get(kind, 0) + anchor.sum((0, 2, 3))
            squares[kind] = squares.get(kind, 0) + (anchor * anchor).sum((0, 2, 3))

    def moments(kind: Keeps) -> tuple[Array, Array]:
        # With Bessel's correction, as in one piece.
        variance = (squares[kind] - sums[kind] ** 2 / count) / (count - 1)
        deviation, mean = (x[None, :, None, None] for x in (variance.clip(0) ** 0.5, sums[kind] / count))
        return functions_of(part).like(deviation, part), functions_of(part).like(mean, part)

    return {kind: moments(kind) for kind in kinds}


def _kept(what: Keeps, made: Array, photo: Array, f: Functions, moments: Moments) -> Array:
    if what in (Keeps.LIGHT, Keeps.COLOUR):
        deviation, mean = moments[what] if what in moments else f.std_mean(_anchor(what, photo, f))
        return mean + SPAN * deviation * made
    if what == Keeps.DETAIL:
        deviation, _ = f.std_mean(photo)
        return photo + _guided(SHIFT * deviation * made, photo, f)
    return made


def _anchor(what: Keeps, photo: Array, f: Functions) -> Array:
    """What the picture's own mean and contrast are replaced by those of."""
    return f.mixed(photo, LUMA) if what == Keeps.LIGHT else photo


def _guided(shift: Array, photo: Array, f: Functions) -> Array:
    """The shift as a local affine map, channel by channel, of the photo's colours.

    A guided filter (He et al., 2013) fitted to means of 8×8 pixels, as in its fast form (He and Sun, 2015),
    so that the generator's strokes stay out.  If a neighbourhood is flat, its slope tends to the
    whole picture's, not to zero: grass is flat at this scale, and must stay grass.
    """
    x, y = f.cells(photo), f.cells(shift)
    dx, dy = x - f.mean(x), y - f.mean(y)
    overall = f.mean(dx * dy) / (f.mean(dx * dx) + STEADINESS)
    mean_x, mean_y = f.around(x), f.around(y)
    a, b, mean_a, mean_b = (dx, dy, f.around(dx), f.around(dy)) if f.centred else (x, y, mean_x, mean_y)
    covariance = f.around(a * b) - mean_a * mean_b
    variance = f.around(a * a) - mean_a * mean_a
    slope = (covariance + STEADINESS * overall) / (variance + STEADINESS)
    offset = mean_y - slope * mean_x
    return f.enlarged(slope, photo) * photo + f.enlarged(offset, photo)
