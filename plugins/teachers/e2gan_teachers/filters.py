"""OpenCV's artistic filters, with settings that look right on pictures of 256 to 1024 px."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from e2gan_teachers.options import number_in

__all__ = ["DodgeSketch", "OilPainting", "PencilSketch", "Stylization", "Watercolour"]

Pixels = NDArray[Any]
"""A picture of 8 bits; OpenCV's type hints say only that it is an array."""

PAPER = np.array([238, 246, 250], np.float32)
"""Blue, green and red of watercolour paper."""


def _bgr(photo: Image.Image) -> Pixels:
    return cv2.cvtColor(np.asarray(photo.convert("RGB")), cv2.COLOR_RGB2BGR)


def _picture(bgr: Pixels) -> Image.Image:
    return Image.fromarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))


def _twice(pixels: Pixels) -> Pixels:
    """Double the size, because OpenCV's lines have a fixed width, which is too coarse at 256 px."""
    return cv2.resize(pixels, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)


def _half(pixels: Pixels) -> Pixels:
    return cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


@dataclass
class Stylization:
    """`cv2.stylization`: colours smoothed within edges, edges darkened as if inked."""

    sigma_s: float = 60.0
    """Reach of the smoothing, half pixels, 0 to 200."""
    sigma_r: float = 0.45
    """Largest difference of colours that are smoothed together, 0 to 1."""

    def __post_init__(self) -> None:
        number_in("sigma_s", self.sigma_s, 0, 200)
        number_in("sigma_r", self.sigma_r, 0, 1)

    def __call__(self, photo: Image.Image) -> Image.Image:
        inked = cv2.stylization(_twice(_bgr(photo)), sigma_s=self.sigma_s, sigma_r=self.sigma_r)
        return _picture(_half(inked))


@dataclass
class PencilSketch:
    """`cv2.pencilSketch`, the grey one, over a light wash of smudged graphite that keeps the photo's tones apart."""

    sigma_s: float = 60.0
    """Reach of the smoothing, half pixels, 0 to 200."""
    sigma_r: float = 0.07
    """Largest difference of colours that are smoothed together, 0 to 1."""
    shade_factor: float = 0.09
    """Brightness of the strokes, 0 to 0.1."""
    wash: float = 0.3
    """How dark the wash is where the photo is black, 0 (bare paper) to 1."""

    def __post_init__(self) -> None:
        number_in("sigma_s", self.sigma_s, 0, 200)
        number_in("sigma_r", self.sigma_r, 0, 1)
        number_in("shade_factor", self.shade_factor, 0, 0.1)
        number_in("wash", self.wash, 0, 1)

    def __call__(self, photo: Image.Image) -> Image.Image:
        bgr = _bgr(photo)
        strokes, _ = cv2.pencilSketch(
            _twice(bgr), sigma_s=self.sigma_s, sigma_r=self.sigma_r, shade_factor=self.shade_factor
        )
        return _on_paper(_half(strokes), bgr, self.wash)


@dataclass
class DodgeSketch:
    """The darkroom's pencil drawing: the photo divided ("dodged") by its own blur, over a light wash.

    Whatever is as bright as its surroundings becomes paper, and the darker side of every edge a soft stroke.
    """

    likeness: int = 20
    """Largest difference of colours that are drawn as one, 0 (every grain is drawn) to 100."""
    reach: float = 4.0
    """Standard deviation of the blur, pixels, 1 to 64: how far shading runs from an edge."""
    pressure: float = 3.0
    """Exponent of the strokes, 0.5 (faint) to 8 (black)."""
    wash: float = 0.35
    """How dark the wash is where the photo is black, 0 (bare paper) to 1."""

    def __post_init__(self) -> None:
        number_in("likeness", self.likeness, 0, 100, kind=int)
        number_in("reach", self.reach, 1, 64)
        number_in("pressure", self.pressure, 0.5, 8)
        number_in("wash", self.wash, 0, 1)

    def __call__(self, photo: Image.Image) -> Image.Image:
        bgr = _bgr(photo)
        if self.likeness:
            bgr = _washes(bgr, 8, self.likeness)
        # Keep away from black, where the quotient would magnify the camera's noise.
        grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY).astype(np.float32) + 8
        strokes = np.minimum(grey / cv2.GaussianBlur(grey, (0, 0), self.reach), 1) ** self.pressure
        return _on_paper(255 * strokes, bgr, self.wash)


