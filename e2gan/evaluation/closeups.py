"""Full-size crops of what shows faults first: a face, foliage, a flat sky, a scene at night.

Simple measures of the photos decide which photo has one, and where, so that nobody picks crops by how an edit looks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from e2gan.errors import MissingExtraError
from e2gan.evaluation.lattice import flat_areas
from e2gan.evaluation.strokes import detail
from e2gan.installing import install_command

__all__ = ["KINDS", "Closeup", "Faces", "Place", "choose_closeups", "face_finder"]

SIDE = 312
"""Maximum side of a crop, in pixels: three side by side fill the width of the report's page."""

KINDS = ("face", "foliage", "flat sky", "night")

SMALL = 200
"""Shorter side, in pixels, of the scaled photo in which faces are searched."""

LEAST_FACE = 40
"""Minimum side of a face in it: a fifth of the photo's shorter side."""

LEAST = {"foliage": 0.008, "flat sky": 0.4, "night": 0.25}
"""Minimum scores: below them, a photo does not count as having one."""

Place = tuple[float, int, int]
"""A score, and the row and column of the middle in pixels."""

Faces = Callable[[Image.Image], "Place | None"]
"""Finds a photo's largest face, whose score is its side in pixels."""


@dataclass(frozen=True)
class Closeup:
    """The same crop of a test photo, the teacher's picture of it, and ours."""

    kind: str
    """One of `KINDS`."""
    photo: Image.Image
    target: Image.Image
    edited: Image.Image
    source: str
    """The photo's name, or "" if unknown."""


def choose_closeups(
    photos: Sequence[Image.Image],
    targets: Sequence[Image.Image],
    edited: Sequence[Image.Image],
    sources: Sequence[str],
    *,
    faces: Faces | None = None,
) -> tuple[list[Closeup], dict[str, str]]:
    """A crop of each kind that occurs, from different photos where possible, and why other kinds are missing.

    Args:
        photos: RGB, of any sizes.
        targets, edited: the teacher's pictures of them and ours, of the same sizes.
        sources: the photos' names.
        faces: finds faces; None: do not look for them.

    Raises:
        MissingExtraError: scipy is not installed.
    """
    places: dict[str, dict[int, Place]] = {kind: {} for kind in KINDS}
    for number, photo in enumerate(photos):
        if faces is not None and (face := faces(photo)):
            places["face"][number] = face
            continue  # a portrait against a dark wall is not a scene at night
        for kind, place in _places(photo):
            if place[0] >= LEAST[kind]:
                places[kind][number] = place

    closeups, missing, used = [], {}, set[int]()
    # The rarest first, so that a sky at night does not take the only face.
    for kind in sorted(KINDS, key=lambda kind: len(places[kind])):
        candidates = places[kind]
        if not candidates:
            missing[kind] = "none among the test photos"
            continue
        number = max(candidates, key=lambda n: (n not in used, candidates[n][0]))
        used.add(number)
        box = _box(photos[number].size, *candidates[number][1:])
        photo, target, ours = (pictures[number].convert("RGB").crop(box) for pictures in (photos, targets, edited))
        closeups.append(Closeup(kind, photo, target, ours, sources[number]))
    if faces is None:
        missing["face"] = f"not looked for: {install_command('e2gan[faces]')}"
    order = {kind: place for place, kind in enumerate(KINDS)}
    closeups.sort(key=lambda closeup: order[closeup.kind])
    return closeups, dict(sorted(missing.items(), key=lambda item: order[item[0]]))


def face_finder() -> Faces | None:
    """OpenCV's cascade of local binary patterns, through scikit-image; None if that is not installed."""
    try:
        from skimage.data import lbp_frontal_face_cascade_filename
        from skimage.feature import Cascade
    except ImportError:
        return None
    cascade = Cascade(lbp_frontal_face_cascade_filename())

    def largest(photo: Image.Image) -> Place | None:
        scale = min(1, SMALL / min(photo.size))
        small = photo.convert("RGB").resize([max(1, round(length * scale)) for length in photo.size])
        most = min(small.size)
        if most < LEAST_FACE:
            return None
        boxes = cascade.detect_multi_scale(
            img=np.asarray(small),
            scale_factor=1.2,
            step_ratio=1,
            min_size=(LEAST_FACE, LEAST_FACE),
            max_size=(most, most),
        )
        if not boxes:
            return None
        face = max(boxes, key=lambda box: box["width"])
        row, column = (face[at] + face[length] / 2 for at, length in (("r", "height"), ("c", "width")))
        return face["width"] / scale, round(row / scale), round(column / scale)

    return largest


def _places(photo: Image.Image) -> Iterator[tuple[str, Place]]:
    """The place in a photo with the most of each kind, and its score."""
    rgb = np.asarray(photo.convert("RGB"), np.float32)
    luma = rgb @ np.array((0.299, 0.587, 0.114), np.float32) / 255
    red, green, blue = np.moveaxis(rgb, -1, 0)

    leaves = (green > 1.02 * red) & (green > 1.15 * blue)
    yield "foliage", _densest(np.abs(detail(photo)) * leaves)

    sky = flat_areas(photo) & (luma > 0.3) & (luma < 0.96)  # neither night nor burnt out
    _, row, column = _densest(sky)
    yield "flat sky", (float(sky[: len(sky) // 2].mean()), row, column)

    dark, middle, bright = float(luma.mean()), *(float(value) for value in np.percentile(luma, (50, 99.5)))
    _, row, column = _densest(np.abs(luma - luma.mean()))
    yield "night", ((bright - middle) * (1 - dark / NIGHT) if dark < NIGHT else 0.0, row, column)


NIGHT = 0.25
"""Mean brightness, 0 to 1, below which a photo with lights counts as a night scene."""


def _densest(amount: np.ndarray) -> Place:
    """The largest mean of a window, and the middle of that window; ``amount`` is (H, W)."""
    try:
        from scipy.ndimage import uniform_filter
    except ImportError as error:
        raise MissingExtraError("scipy", "eval") from error
    window = tuple(min(SIDE, length) for length in amount.shape)
    means = uniform_filter(amount.astype(np.float32), window, mode="constant")
    inner = tuple(slice(side // 2, length - (side - side // 2) + 1) for side, length in zip(window, amount.shape))
    valid = means[inner]
    row, column = np.unravel_index(int(valid.argmax()), valid.shape)
    return float(valid.max()), int(row) + window[0] // 2, int(column) + window[1] // 2


def _box(size: tuple[int, int], row: int, column: int) -> tuple[int, int, int, int]:
    """The crop around a place, moved inside the picture."""
    width, height = (min(SIDE, length) for length in size)
    left = min(max(0, column - width // 2), size[0] - width)
    top = min(max(0, row - height // 2), size[1] - height)
    return left, top, left + width, top + height
