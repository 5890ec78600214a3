"""Put a photo and its edits on one sheet, side by side, each under its title.

python samples/sheet.py photo.jpg "Van Gogh=vangogh.jpg" "Autumn=autumn.jpg" -o sheet.jpg
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

MARGIN = 16
"""Pixels between pictures and around them."""


def sheet(pictures: list[tuple[str, Image.Image]], *, columns: int = 2, width: int = 800) -> Image.Image:
    """The titled pictures in rows of ``columns``, each scaled to ``width`` pixels."""
    scaled = [(title, ImageOps.contain(picture, (width, width)).convert("RGB")) for title, picture in pictures]
    font = ImageFont.load_default(size=width / 24)
    bar = round(width / 16)
    cell = bar + max(picture.height for _, picture in scaled) + MARGIN
    rows = -(-len(scaled) // columns)
    page = Image.new("RGB", (columns * (width + MARGIN) + MARGIN, rows * cell), "white")
    draw = ImageDraw.Draw(page)
    for i, (title, picture) in enumerate(scaled):
        left, top = MARGIN + i % columns * (width + MARGIN), i // columns * cell
        draw.text((left, top + bar / 2), title, fill="black", font=font, anchor="lm")
        page.paste(picture, (left, top + bar))
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description="Put a photo and its edits on one sheet.")
    parser.add_argument("photo", type=Path)
    parser.add_argument("edits", nargs="+", metavar="TITLE=FILE")
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    named = [("Photo", args.photo), *((title, Path(file)) for title, _, file in (e.partition("=") for e in args.edits))]
    args.output.parent.mkdir(parents=True, exist_ok=True)
    sheet([(title, ImageOps.exif_transpose(Image.open(path))) for title, path in named]).save(args.output, quality=90)


if __name__ == "__main__":
    main()
