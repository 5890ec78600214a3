"""Rejection: finding the pairs that would teach a generator the wrong thing (paper section 4.1).

A teacher can do nothing, return a black or empty picture (as safety checkers do, and numbers
that overflowed), or paint something other than the photo shows.  Three figures of photo and edit reveal this;
:class:`e2gan.recipe.Rejection` holds their limits, and :data:`REASONS` the names of falling below them.

The limits were set with edits of 64 landscapes by eighteen teachers: painted styles, sketch, inked colours,
dabs of oil, grades from autumn to night.  They reject two of these 1,152 pictures; compared with another
edit's photograph, 1,146.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from e2gan.data.pairs import open_made
from e2gan.recipe import Rejection

__all__ = ["REASONS", "Figures", "measure", "measure_files", "reason"]

REASONS = {"contrast": "broken", "change": "unchanged", "structure": "structure lost"}
"""Figure → the name for a pair that has too little of it."""

SIDE = 96
"""Side of the squares on which contours are compared, in pixels: strokes blur at this size, their subject does not."""


@dataclass(frozen=True)
class Figures:
    """What was measured on a photo and its edit; each is 0 to 1."""

    contrast: float
    """Standard deviation of the edit's brightness; 0.05 is a landscape in fog or at night."""
    change: float
    """Mean absolute difference between photo and edit; writing a picture as JPEG makes 0.005."""
    structure: float
    """Likeness of the contours: 1 for a photo with itself, about 0.4 for a painting of it, 0 for unrelated pictures."""


def measure(photo: Image.Image, edit: Image.Image) -> Figures:
    """The figures of a photo and its edit, both RGB and of one size."""
    before, after = (np.asarray(picture, np.float32) / 255 for picture in (photo, edit))
    contrast = np.asarray(edit.convert("L"), np.float32).std() / 255
    figures = contrast, np.abs(after - before).mean(), _likeness(_contours(photo), _contours(edit))
    # Four digits, so that they are the same whether measured now or read back.
    return Figures(*(round(float(figure), 4) for figure in figures))


def measure_files(photo: Path, edit: Path) -> Figures:
    """`measure` of two pictures; raises DataError for one that cannot be read."""
    return measure(open_made(photo), open_made(edit))


def reason(figures: Figures, limits: Rejection) -> str | None:
    """Why a pair is rejected, one of :data:`REASONS`; None if it is good."""
    return next((name for key, name in REASONS.items() if getattr(figures, key) < getattr(limits, key)), None)


def _contours(picture: Image.Image) -> np.ndarray:
    """(SIDE, SIDE) complex: the strength and direction of the contour at each place.

    The square of the gradient as a complex number has twice its angle, so dark on bright and bright on dark are
    the same contour: a night has a dark sky behind its trees, a drawing a line where the photo has an edge.
    Divided by the root of the gradient's length, strong contours count for more than texture, but not alone.
    """
    small = picture.convert("L").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    down, right = np.gradient(np.asarray(small, np.float32) / 255)
    gradient = right + 1j * down
    squared: np.ndarray = gradient**2 / np.sqrt(np.maximum(np.abs(gradient), 1e-6))
    return squared


def _likeness(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of two fields of contours; 0 if there are no contours, or they cross each other."""
    energy = float(np.sqrt(np.vdot(a, a).real * np.vdot(b, b).real))
    return max(float(np.vdot(a, b).real), 0.0) / energy if energy else 0.0
