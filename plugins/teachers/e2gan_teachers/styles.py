"""Names for the 26 painted styles of `magenta-multistyle`, and the sheet that shows them.

    python -m e2gan_teachers.styles samples/picosdeeuropa.jpg -o docs/images/styles.webp

The network was published without names; these describe the styles as we see them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from e2gan.files import atomic_path

__all__ = ["STYLES", "main"]

STYLES = (
    "pastel cubism",
    "black lines",
    "pale oil",
    "mosaic",
    "crayon",
    "expressionism",
    "dark cells",
    "bold primaries",
    "cyan and magenta ink",
    "red and green print",
    "brown canvas",
    "engraving",
    "impressionism",
    "stained glass",
    "pale watercolour",
    "line art",
    "pointillism",
    "woven bars",
    "woodcut",
    "Van Gogh",
    "red fauvism",
    "cut paper",
    "charcoal and lilac",
    "old Dutch landscape",
    "ukiyo-e",
    "dense strokes",
)
"""The look of each style, by its number."""


def main() -> None:
    from PIL import Image, ImageOps

    from e2gan.drawing import picture_grid
    from e2gan_teachers.painted import PaintedStyle

    parser = argparse.ArgumentParser(description="Show a photo in all painted styles on one sheet.")
    parser.add_argument("photo", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    photo = ImageOps.fit(Image.open(args.photo).convert("RGB"), (256, 256), Image.Resampling.LANCZOS)
    pictures = [photo, *(PaintedStyle(style)(photo) for style in range(len(STYLES)))]
    titles = ["photo", *(f"{number} {name}" for number, name in enumerate(STYLES))]
    with atomic_path(args.output) as target:
        picture_grid(pictures, 7, titles=titles).save(target, "WEBP", quality=80, method=6)


if __name__ == "__main__":
    main()
