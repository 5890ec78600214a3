"""Put a photo and its edits on one sheet, side by side, each under its title.

python samples/sheet.py photo.jpg "Van Gogh=vangogh.jpg" "Autumn=autumn.jpg" -o sheet.jpg
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image, ImageOps

from e2gan.evaluation.sheet import picture_grid


def main() -> None:
    parser = argparse.ArgumentParser(description="Put a photo and its edits on one sheet.")
    parser.add_argument("photo", type=Path)
    parser.add_argument("edits", nargs="+", metavar="TITLE=FILE")
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    named = [("Photo", args.photo), *((title, Path(file)) for title, _, file in (e.partition("=") for e in args.edits))]
    pictures = [ImageOps.exif_transpose(Image.open(path)) for _, path in named]
    args.output.parent.mkdir(parents=True, exist_ok=True)
    page = picture_grid(pictures, 2, titles=[title for title, _ in named], cell=(800, 800), gap=16)
    page.save(args.output, quality=90)


if __name__ == "__main__":
    main()
