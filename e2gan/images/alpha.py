"""Pictures with transparency: an edit must depend on what is visible, not on the colours hidden under it.

The colours under full transparency are whatever the painting program left there.  They are filled from the visible
pixels around them by a pyramid ("pull-push": Gortler et al., "The Lumigraph", SIGGRAPH 1996): averages of what is
visible, ever coarser, until every hole has a colour, and back.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

__all__ = ["hide_nothing", "opaque"]


def opaque(image: Image.Image, *, faint: int = 1) -> Image.Image:
    """The visible picture, without holes: RGB of the same size.

    Hidden pixels of an RGBA picture take the colours of the visible ones around them; without visible ones it becomes
    white.  An RGB picture is returned itself.

    Args:
        faint: opacity, of 255, at which a pixel keeps its colour: in a scaled picture, the colours of the
            faintest pixels are rounding errors.
    """
    if image.mode != "RGBA":
        return image if image.mode == "RGB" else image.convert("RGB")
    alpha = image.getchannel("A")
    least, most = _extremes(alpha)
    if least >= faint:
        return image.convert("RGB")
    if most < faint:
        return Image.new("RGB", image.size, "white")
    result = _filled(image).convert("RGB")
    result.paste(image.convert("RGB"), mask=alpha.point(lambda value: 255 * (value >= faint)))
    return result


def hide_nothing(image: Image.Image) -> Image.Image:
    """The RGBA picture with the colours of its fully transparent pixels replaced by those of :func:`opaque`."""
    alpha = image.getchannel("A")
    if _extremes(alpha)[0] > 0:
        return image
    result = opaque(image)
    result.putalpha(alpha)
    return result


def _extremes(band: Image.Image) -> tuple[int, int]:
    pixels = np.asarray(band)
    return int(pixels.min()), int(pixels.max())


def _filled(image: Image.Image) -> Image.Image:
    """The picture laid on its own coarser, filled self: opaque RGBA."""
    if image.width == image.height == 1 or _extremes(image.getchannel("A"))[0] == 255:
        image = image.copy()
        image.putalpha(255)
        return image
    # Both `reduce` and `resize` weigh colours by their opacity.  One visible pixel of four is enough.
    coarse = image.reduce(2)
    coarse.putalpha(coarse.getchannel("A").point(lambda value: min(255, 4 * value)))
    behind = _filled(coarse).resize(image.size, Image.Resampling.BILINEAR)
    return Image.alpha_composite(behind, image)
