"""The value of the selection of pairs and of the adapter: each concept is trained in three ways (paper 5.3).

clusters    its recipe: the pairs nearest the centres of K-means, an adapter on the crucial layers
random      as many pairs drawn at random (the control of the paper's Fig. 7)
full        the same pairs as clusters, and all weights of the crucial layers trained, at a lower rate

On request it trains with few pairs, too: random-10, random-30 and random-100 draw so many.  The work folder keeps
finished trainings, which are not repeated; a stopped one continues.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.measuring import Figure, parser, report, script
from benchmarks.switching import shipped
from e2gan.base import Base, find_base
from e2gan.concept import Concept
from e2gan.data.make_pairs import distilled_pairs
from e2gan.data.pairs import Pair
from e2gan.data.selection import select_pairs
from e2gan.embedders import Embedder
from e2gan.errors import DataError
from e2gan.evaluation.fid import fid
from e2gan.evaluation.report import l1_distance
from e2gan.kept import folder_of, kept
from e2gan.models.discriminator import load_discriminator
from e2gan.models.lora import attach
from e2gan.models.pixels import to_images
from e2gan.plugins import registry
from e2gan.progress import Progress
from e2gan.recipe import Selection, TrainingRecipe
from e2gan.training.batches import ConceptPairs
from e2gan.training.concept import encode_prompt
from e2gan.training.trainer import Trainer
from e2gan_reproduce.lab import FULL_RATE
from e2gan_reproduce.tunings import crucial_alone

WAYS = ("clusters", "random", "full")

FEW = {"random-10": 10, "random-30": 30, "random-100": 100}
"""Number of pairs by way."""

EMBEDDER = "efficientnet-lite0"


@dataclass(frozen=True)
class Outcome:
    """One training, measured on the test photos."""

    l1_ratio: float
    fid_ratio: float
    parameters: int


def measure(
    data: Path,
    work: Path,
    base: Base | None = None,
    concepts: Sequence[Concept] | None = None,
    *,
    steps: int | None = None,
    ways: Sequence[str] = WAYS,
) -> list[Figure]:
    """Each concept's figures by way of training, then the means over the concepts, and the ratios with limits.

    Args:
        data: folder of photos.
        work: folder of pairs and trainings; ``make concepts`` leaves pairs in ``runs``.
        steps: of each training, instead of the recipe's.
        ways: some of `WAYS` and `FEW`.

    Raises:
        DataError: there are too few photos.
        TeacherError: a recipe's teacher is not installed.
    """
    base = base or find_base()
    embed: Embedder = registry().get("embedder", EMBEDDER).factory()
    figures, fids = [], {way: list[float]() for way in ways}
    for concept in concepts or shipped():
        for way, outcome in _outcomes(concept, base, data, work / concept.id, embed, steps, ways).items():
            fids[way].append(outcome.fid_ratio)
            figures += [
                Figure(f"{concept.id}, {way}: L1 ratio to unedited", outcome.l1_ratio, "×"),
                Figure(f"{concept.id}, {way}: FID ratio to unedited", outcome.fid_ratio, "×"),
                Figure(f"{concept.id}, {way}: trained parameters", outcome.parameters),
            ]
    figures += [Figure(f"mean, {way}: FID ratio to unedited", mean(values), "×") for way, values in fids.items()]
    if {"clusters", "random"} <= fids.keys():
        over = mean(fids["clusters"]) / mean(fids["random"])
        figures.append(Figure("clusters over random, mean FID", over, "×", at_most=1))
    if {"clusters", "full"} <= fids.keys():
        figures.append(
            Figure("adapter over full, mean FID", mean(fids["clusters"]) / mean(fids["full"]), "×", at_most=1.1)
        )
    return figures


def _outcomes(
    concept: Concept, base: Base, data: Path, work: Path, embed: Embedder, steps: int | None, ways: Sequence[str]
) -> dict[str, Outcome]:
    recipe = concept.recipe.training if steps is None else replace(concept.recipe.training, steps=steps)
    pairs = distilled_pairs(data, work / "pairs", concept.recipe, prompt=concept.prompt, progress=Progress())
    train, test = pairs.split("train"), pairs.split("test")
    if len(test) < 2:
        raise DataError(f"{data}: {len(test)} test photos, which is too few to measure on")
    prompt = encode_prompt(concept, base)

    @cache
    def learnt_by(selection: Selection) -> ConceptPairs:
        chosen = select_pairs(train, selection, recipe.seed, cache=work / "embeddings")
        return ConceptPairs(concept.id, prompt, chosen, [], concept.keeps, concept.skips, concept.noise)

    outcomes = {}
    for way in ways:
        selection = concept.recipe.selection
        if way == "random" or way in FEW:
            selection = replace(selection, method="random", clusters=FEW.get(way, selection.clusters))
        learnt = learnt_by(selection)
        settings = replace(recipe, learning_rate=FULL_RATE) if way == "full" else recipe
        folder = folder_of(
            work / "ablation" / way,
            {
                "base": [base.sha256, base.discriminator_sha256],
                "prompt": concept.prompt,
                "keeps": concept.keeps,
                "skips": concept.skips,
                "noise": concept.noise,
                "training": settings.to_dict(),
                "pairs": [pair.key for pair in learnt.train],
                "test": [pair.key for pair in test],
            },
        )
        make = partial(_outcome, way, base, learnt, settings, test, folder, embed)
        outcomes[way] = Outcome(**kept(folder / "outcome.json", make))
        (folder / "checkpoint.pt").unlink(missing_ok=True)
    return outcomes


def _outcome(
    way: str,
    base: Base,
    learnt: ConceptPairs,
    recipe: TrainingRecipe,
    test: Sequence[Pair],
    folder: Path,
    embed: Embedder,
) -> dict[str, Any]:
    torch.manual_seed(recipe.seed)
    generator = base.generator().train()
    model = crucial_alone(generator) if way == "full" else attach(generator, recipe.adapter_ranks)
    parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
    trainer = Trainer(model, load_discriminator(base.discriminator_path), [learnt], recipe, folder)
    trainer.run()
    trainer.generator.eval()
    photos: list[Image.Image] = []
    edits: list[Image.Image] = []
    targets: list[Image.Image] = []
    for pair in test:
        batch, edit = trainer.edit(pair, learnt)
        for pictures, x in zip((photos, edits, targets), (batch.photo, edit, batch.target), strict=True):
            pictures += to_images(x)
    wanted = embed(targets)

    def distance(pictures: Sequence[Image.Image]) -> float:
        return float(np.mean([l1_distance(a, b) for a, b in zip(pictures, targets, strict=True)]))

    outcome = Outcome(
        l1_ratio=distance(edits) / distance(photos),
        fid_ratio=fid(embed(edits), wanted) / fid(embed(photos), wanted),
        parameters=parameters,
    )
    return vars(outcome)


def main(arguments: Sequence[str] | None = None) -> None:
    command = parser(__doc__)
    command.add_argument("--data", type=Path, required=True, help="folder of photos")
    command.add_argument("--work", type=Path, default=Path("runs"), help="folder of pairs and trainings [runs]")
    command.add_argument("--steps", type=int, help="length of each training, instead of the recipe's")
    command.add_argument("--concept", action="append", help="only this one; may be repeated")
    command.add_argument("--way", action="append", choices=(*WAYS, *FEW), help="only this one; may be repeated")
    options = command.parse_args(arguments)
    concepts = [concept for concept in shipped() if options.concept is None or concept.id in options.concept]
    if not concepts:
        raise DataError(f"none of the shipped concepts is called {', '.join(options.concept)}")
    figures = measure(options.data, options.work, None, concepts, steps=options.steps, ways=options.way or WAYS)
    report({"ablation": figures}, options.output)


if __name__ == "__main__":
    script(main)
