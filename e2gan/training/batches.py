"""What a training sees: each concept's pairs, and batches of their crops.

The seed and the step's number determine every batch: which pairs it holds, and how they are cropped and flipped.
So a resumed run sees what an uninterrupted one sees.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from PIL import Image

from e2gan.data.pairs import Pair
from e2gan.errors import DataError
from e2gan.evaluation.measure import photograph
from e2gan.models.layout import NEUTRAL, NO_SKIPS, Keeps, Skips, Tone
from e2gan.models.look import Look, batched, look_of
from e2gan.models.noise import SIDE
from e2gan.models.pixels import to_tensor
from e2gan.recipe import TrainingRecipe
from e2gan.training.objective import Batch, StepKind
from e2gan.training.tone import fit_tone

__all__ = ["ConceptPairs", "Sampler", "collate", "load_pair"]


@dataclass(frozen=True)
class ConceptPairs:
    """One concept's training and validation pairs with its prompt."""

    id: str
    prompt: np.ndarray
    """(T, prompt_dim) float32."""
    train: Sequence[Pair]
    val: Sequence[Pair]
    keeps: Keeps = Keeps.NOTHING
    """What the edits keep of the photo (`e2gan.models.light`)."""
    skips: Skips = NO_SKIPS
    """How much bypasses the generator's bottleneck."""
    noise: float = 0.0
    """Strength of the noise on the photo (`e2gan.models.noise`)."""

    @cached_property
    def tone(self) -> Tone:
        """The affine map of colours that comes nearest to the teacher's; neutral if the edits keep nothing."""
        return NEUTRAL if self.keeps == Keeps.NOTHING else fit_tone(load_pair(pair) for pair in self.train)

    @property
    def look(self) -> Look:
        """What determines its edits besides the generator's weights, in one row."""
        return look_of(torch.from_numpy(self.prompt), self.keeps, self.tone, self.skips, self.noise)


def load_pair(pair: Pair) -> tuple[np.ndarray, np.ndarray]:
    """A pair's photo and edit, each (H, W, 3) uint8.

    Raises:
        DataError: one of them cannot be read, or their sizes differ.
    """
    pictures = []
    for path in (pair.input, pair.output):
        try:
            with Image.open(path) as image:
                pictures.append(np.asarray(image.convert("RGB")))
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error})", hint="run the distillation again") from error
    if pictures[0].shape != pictures[1].shape:
        raise DataError(f"{pair.output}: its size differs from that of its photo, {pair.input}")
    return pictures[0], pictures[1]


class Sampler:
    """Batches as a function of (seed, step): all pairs, shuffled in each epoch, with one crop and flip each."""

    def __init__(self, concepts: Sequence[ConceptPairs], recipe: TrainingRecipe) -> None:
        self.concepts = concepts
        self.recipe = recipe
        self.index = [(c, i) for c, concept in enumerate(concepts) for i in range(len(concept.train))]
        if not self.index:
            raise DataError("there are no training pairs", hint="check the folder of photos and the teacher's report")

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(len(self.index) / self.recipe.batch_size)

    def photographs(self, steps: int) -> int:
        """The number of photographs in the first ``steps`` batches: crops of one, and its edits by several teachers,
        count once."""
        first = self._permutation(self.recipe.seed, 0)[: steps * self.recipe.batch_size]
        pairs = [self.concepts[concept].train[pair] for concept, pair in (self.index[place] for place in first)]
        return len({photograph(pair.source) or str(pair.input) for pair in pairs})

    @property
    def steps(self) -> int:
        """The length of the run."""
        return self.recipe.steps or self.recipe.epochs * self.steps_per_epoch

    def batch(self, step: int, process: int = 0, processes: int = 1) -> Batch:
        """The part of step ``step``'s batch for one of ``processes`` processes."""
        size, seed = self.recipe.batch_size, self.recipe.seed
        positions = range(step * size, (step + 1) * size)[process::processes]
        half = StepKind.of(self.recipe, step, self.steps).half_size
        items, offsets = [], []
        for position in positions:
            epoch, offset = divmod(position, len(self.index))
            concept, pair = self.index[self._permutation(seed, epoch)[offset]]
            rng = np.random.default_rng((seed, 1, position))
            photo, target = self._crop(load_pair(self.concepts[concept].train[pair]), rng)
            if half:
                photo, target = (_resized(picture, self.recipe.crop // 2) for picture in (photo, target))
            items.append((photo, target, self.concepts[concept]))
            offsets.append(rng.integers(SIDE, size=2))
        batch = collate(items)
        batch.offsets = torch.from_numpy(np.stack(offsets))
        return batch

    def _permutation(self, seed: int, epoch: int) -> np.ndarray:
        if getattr(self, "_cached_epoch", None) != epoch:
            self._cached_epoch = epoch
            self._cached = np.random.default_rng((seed, 0, epoch)).permutation(len(self.index))
        return self._cached

    def _crop(self, pictures: tuple[np.ndarray, np.ndarray], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        crop, (smallest, largest) = self.recipe.crop, self.recipe.scales
        height, width = pictures[0].shape[:2]
        if height < crop or width < crop:
            raise DataError(f"a training pair is {width}×{height}, smaller than the crop of {crop} pixels")
        side = crop
        if smallest != largest:
            # Small scales are as likely as large ones: between 1/2 and 1 as between 1/4 and 1/2.
            scale = math.exp(rng.uniform(math.log(smallest), math.log(largest)))
            side = min(max(1, round(crop / scale)), height, width)
        elif smallest != 1:
            side = min(max(1, round(crop / smallest)), height, width)
        top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
        step = -1 if rng.random() < 0.5 else 1
        a, b = (_resized(p[top : top + side, left : left + side], crop)[:, ::step] for p in pictures)
        return a, b


def _resized(picture: np.ndarray, side: int) -> np.ndarray:
    """A square picture scaled to another side; itself if it already has that side."""
    if len(picture) == side:
        return picture
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS))


def collate(items: Sequence[tuple[np.ndarray, np.ndarray, ConceptPairs]]) -> Batch:
    """Collate (photo, target, concept) triples of (H, W, 3) uint8 pictures into one batch with padded prompts."""
    photos, targets, concepts = zip(*items, strict=True)
    look = batched([concept.look for concept in concepts])
    ids = tuple(concept.id for concept in concepts)
    return Batch(to_tensor(np.stack(photos)), to_tensor(np.stack(targets)), look, ids)