def _washes(bgr: Pixels, reach: int, likeness: int) -> Pixels:
    """The picture in patches of one colour: mean shift, and a median against its specks."""
    return cv2.medianBlur(cv2.pyrMeanShiftFiltering(bgr, reach, likeness, maxLevel=1), 5)


def _on_paper(strokes: Pixels, bgr: Pixels, wash: float) -> Image.Image:
    """Grey strokes over smudged graphite that keeps the photo's tones apart, on paper that is not quite white."""
    tone = cv2.cvtColor(cv2.edgePreservingFilter(bgr, sigma_s=15, sigma_r=0.3), cv2.COLOR_BGR2GRAY) / 255
    grey = 0.97 * strokes * (1 - wash * (1 - tone) ** 1.3)
    return Image.fromarray(np.round(grey).astype(np.uint8)).convert("RGB")


@dataclass
class OilPainting:
    """The algorithm of `cv2.xphoto.oilPainting` (which is in OpenCV's contrib builds only).

    In a square window around each pixel, count the pixels in each level of brightness, and paint the
    mean colour of the commonest level.  One box filter a level computes it for all pixels at once.
    """

    radius: int = 4
    """Half the side of the window, pixels, 1 to 32."""
    levels: int = 12
    """Levels of brightness, 2 to 64: fewer give larger dabs."""

    def __post_init__(self) -> None:
        number_in("radius", self.radius, 1, 32, kind=int)
        number_in("levels", self.levels, 2, 64, kind=int)

    def __call__(self, photo: Image.Image) -> Image.Image:
        bgr = _bgr(photo)
        level = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY).astype(np.int32) * self.levels // 256
        window = (2 * self.radius + 1, 2 * self.radius + 1)
        colour = bgr.astype(np.float32)
        commonest = np.zeros(level.shape, np.float32)
        painted = colour
        for number in range(self.levels):
            here = (level == number).astype(np.float32)
            count = cv2.boxFilter(here, -1, window, normalize=False)
            total = cv2.boxFilter(colour * here[..., None], -1, window, normalize=False)
            wins = count > commonest
            painted = np.where(wins[..., None], total / np.maximum(count, 1)[..., None], painted)
            commonest = np.maximum(commonest, count)
        return _picture(np.clip(np.round(painted), 0, 255).astype(np.uint8))


@dataclass
class Watercolour:
    """Transparent pigment on paper: flat washes by mean shift, darker where a wash dries at its edge.

    A wash absorbs light by the Beer-Lambert law, so that white is bare paper and black a thin grey.
    """

    reach: int = 10
    """Radius in which mean shift looks for like colours, pixels, 1 to 50."""
    likeness: int = 30
    """Largest difference of colours in one wash, 1 to 100."""
    density: float = 0.5
    """How much of the photo's darkness the pigment has, 0.1 to 1."""
    pooling: float = 1.5
    """How much darker washes dry at their edges, 0 (not) to 4."""

    def __post_init__(self) -> None:
        number_in("reach", self.reach, 1, 50, kind=int)
        number_in("likeness", self.likeness, 1, 100, kind=int)
        number_in("density", self.density, 0.1, 1)
        number_in("pooling", self.pooling, 0, 4)

    def __call__(self, photo: Image.Image) -> Image.Image:
        colour = _washes(_bgr(photo), self.reach, self.likeness).astype(np.float32) / 255
        grey = colour.mean(2, keepdims=True)
        # Pigments are purer than a camera's image of them, and mid-tones are painted lightly.
        colour = np.clip(grey + 1.4 * (colour - grey), 0.02, 1) ** 0.8
        step = np.abs(grey[..., 0] - cv2.GaussianBlur(grey, (0, 0), 3))
        edge = cv2.GaussianBlur(step, (0, 0), 0.8)[..., None]
        pigment = -self.density * np.log(colour) * (1 + 6 * self.pooling * edge)
        return _picture(np.round(PAPER * np.exp(-pigment)).astype(np.uint8))
