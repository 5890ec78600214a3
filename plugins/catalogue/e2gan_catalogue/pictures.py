"""The pictures of a concept's preview: before and after, each in several sizes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from e2gan.concept import Concept
from e2gan.errors import E2GANError
from e2gan.images import PREVIEW, open_image

__all__ = ["Pictures", "write_pictures"]

WIDTHS = (256, 512, 1024)
"""In pixels; none is wider than the preview's half."""

QUALITY = 80

WIDEST, NARROWEST = 2.4, 0.5
"""Width over height beyond which a picture is cut on the pages."""


@dataclass(frozen=True)
class Pictures:
    """The files of a preview, as paths below the site, by width in pixels and from the smallest."""

    before: dict[int, str]
    after: dict[int, str]
    width: int
    """Of the largest one, in pixels."""
    height: int

    @property
    def ratio(self) -> float:
        """Width over height, as it is shown."""
        return min(WIDEST, max(NARROWEST, self.width / self.height))


def write_pictures(concept: Concept, site: Path, slug: str) -> Pictures | None:
    """Write a preview's two halves, each in several sizes; None if there is none that can be read.

    Args:
        site: the site's folder.
        slug: begins the files' names.
    """
    if concept.preview is None:
        return None
    try:
        both = open_image(concept.preview, limits=PREVIEW, opaque=True)
    except E2GANError:
        return None
    width, height = both.width // 2, both.height
    if width < 1:
        return None
    digest = hashlib.sha256(both.tobytes()).hexdigest()[:8]  # a new preview has new addresses
    files: list[dict[int, str]] = []
    for name, left in (("before", 0), ("after", width)):
        half = both.crop((left, 0, left + width, height))
        files.append({})
        for wide in sorted({min(each, width) for each in WIDTHS}):
            file = f"pictures/{slug}-{digest}-{name}-{wide}.webp"
            small = half.resize((wide, max(1, round(height * wide / width))), Image.Resampling.LANCZOS)
            (site / file).parent.mkdir(exist_ok=True)
            small.save(site / file, format="WEBP", quality=QUALITY, method=4)
            files[-1][wide] = file
    largest = max(files[0])
    return Pictures(files[0], files[1], largest, max(1, round(height * largest / width)))
