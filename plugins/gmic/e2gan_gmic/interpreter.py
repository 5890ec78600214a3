"""The one place that calls G'MIC."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["run"]

_alone = threading.Lock()
"""G'MIC's random state is one for the process."""


def run(command: str, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What `command` makes of RGB `pixels` (H, W, 3), as RGB pixels."""
    import gmic

    with _alone:
        # A fresh interpreter, because variables outlive a run; and the seed after it, because making one sets the
        # random state by the clock.
        interpreter = gmic.Gmic()
        result = interpreter.run(f"srand 0 {command}", gmic.ImageList([gmic.Image.from_yxc(pixels)]))[0]
        return _rgb(result.to_numpy())


def _rgb(image: Any) -> NDArray[np.uint8]:
    """G'MIC's (W, H, 1, channels) floats as (H, W, 3) bytes."""
    colours = np.asarray(image)[:, :, 0].transpose(1, 0, 2)[..., :3]
    if colours.shape[2] != 3:
        colours = colours[..., :1].repeat(3, 2)
    return np.round(np.nan_to_num(colours).clip(0, 255)).astype(np.uint8)
