"""How coarse an edit's strokes are: by the size at which the photo is edited."""

from __future__ import annotations

import math
from collections.abc import Mapping

__all__ = ["MAX_PIXELS", "MEDIUM", "STROKES"]

MAX_PIXELS = 1 << 20
"""Largest edit in one piece: one megapixel."""

MEDIUM = "medium"

STROKES: Mapping[str, float] = {"fine": math.inf, MEDIUM: MAX_PIXELS, "broad": MAX_PIXELS / 4}
"""About how many pixels a photo is edited at, never more than its own."""
