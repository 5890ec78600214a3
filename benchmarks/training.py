"""The cost and the result of a concept's training: settings that save work, alone and together, against none.

All train the same concept on the same pairs and base.  The cost of a run is the sum over its kinds of steps, which are
timed in turn with the other runs' steps, so that other work on the machine slows all of them equally.  With ``--train``
each way is then trained completely, and measured on validation and test pairs.  The work folder keeps finished
trainings; a stopped one continues.

    python -m benchmarks.training --data PHOTOS --work runs/training --threads 1            # what each way costs
    python -m benchmarks.training --data PHOTOS --work runs/training --threads 1 --train    # and its result

``--train`` takes an hour and a half on one core; ``--way sparing`` leaves the others out; ``--crop 128 --steps 150``
trains for fewer steps on pictures of half the size.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.measuring import Figure, parser, ratio, report, script
from e2gan.base import Base, find_base
from e2gan.concept import Concept
from e2gan.data.make_pairs import distilled_pairs
from e2gan.data.pairs import Pair
from e2gan.data.selection import select_pairs
from e2gan.drawing import draw_sheet
from e2gan.errors import DataError
from e2gan.evaluation.measure import photograph
from e2gan.evaluation.report import evaluate
from e2gan.kept import folder_of, kept
from e2gan.models.discriminator import load_discriminator
from e2gan.models.lora import attach
from e2gan.models.pixels import to_images
from e2gan.plugins import registry
from e2gan.progress import Progress
from e2gan.recipe import TrainingRecipe
from e2gan.training.batches import ConceptPairs
from e2gan.training.concept import encode_prompt
from e2gan.training.flops import adapter_flops
from e2gan.training.trainer import Trainer

CONCEPT = "ukiyoe"

FORMER = TrainingRecipe(
    steps=500,
    crop=256,
    learning_rate=1e-3,
    discriminator_learning_rate=1e-4,
    l1=50.0,
    perceptual=2.0,
    style=4.0,
    ema=0.99,
)
"""The recipe's settings that trained the concept of version 1.1."""

SPARING: Mapping[str, Any] = {"perceptual_shrink": 2, "discriminator_every": 2, "half_size": 0.5}
"""Settings that make a step cheaper."""

WAYS: Mapping[str, Mapping[str, Any]] = {
    "former": {},
    **{f"{name} = {value:g}": {name: value} for name, value in SPARING.items()},
    "sparing": SPARING,
    "shorter": {**SPARING, "steps": 0.6, "learning_rate": 3e-3},
    "higher-rate": {**SPARING, "steps": 1.1, "learning_rate": 3e-3},
    "half-first": {"half_size": 0.5, "steps": 0.75, "learning_rate": 3e-3},
}
"""Differences from the former recipe, by name; ``steps`` is a share of its steps.  ``sparing`` combines all three,
``higher-rate`` and ``shorter`` do so at a higher learning rate, in more or fewer steps.  ``half-first`` only begins
with half-size pictures, and its VGG16 sees all of them whole."""

TOGETHER = ("sparing", "shorter", "higher-rate", "half-first")
"""The ways that must halve the time with the former's figures."""

SHOWN = 8
"""Test photos on a sheet."""


