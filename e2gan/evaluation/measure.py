"""Measuring a concept on test pairs, for ``[quality]`` and for the report's page."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from e2gan.concept import Concept
from e2gan.drawing import draw_sheet
from e2gan.editor import Editor
from e2gan.embedders import BATCH, Embedder
from e2gan.errors import E2GANError
from e2gan.evaluation.closeups import Closeup, choose_closeups, face_finder
from e2gan.evaluation.cost import cost
from e2gan.evaluation.forgetting import measure_forgetting
from e2gan.evaluation.inception import FILE, Inception, find_inception
from e2gan.evaluation.lpips import Lpips
from e2gan.evaluation.miou import Segmenter, measure_miou
from e2gan.evaluation.report import NETWORKS, evaluate, l1_distance
from e2gan.images import open_image
from e2gan.progress import Progress

if TYPE_CHECKING:
    from e2gan.data.pairs import Pair

__all__ = ["Example", "Measurement", "draw_examples", "draw_preview", "examine", "photograph"]

EXAMPLES = 9
"""Maximum photos shown: the best, the worst, the median, and some evenly between."""

PREVIEW_SIDE = 512

AT_ONCE = 8
"""Photos edited between two progress reports."""


@dataclass(frozen=True)
class Example:
    """One test photo with both edits."""

    photo: Image.Image
    target: Image.Image
    """The teacher's picture."""
    edited: Image.Image
    source: str
    """The photo's name, or "" if unknown."""
    l1: float
    """Mean absolute difference between edit and teacher's picture, on values from 0 to 1."""
    place: str
    """"best", "median" or "worst" by L1, or empty."""

    @property
    def caption(self) -> str:
        return f"{self.place}, L1 {self.l1:.3f}" if self.place else f"L1 {self.l1:.3f}"


@dataclass(frozen=True)
class Measurement:
    """The figures, example pictures, and what could not be measured."""

    quality: dict[str, Any]
    """The concept's ``[quality]``."""
    examples: list[Example]
    """From the best to the worst by L1, evenly spread."""
    unmeasured: dict[str, str] = field(default_factory=dict)
    """What could not be measured here, and why."""
    closeups: list[Closeup] = field(default_factory=list)
    """Full-size crops of what shows faults first."""
    missing: dict[str, str] = field(default_factory=dict)
    """Kinds of crops that are missing, and why."""


