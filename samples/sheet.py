"""Edit photos with several concepts, and put them and their edits on one sheet, each under its name.

python samples/sheet.py photo.jpg --concepts vangogh autumn -o sheet/

One photo fills the sheet with its edits; several have a row each. One process makes all edits, because starting takes
longer than an edit.
"""

from __future__ import annotations

import argparse
import math
from functools import cache
from pathlib import Path

from tqdm import tqdm

from e2gan.blend import find_concept
from e2gan.drawing import picture_grid
from e2gan.editor import Editor
from e2gan.files import atomic_path
from e2gan.images import open_image, save_image

WIDTH = 2400
"""Of the sheet, about, in pixels."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Edit photos with several concepts, and put all on one sheet.")
    parser.add_argument("photos", nargs="+", type=Path, metavar="PHOTO")
    parser.add_argument("--concepts", nargs="+", required=True, metavar="CONCEPT", help="ids or folders")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the edits and of sheet.jpg")
    args = parser.parse_args()
    names = [photo.stem for photo in args.photos]
    if twice := next((name for name in names if names.count(name) > 1), None):
        parser.error(f"two photos are named {twice}, and their edits would be, too: rename one")
    args.output.mkdir(parents=True, exist_ok=True)
    concepts = [find_concept(name) for name in args.concepts]
    editor = cache(Editor)  # one for each base
    pictures = []
    for photo in tqdm(args.photos, unit="photo", disable=None):
        pictures.append(open_image(photo))
        for concept in concepts:
            pictures.append(editor(concept.base_id).apply(photo, concept))
            save_image(pictures[-1], args.output / f"{photo.stem}-{concept.id}.jpg")
    columns = len(concepts) + 1 if len(args.photos) > 1 else math.ceil(math.sqrt(len(pictures)))
    side = min(800, WIDTH // columns)
    page = picture_grid(
        pictures, columns, titles=["photo", *(concept.id for concept in concepts)], cell=(side, side), gap=16
    )
    with atomic_path(args.output / "sheet.jpg") as temporary:
        page.save(temporary, format="JPEG", quality=90)


if __name__ == "__main__":
    main()
