"""What the edits of some pairs keep of their photos, measured.

A concept says what it `keeps` (`e2gan.models.light`) before it is trained, and its pairs show what that should be.  The
edits of a painted style have the style's own brightness and colours, whatever the photo's are; those of a filter have
the photo's; and those of a colour grade have even its finest lines.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from e2gan.data.crew import Job
from e2gan.data.distill import distill
from e2gan.data.folders import Data, find_photos, named
from e2gan.data.pairs import Pair, picture_size
from e2gan.errors import DataError, MissingExtraError
from e2gan.files import sha256_file
from e2gan.models.arrays import CELL
from e2gan.models.layout import Keeps
from e2gan.models.light import LUMA
from e2gan.progress import Progress
from e2gan.training.batches import load_pair
from e2gan.training.tone import fit_tone

__all__ = ["Kept", "kept_by", "kept_by_teacher", "kept_in", "smallest_side"]

ENOUGH = 16
"""Number of pairs to look at."""

DETAIL = 0.8
"""Least share of the edits' fine detail that follows the photo's, for edits that stay photographs.  Colour grades have
0.91 to 1, G'MIC's brushes and pencils up to 0.75, painted styles less than 0.05."""

FOLLOWS = 0.8
"""Least share of the edits' differences in brightness or colour that follow the photos'.  Filters that keep the
photo's colours have 0.9 to 1."""

FINE = 5
"""Detail finer than this many pixels is compared."""

T = TypeVar("T")


@dataclass(frozen=True)
class Kept:
    """How much edits keep of their photos; each share is at most 1, and 0 or less if nothing is kept."""

    detail: float
    """The share of the edits' fine detail that the photos' own detail explains."""
    colour: float
    """The share of the differences between the edits' mean colours that those between the photos' explain."""
    light: float
    """The same for their mean luminance."""

    @property
    def keeps(self) -> Keeps:
        """What a concept should declare to keep."""
        if self.detail >= DETAIL:
            return Keeps.DETAIL
        if self.colour >= FOLLOWS:
            return Keeps.COLOUR
        return Keeps.LIGHT if self.light >= FOLLOWS else Keeps.NOTHING

    @property
    def reason(self) -> str:
        """Why, in words for people."""
        if self.keeps == Keeps.DETAIL:
            return f"the edits stay photographs, and {self.detail:.0%} of their fine detail is the photo's"
        if self.keeps == Keeps.COLOUR:
            return "the edits redraw the photos in the photos' own colours"
        if self.keeps == Keeps.LIGHT:
            return "the edits are as light or dark as the photos"
        return "neither the edits' brightness, nor their colours, nor their fine detail are the photos'"


def kept_by(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> Kept:
    """What edits keep of their photos; ``pairs`` are (photo, edit), each (H, W, 3) uint8, at least 16 pixels a side."""
    try:
        from scipy.ndimage import uniform_filter
    except ImportError as error:
        raise MissingExtraError("scikit-learn", "train") from error

    pairs = list(pairs)
    tone = np.array(fit_tone(pairs))
    unexplained = detail = 0.0
    photos, edits = [], []
    for pair in pairs:
        x, edit = (picture / 127.5 - 1 for picture in pair)
        photo = np.clip(x @ tone[:, :3].T + tone[:, 3], -1, 1)
        photos.append(photo.mean((0, 1)))
        edits.append(edit.mean((0, 1)))
        a, b = (luma - uniform_filter(luma, FINE) for luma in (photo @ LUMA, edit @ LUMA))
        # Contrast may be raised or lowered, and differently from place to place.
        slope = uniform_filter(a * b, 3 * CELL) / (uniform_filter(a * a, 3 * CELL) + 1e-5)
        unexplained += float(((b - slope * a) ** 2).sum())
        detail += float((b**2).sum())

    def explained(photos: np.ndarray, edits: np.ndarray) -> float:
        differences = float(((edits - edits.mean(0)) ** 2).sum())
        return 1 - float(((edits - photos) ** 2).sum()) / differences if differences else 0.0

    means = np.array(photos), np.array(edits)
    return Kept(
        1 - unexplained / detail if detail else 0.0,
        explained(*means),
        explained(*(mean @ LUMA for mean in means)),
    )


def kept_in(pairs: Sequence[Pair]) -> Kept:
    """What edits keep of their photos, from `ENOUGH` of the pairs, or all of fewer; raises DataError as `load_pair`."""
    return kept_by(map(load_pair, _some_of(pairs)))


def kept_by_teacher(data: Data, teacher: str, options: Mapping[str, Any], progress: Progress | None = None) -> Kept:
    """What a teacher's edits keep of photos: it edits `ENOUGH` of those to train on, or all of fewer.

    Raises:
        DataError: there are no photos, or no pair can be made of them.
        TeacherError: the teacher is unknown or has wrong options.
    """
    progress = progress or Progress()
    photos = _some_of([photo for split, photo in find_photos(data) if split == "train"])
    progress.stage(f"{teacher} edits {len(photos)} photos, to see what it keeps of them")
    with tempfile.TemporaryDirectory(prefix="e2gan-") as folder:
        jobs = [
            Job(photo, sha256_file(photo), Path(folder, f"{n}.jpg"), Path(folder, f"{n}-edit.jpg"))
            for n, photo in enumerate(photos)
        ]
        pairs, fault = [], "there are none"
        # Closed at once when interrupted, so that nothing is still being written when the folder is removed.
        with closing(distill(teacher, options, jobs)) as results:
            for done, result in enumerate(results, 1):
                if result.fault is None:
                    pairs.append(Pair(result.job.input, result.job.output))
                fault = result.fault or fault
                progress.advance(done, len(jobs), {})
        if not pairs:
            raise DataError(f"{named(data)}: none of {len(photos)} photos to train on gave a pair: {fault}")
        return kept_in(pairs)


def smallest_side(pairs: Sequence[Pair]) -> int:
    """The smallest side of the pairs' pictures, in pixels; raises DataError as `picture_size`."""
    return min(min(picture_size(pair.input)) for pair in pairs)


def _some_of(items: Sequence[T]) -> list[T]:
    """`ENOUGH` of the items, from all over the list, or all of fewer."""
    return [items[at * len(items) // ENOUGH] for at in range(ENOUGH)] if len(items) > ENOUGH else list(items)
