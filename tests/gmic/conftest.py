"""A small photo of sorts; the package with G'MIC in it must be installed."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gmic", reason="the teacher gmic needs the package gmic: pip install -e plugins/gmic")


@pytest.fixture(scope="session")
def photo() -> Image.Image:
    """46 × 38: sky, a sun, spotted green."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:38, :46]
    pixels = np.full((38, 46, 3), (110, 160, 230), float)
    pixels[(y - 9) ** 2 + (x - 33) ** 2 < 25] = (250, 220, 120)
    spots = rng.integers(20, 160, (9, 23, 1)).repeat(2, 0).repeat(2, 1)
    pixels[20:] = spots * np.array([0.7, 1.0, 0.4])
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
