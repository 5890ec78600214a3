"""Steady clips: an edit is carried from frame to frame along the motion, as far as it still fits.

Every frame is edited by itself, so what the generator makes of a photo's grain changes with each frame.  Two things
make a clip steady:

- The edit's colours: how far the mean and the spread of each channel are from the photo's is smoothed over time.
- The former result is warped along the optical flow between the photos (DIS: Kroeger et al., "Fast Optical Flow using
  Dense Inverse Search", ECCV 2016) and mixed into the new edit where it fits: where the warped former photo
  looks like the new one, and the flows forward and backward agree (Ruder et al., "Artistic Style Transfer for
  Videos", GCPR 2016, section 4).

At a cut nothing fits, and both start anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from e2gan.moving.defaults import STEADY

__all__ = ["Steady"]

MOST = 0.97
"""Largest share: with more, a wrong colour would stay for seconds, and warping would blur strokes."""

FLOW_PIXELS = 640 * 360
"""The flow is computed on photos of at most this size, and enlarged."""

SAME = 10.0
"""Difference, of 255, of the blurred photos that halves the share; grain is well below it after the blur."""

ASTRAY = 1.5
"""Pixels, of the flow's size, by which the flows forward and backward may disagree before the share is halved."""

CUT = 0.35
"""If less of the frame fits, it is a cut."""

COLOURS = 0.85
"""Share of the former frames in the smoothed colours."""


@dataclass
class _Former:
    photo: np.ndarray
    """(h, w, 3) uint8, of the flow's size, blurred."""
    grey: np.ndarray
    """(h, w) uint8, of the flow's size."""
    result: np.ndarray
    """(H, W, 3) float32, 0 to 255."""
    colours: np.ndarray
    """(2, 3) float64: the smoothed change of the mean, and of the spread's logarithm, for each channel."""


class Steady:
    """Makes the edits of consecutive frames steady; call it with one frame after the other."""

    def __init__(self, share: float = STEADY) -> None:
        """
        Args:
            share: from 0, each edit by itself, to 1: the share of the former result where it fits.
        """
        if not 0 <= share <= 1:
            raise ValueError(f"share must be from 0 to 1, not {share}")
        self.share = share * MOST
        self._former: _Former | None = None
        self._dis: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def __call__(self, photo: np.ndarray, edit: np.ndarray) -> np.ndarray:
        """The steady edit.

        Args:
            photo: (H, W, 3) uint8, the frame.
            edit: (H, W, 3) uint8, its edit.

        Returns:
            (H, W, 3) uint8.
        """
        if not self.share:
            return edit
        small, grey = _small(photo)
        change = _change(photo, edit)
        former, result = self._former, edit.astype(np.float32)
        if former is not None and former.result.shape == result.shape:
            flow, fits = self._motion(former, small, grey)
            if fits.mean() >= CUT:
                carried = change + COLOURS * self.share / MOST * (former.colours - change)
                result = _with_colours(result, change, carried)
                change = carried
                height, width = result.shape[:2]
                share = cv2.resize(fits, (width, height), interpolation=cv2.INTER_LINEAR)[..., None] * self.share
                result += share * (_warped(former.result, _enlarged(flow, width, height)) - result)
        self._former = _Former(small, grey, result, change)
        return (result + 0.5).clip(0, 255).astype(np.uint8)

    def _motion(self, former: _Former, small: np.ndarray, grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The flow from this frame to the former one, (h, w, 2), and how well it fits, (h, w) from 0 to 1."""
        back = self._dis.calc(grey, former.grey, None)
        forth = self._dis.calc(former.grey, grey, None)
        astray = np.linalg.norm(back + _warped(forth, back), axis=-1)
        differs = np.abs(_warped(former.photo, back).astype(np.float32) - small).max(-1)
        height, width = grey.shape
        x, y = np.arange(width) + back[..., 0], np.arange(height)[:, None] + back[..., 1]
        inside = (x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)
        fits = inside / (1 + (differs / SAME) ** 4) / (1 + (astray / ASTRAY) ** 4)
        return back, cv2.GaussianBlur(fits.astype(np.float32), (0, 0), 1.5)


def _small(photo: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The photo in the flow's size: blurred, and grey."""
    height, width = photo.shape[:2]
    scale = min(1.0, (FLOW_PIXELS / (width * height)) ** 0.5)
    # DIS needs some pixels.
    size = max(32, round(width * scale)), max(32, round(height * scale))
    small = photo if size == (width, height) else cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(small, (0, 0), 2.0), cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)


def _enlarged(flow: np.ndarray, width: int, height: int) -> np.ndarray:
    scale = np.array([width / flow.shape[1], height / flow.shape[0]], np.float32)
    return cv2.resize(flow, (width, height), interpolation=cv2.INTER_LINEAR) * scale


def _warped(picture: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """The picture's values where ``flow`` points to."""
    height, width = flow.shape[:2]
    x = np.arange(width, dtype=np.float32) + flow[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + flow[..., 1]
    return cv2.remap(picture, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def _change(photo: np.ndarray, edit: np.ndarray) -> np.ndarray:
    """How the edit's colours differ from the photo's: (2, 3), of the means and of the logarithms of the spreads."""
    (mean, spread), (mean_edit, spread_edit) = (_colours(picture) for picture in (photo, edit))
    return np.stack([mean_edit - mean, np.log(spread_edit / spread)])


def _colours(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean, spread = cv2.meanStdDev(picture)
    return mean.ravel(), np.maximum(spread.ravel(), 1.0)


def _with_colours(edit: np.ndarray, change: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The edit, (H, W, 3) float32, with the ``wanted`` change of its colours instead of its own."""
    mean = edit.mean((0, 1), dtype=np.float64)
    gain = np.exp(wanted[1] - change[1]).clip(0.8, 1.25)
    shift = mean + wanted[0] - change[0] - gain * mean
    return edit * gain.astype(np.float32) + shift.astype(np.float32)
