"""What takes the place of a data set that is not on this machine, made from the photographs at hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from e2gan.data.folders import METADATA, Data, find_photos, folders_of, named
from e2gan.data.import_dataset import RECORD
from e2gan.data.pairs import Pairs, digest_key, write_rows
from e2gan.errors import DataError
from e2gan.files import atomic_path, sha256_file
from e2gan.images import open_image
from e2gan.progress import Progress
from e2gan.recipe import GIVEN, Recipe, Selection, TeacherChoice
from e2gan_reproduce.outcome import Subject

__all__ = ["is_afhq", "others", "paired"]

SIDE = 256
"""Of the pairs' pictures, in pixels."""

MOST = 200
"""Number of pictures that `others` returns at most."""

PALETTE = np.array(
    [(20, 20, 24), (110, 110, 112), (225, 225, 222), (176, 58, 46), (214, 160, 60), (60, 120, 62), (58, 96, 160)],
    np.float32,
)
"""The colours of a map of flat colours, RGB: dark, grey, light, red, yellow, green and blue."""


def edges(photo: np.ndarray) -> np.ndarray:
    """The contours of a photo, (H, W, 3) uint8, in black on white."""
    grey = cv2.GaussianBlur(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), (0, 0), 1.2)
    return cv2.cvtColor(255 - cv2.Canny(grey, 60, 140), cv2.COLOR_GRAY2RGB)


def flat_colours(photo: np.ndarray) -> np.ndarray:
    """A map of a photo's areas, (H, W, 3) uint8, each in the nearest colour of `PALETTE`."""
    areas = cv2.pyrMeanShiftFiltering(photo, 12, 36).astype(np.float32)
    nearest = ((areas[:, :, None] - PALETTE) ** 2).sum(-1).argmin(-1).astype(np.uint8)
    smooth = cv2.medianBlur(nearest, 7)  # numbers, whose median among few is one of them
    return PALETTE.astype(np.uint8)[smooth]


MAPS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "edges-to-photo": edges,
    "flat-colours-to-photo": flat_colours,
}
"""What is made of a photo, from which the photo is to be made again."""


def paired(data: Data, folder: Path, progress: Progress) -> list[Subject]:
    """Concepts that make a photograph of its edges, and of a map of flat colours: in place of edges→shoes and Facades.

    Args:
        data: the folder of photographs, or several.
        folder: for their pairs, which are made once.
    """
    photos = find_photos(data)
    if not photos:
        raise DataError(f"{named(data)}: there are no photographs")
    subjects = []
    for id, draw in MAPS.items():
        rows: dict[str, list[dict[str, str]]] = {}
        progress.stage(f"make the pairs of {id} from the photographs")
        for done, (split, photo) in enumerate(photos, 1):
            key = f"{photo.stem[:40]}-{digest_key([str(photo.name), sha256_file(photo), SIDE])}.png"
            files = [folder / id / split / part / key for part in ("input", "output")]
            if not all(file.is_file() for file in files):
                picture = ImageOps.fit(open_image(photo, opaque=True), (SIDE, SIDE), Image.Resampling.LANCZOS)
                for file, pixels in zip(files, (draw(np.asarray(picture)), np.asarray(picture))):
                    with atomic_path(file) as temporary:
                        Image.fromarray(pixels).save(temporary, "PNG")
            row = {"input_file_name": f"input/{key}", "output_file_name": f"output/{key}", "source": photo.name}
            rows.setdefault(split, []).append(row)
            progress.advance(done, len(photos), {})
        for split, some in rows.items():
            write_rows(folder / id / split / METADATA, some)
        selection = Selection("similarity-clustering", min(400, max(1, len(rows.get("train", ())) // 2)))
        recipe = Recipe((TeacherChoice(GIVEN),), selection=selection)
        subjects.append(Subject(id, "a photograph", recipe, data=folder / id))
    return subjects


def others(pairs: Pairs, side: int) -> list[Image.Image]:
    """The teacher's pictures of photos that nothing is measured on, as squares: in place of photos of another kind."""
    some = pairs.split("train")
    chosen = [some[int(i)] for i in np.linspace(0, len(some) - 1, min(MOST, len(some)))]
    return [ImageOps.fit(open_image(pair.output, opaque=True), (side, side)) for pair in chosen]


def is_afhq(data: Data) -> bool:
    """Whether all folders of photographs are AFHQ's, as `e2gan.data.import_dataset` writes them."""
    return all(_layout(folder / RECORD).startswith("afhq") for folder in folders_of(data))


def _layout(record: Path) -> str:
    """The layout of an imported data set; empty if it is none."""
    try:
        return str(json.loads(record.read_bytes())["layout"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
