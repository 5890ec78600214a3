"""How strongly an edit is applied: 0 gives the photo, 1 the edit, between them a mixture of both."""

from __future__ import annotations

import numpy as np

__all__ = ["mix"]


def mix(photo: np.ndarray, edit: np.ndarray, strength: float) -> np.ndarray:
    """Mix ``photo`` (uint8) with ``edit`` (float32 in 0 to 1, of the same shape) by ``strength``; uint8."""
    mixed = edit * np.float32(255 * strength)
    if strength < 1:
        mixed += photo * np.float32(1 - strength)
    np.rint(mixed, out=mixed)
    return mixed.clip(0, 255, out=mixed).astype(np.uint8)
