"""From a depth map to the normal map that ControlNet 1.0 was trained on."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["normal_map"]


def normal_map(depth: NDArray[Any], background: float = 0.4) -> NDArray[np.uint8]:
    """Normals of a depth map, as ControlNet's MiDaS annotator makes them (Zhang et al. 2023, `annotator/midas`).

    depth: (H, W), larger is nearer, in MiDaS' own scale, which determines the normals' steepness.  Values below
    `background`, as a share of the depth's range, count as background and face the viewer.

    Returns (H, W, 3) bytes.  The network was trained on maps read by OpenCV, blue first: the channels are
    (z, y, x), so that a surface facing the viewer is (255, 127, 127).
    """
    depth = np.ascontiguousarray(depth, np.float32)
    span = depth.max() - depth.min()
    share = (depth - depth.min()) / span if span > 0 else np.zeros_like(depth)
    x = cv2.Sobel(depth, cv2.CV_32F, 1, 0, ksize=3)
    y = cv2.Sobel(depth, cv2.CV_32F, 0, 1, ksize=3)
    x[share < background] = 0
    y[share < background] = 0
    normals = np.stack([np.full_like(x, 2 * np.pi), y, x], axis=2)
    normals = normals / np.linalg.norm(normals, axis=2, keepdims=True)
    return (normals * 127.5 + 127.5).clip(0, 255).astype(np.uint8)
