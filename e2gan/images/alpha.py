"""Pictures with transparency: an edit must depend on what is seen, not on colours hidden under it.

What hides under full transparency is whatever the painting program left there.  It is filled from the visible
pixels around it by a pyramid ("pull-push": Gortler et al., "The Lumigraph", SIGGRAPH 1996): averages of what is
visible, ever coarser, until every hole has a colour, and back.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

__all__ = ["hide_nothing", "opaque"]


def opaque(image: Image.Image, *, faint: int = 1) -> Image.Image:
    """What a picture shows, without holes: RGB of the same size.

    An RGBA picture's hidden pixels take the colours of the visible ones around them; without any visible pixel it is
    white.  RGB is given back itself.

    Args:
        faint: opacity from which on a pixel keeps its colour, of 255: in a picture that was scaled the colours of the
            faintest pixels are errors of rounding.
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
    # Both `reduce` and `resize` weigh colours by their opacity.  Of four pixels one that is visible suffices.
    coarse = image.reduce(2)
    coarse.putalpha(coarse.getchannel("A").point(lambda value: min(255, 4 * value)))
    behind = _filled(coarse).resize(image.size, Image.Resampling.BILINEAR)
    return Image.alpha_composite(behind, image)