@dataclass
class Task:
    """A concept that is trained repeatedly, each time in another way."""

    data: Path
    work: Path
    concept: Concept
    base: Base
    precision: str | None = None
    """Accelerate's precision; None: the processor's own."""

    @cached_property
    def learnt(self) -> ConceptPairs:
        """The selected training pairs, and those for validation."""
        train = select_pairs(
            self._pairs["train"], self.concept.recipe.selection, FORMER.seed, cache=self.work / "embeddings"
        )
        concept = self.concept
        prompt = encode_prompt(concept, self.base)
        return ConceptPairs(concept.id, prompt, train, self._pairs["val"], concept.keeps, concept.skips, concept.noise)

    @property
    def test(self) -> Sequence[Pair]:
        return self._pairs["test"]

    @cached_property
    def _pairs(self) -> dict[str, Sequence[Pair]]:
        concept = self.concept
        distilled = distilled_pairs(
            self.data, self.work / "pairs", concept.recipe, prompt=concept.prompt, progress=Progress()
        )
        for split, least in (("train", 1), ("val", 1), ("test", 2)):
            if len(distilled.splits.get(split, ())) < least:
                raise DataError(
                    f"{self.data}: {len(distilled.splits.get(split, ()))} photos in {split}, which is too few"
                )
        return {name: list(pairs) for name, pairs in distilled.splits.items()}

    def trainer(self, recipe: TrainingRecipe, folder: Path) -> Trainer:
        torch.manual_seed(recipe.seed)
        generator = attach(self.base.generator().train(), self.concept.ranks)
        discriminator = load_discriminator(self.base.discriminator_path)
        return Trainer(
            generator,
            discriminator,
            [self.learnt],
            recipe,
            folder,
            checkpoint_every=600,
            device="cpu",
            mixed_precision=self.precision,
        )


@dataclass
class Cost:
    """Seconds of a whole run, one of each of several rounds."""

    processor: list[float]
    wall: list[float]


def costs(task: Task, recipe: TrainingRecipe, ways: Mapping[str, Mapping[str, Any]], rounds: int) -> dict[str, Cost]:
    """The cost of a run in each way, from ``rounds`` steps of each of its kinds.

    In a round every way takes a step of each kind; a run's seconds are their sum, weighted by the number of such steps.
    """
    trainers = {name: task.trainer(recipe_of(recipe, way), task.work / "timed") for name, way in ways.items()}
    by_way = {name: Cost([], []) for name in ways}
    for number in range(rounds + 1):
        for name, trainer in trainers.items():
            kinds = [trainer.objective.kind(step, trainer.steps) for step in range(trainer.steps)]
            processor = wall = 0.0
            for kind, count in Counter(kinds).items():
                trainer.step = kinds.index(kind)
                start, used = time.perf_counter(), time.process_time()
                trainer.train_step()
                processor += count * (time.process_time() - used)
                wall += count * (time.perf_counter() - start)
            if number:  # in the first, memory is got and kernels are chosen
                by_way[name].processor.append(processor)
                by_way[name].wall.append(wall)
    return by_way


def work_figures(base: Base, recipe: TrainingRecipe, ways: Mapping[str, Mapping[str, Any]]) -> list[Figure]:
    """Each way's operations as a share of the former's, counted; what they take differs from processor to processor."""
    former = adapter_flops(recipe, base)
    shares = {name: adapter_flops(recipe_of(recipe, way), base) / former for name, way in ways.items() if way}
    return [Figure(f"{name}: operations over former", share, "×") for name, share in shares.items()]


def cost_figures(found: Mapping[str, Cost], limit: float = 0.5) -> list[Figure]:
    """Each way's seconds, and as a share of the former's, which of those in `TOGETHER` is to be ``limit`` at most."""
    former = found["former"]
    figures = []
    for name, cost in found.items():
        figures.append(Figure(f"{name}: processor time of a run", median(cost.processor) / 60, "min"))
        if name != "former":
            most = limit if name in TOGETHER else None
            shares = {"processor": ratio(cost.processor, former.processor), "wall": ratio(cost.wall, former.wall)}
            figures += [Figure(f"{name}: {of} time over former", s, "×", at_most=most) for of, s in shares.items()]
    return figures


def train(task: Task, name: str, recipe: TrainingRecipe) -> dict[str, float]:
    """Train by a recipe and measure; from the work folder where that is done.

    Returns:
        Its figures: L1 on values from 0 to 1 on validation and test pairs, and on test pairs how far the edits are from
        the teacher's pictures in features that no loss has seen.
    """
    learnt = task.learnt
    folder = folder_of(
        task.work / name,
        {
            "concept": learnt.id,
            "base": task.base.sha256,
            "training": recipe.to_dict(),
            "pairs": [pair.key for pair in (*learnt.train, *learnt.val, *task.test)],
        },
    )

    def make() -> dict[str, float]:
        trainer = task.trainer(recipe, folder)
        trainer.run()
        return {"seconds": trainer.seconds, **measured(trainer, learnt, task.test, folder)}

    return kept(folder / "figures.json", make)


