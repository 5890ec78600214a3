"""Put a photo and its edits on one sheet, side by side, each under its name.

python samples/sheet.py photo.jpg vangogh.jpg autumn.jpg -o sheet.jpg
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from PIL import Image, ImageOps

from e2gan.drawing import picture_grid

WIDTH = 2400
"""Of the sheet, about, in pixels."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Put a photo and its edits on one sheet.")
    parser.add_argument("photo", type=Path)
    parser.add_argument("edits", nargs="+", type=Path, help="pictures, named as what they are edits to")
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    pictures = [ImageOps.exif_transpose(Image.open(path)) for path in (args.photo, *args.edits)]
    columns = math.ceil(math.sqrt(len(pictures)))
    side = min(800, WIDTH // columns)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    titles = ["photo", *(path.stem for path in args.edits)]
    page = picture_grid(pictures, columns, titles=titles, cell=(side, side), gap=16)
    page.save(args.output, quality=90)


if __name__ == "__main__":
    main()