def examine(
    editor: Editor,
    concept: Concept,
    test: Sequence[Pair],
    *,
    inception: str | os.PathLike[str] | None = None,
    download: bool = False,
    encode: Callable[[str], np.ndarray] | None = None,
    segmenter: Segmenter | None = None,
    training_flops: int | None = None,
    progress: Progress | None = None,
) -> Measurement:
    """Measure a concept on test pairs, edited in the same way as a user's photos.

    Args:
        editor: of the concept's base.
        concept: the concept, trained.
        test: the pairs, at least two.
        inception: the file of the Inception network; by default `find_inception` looks for it.
        download: whether Inception may be downloaded.
        encode: the base's prompt encoder; by default the one from the extra ``train``.
        segmenter: a network that labels photographs, if the pairs are label maps and photographs.
        training_flops: operations of the concept's training (`e2gan.training.flops.recorded_flops`), if known.
        progress: reports the edited photos, then the pictures that a network has embedded.

    Raises:
        DataError: there are fewer than two pairs, or the teacher changed nothing.
        ConceptError: the concept is not trained, or was made for another base.
        MissingExtraError: a network's package is not installed.
        E2GANError: the file named for Inception does not exist or is not the right one.
    """
    progress = progress or Progress()
    unmeasured: dict[str, str] = {}
    networks: dict[str, Embedder] = {}
    weights = find_inception(inception, download=download)
    if weights is None:
        unmeasured["FID on Inception features"] = f"{FILE} is not on this machine"
    else:
        networks["inception"] = Inception(weights, editor.device)
    networks.update((name, make()) for name, make in NETWORKS.items())
    lpips = None
    try:
        lpips = Lpips()
    except E2GANError as error:
        unmeasured["LPIPS"] = str(error)

    photos, targets = [_open(pair.input) for pair in test], [_open(pair.output) for pair in test]
    edited: list[Image.Image] = []
    for start in range(0, len(photos), AT_ONCE):
        edited += editor.apply_batch(photos[start : start + AT_ONCE], concept)
        progress.advance(len(edited), len(photos), {})
    progress.stage("compare with the teacher's pictures")
    groups = [photograph(pair.source) for pair in test]
    looked, all_looks = 0, 3 * len(photos) * len(networks)  # photos, edits and the teacher's pictures

    def counted(embed: Embedder) -> Embedder:
        def look(images: Sequence[Image.Image]) -> np.ndarray:
            nonlocal looked
            features = []
            for start in range(0, len(images), BATCH):  # the embedders' own batches: the same features
                features.append(embed(images[start : start + BATCH]))
                looked += len(features[-1])
                progress.advance(looked, all_looks, {})
            return np.concatenate(features) if features else embed(images)

        return look

    counting = {name: counted(embed) for name, embed in networks.items()}
    quality = evaluate(photos, edited, targets, groups, networks=counting, lpips=lpips).to_dict()
    forgetting = measure_forgetting(editor.base, concept, photos, device=editor.device, encode=encode)
    quality["forgetting"] = forgetting.to_dict()
    if forgetting.unmeasured:
        unmeasured["forgetting when not folded out"] = forgetting.unmeasured
    if segmenter is not None:
        files = [pair.input for pair in test]
        ours, real = (measure_miou(pictures, files, segmenter) for pictures in (edited, targets))
        quality["segmentation"] = {
            "network": segmenter.name,
            "miou": ours.miou,
            "miou_real": real.miou,
            "accuracy": ours.accuracy,
            "classes": ours.classes,
        }
    quality["cost"] = cost(concept, editor.base, training_flops)
    if training_flops is None:
        unknown = "the packages of the extra 'train' are not installed"
        recorded = "steps" in concept.training
        unmeasured["operations of the training"] = unknown if recorded else "the concept has no record of its training"
    sources = [pair.source for pair in test]
    closeups, missing = choose_closeups(photos, targets, edited, sources, faces=face_finder())
    examples = _examples(photos, targets, edited, test)
    return Measurement(quality, examples, unmeasured, closeups, missing)


def draw_examples(concept: Concept, examples: Sequence[Example], path: str | os.PathLike[str]) -> None:
    """Write the PNG sheet of a concept: photo, teacher's picture and ours in a row, the best first."""
    draw_sheet(
        [(example.photo, example.target, example.edited) for example in examples],
        path,
        captions=[example.caption for example in examples],
        heading=f"{concept.title}: {concept.prompt}",
    )


def photograph(source: str) -> str:
    """The photograph that a picture was cut from: its crops are named NAME_00.jpg, NAME_01.jpg and so on.

    In another folder the same name is another photograph: cameras start again at IMG_0001.jpg.
    """
    path = PurePosixPath(source)
    # Two digits: a camera's own numbers have more.
    return str(path.with_name(re.sub(r"_\d\d$", "", path.stem) or path.stem)) if path.name else ""


def draw_preview(editor: Editor, concept: Concept, photo: str | Path) -> bytes:
    """A WebP of the photo and its edit side by side, each about 512 pixels wide."""
    before = open_image(photo, opaque=True)
    before.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE), Image.Resampling.LANCZOS)
    after = editor.apply(before, concept)
    both = Image.new("RGB", (2 * before.width, before.height))
    both.paste(before, (0, 0))
    both.paste(after.convert("RGB"), (before.width, 0))
    buffer = io.BytesIO()
    both.save(buffer, format="WEBP", quality=85)
    return buffer.getvalue()


def _open(file: Path) -> Image.Image:
    return open_image(file, opaque=True)


def _examples(
    photos: Sequence[Image.Image], targets: Sequence[Image.Image], edited: Sequence[Image.Image], test: Sequence[Pair]
) -> list[Example]:
    l1 = [l1_distance(a, b) for a, b in zip(edited, targets)]
    order = np.argsort(l1, kind="stable")
    places = {(len(order) - 1) // 2: "median", 0: "best", len(order) - 1: "worst"}
    ranks = {*places, *(int(rank) for rank in np.linspace(0, len(order) - 1, min(EXAMPLES, len(order))))}
    return [
        Example(photos[i], targets[i], edited[i], test[i].source, l1[i], places.get(rank, ""))
        for rank, i in ((rank, order[rank]) for rank in sorted(ranks))
    ]