def measured(trainer: Trainer, learnt: ConceptPairs, test: Sequence[Pair], folder: Path) -> dict[str, float]:
    """The figures of the averaged generator, and a sheet of some test photos."""
    trainer.generator.eval()
    errors = []
    for pair in learnt.val:
        batch, edit = trainer.edit(pair, learnt)
        errors.append((edit - batch.target).abs().mean().item() / 2)
    rows = []
    for pair in test:
        batch, edit = trainer.edit(pair, learnt)
        rows.append([to_images(tensor)[0] for tensor in (batch.photo, batch.target, edit)])
    draw_sheet(rows[:: max(1, len(rows) // SHOWN)], folder / "sheet.png")
    photos, targets, edits = zip(*rows, strict=True)
    quality = evaluate(photos, edits, targets, [photograph(pair.source) for pair in test])
    return {
        "validation L1": sum(errors) / len(errors),
        "test L1": quality.l1,
        **{f"test {network} FID": distance.fid for network, distance in quality.distances.items()},
        "test stroke match": quality.stroke_match,
    }


def quality_figures(found: Mapping[str, Mapping[str, float]]) -> list[Figure]:
    """Figures of trainings side by side; those of `TOGETHER` are to be no worse than the former's."""
    figures = [Figure(f"{name}: {measure}", value) for name, some in found.items() for measure, value in some.items()]
    for name, some in found.items():
        if name != "former" and "former" in found:
            for measure in ("validation L1", "test L1", "test efficientnet-lite0 FID"):
                share = some[measure] / found["former"][measure]
                most = 1.0 if name in TOGETHER else None
                figures.append(Figure(f"{name} over former: {measure}", share, "×", at_most=most))
    return figures


def recipe_of(former: TrainingRecipe, way: Mapping[str, Any]) -> TrainingRecipe:
    """The former recipe changed in a way; both give ``steps``, the way as a share."""
    assert former.steps is not None
    steps = round(former.steps * way.get("steps", 1))
    return replace(former, **{**way, "steps": steps})


def main(arguments: Sequence[str] | None = None) -> None:
    command = parser(__doc__)
    command.add_argument("--data", type=Path, required=True, help="folder of photos")
    command.add_argument(
        "--work", type=Path, required=True, help="folder of pairs and trainings; existing ones are kept"
    )
    command.add_argument("--rounds", type=int, default=5, help="of steps that are timed (default: %(default)s)")
    command.add_argument("--train", action="store_true", help="train and measure, too")
    command.add_argument("--way", action="append", choices=list(WAYS), help="some of them beside former; default: all")
    command.add_argument("--steps", type=int, default=FORMER.steps, help="of a training (default: %(default)s)")
    command.add_argument("--crop", type=int, default=FORMER.crop, help="side of the pictures (default: %(default)s)")
    command.add_argument("--threads", type=int, help="CPU threads")
    options = command.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    task = Task(options.data, options.work, registry().get("concept", CONCEPT), find_base())
    # Smaller pictures are whole ones all the same: instance norms go by all of a picture.
    scale = options.crop / FORMER.crop
    recipe = replace(FORMER, steps=options.steps, crop=options.crop, scales=(scale, scale))
    ways = {name: way for name, way in WAYS.items() if name in ("former", *(options.way or WAYS))}
    sections = {
        "work": work_figures(task.base, recipe, ways),
        "cost": cost_figures(costs(task, recipe, ways, options.rounds)),
    }
    if options.train:
        results = {}
        for name, way in ways.items():
            results[name] = train(task, name.split(" ")[0], recipe_of(recipe, way))
            print(f"{name}: {json.dumps(results[name])}", flush=True)
        sections["quality"] = quality_figures(results)
    report(sections, options.output)


if __name__ == "__main__":
    script(main)
