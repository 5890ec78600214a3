"""Searching LoRA's ranks (paper section 4.2, Algorithm 1; spec "Rank search").

A concept starts at rank 1 in every layer, is trained for a while and scored; then every rank is doubled, but not
beyond its threshold, and training continues from what was learned, until the score no longer falls or all ranks
are at their thresholds.  The concept's ranks are those with the best score, and the answer is the largest over
all concepts, layer by layer.

```
WORK/ID/pairs/                 the concept's pairs, shared with its training
WORK/ID/ranks-DIGEST/round-N/  trial N: a run of the training loop, with trial.json at its end
WORK/ranks.json, ranks.png     all trials, and the result
```

KEY is a digest of everything that decides a trial, so an existing trial is current.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from e2gan.base import Base, find_base
from e2gan.concept import Concept
from e2gan.data.folders import Data, named
from e2gan.data.make_pairs import check_crop, distilled_pairs
from e2gan.data.selection import select_pairs
from e2gan.drawing import chart
from e2gan.embedders import Embedder
from e2gan.errors import BaseModelError, ConceptError, DataError, E2GANError, TrainingError
from e2gan.evaluation.fid import fid
from e2gan.evaluation.report import l1_distance
from e2gan.files import atomic_write, read_bytes, sha256_file
from e2gan.kept import folder_of
from e2gan.models.discriminator import load_discriminator
from e2gan.models.layout import Ranks, adapter_parameters
from e2gan.models.lora import adapter_state, attach
from e2gan.models.pixels import to_images
from e2gan.plugins import registry
from e2gan.progress import Progress
from e2gan.recipe import TrainingRecipe
from e2gan.training.batches import ConceptPairs
from e2gan.training.concept import encode_prompt, read_bundle
from e2gan.training.trainer import Trainer, all_processes

__all__ = ["THRESHOLDS", "RankSearch", "Trial", "draw_search", "search", "search_ranks"]

THRESHOLDS = Ranks((1, 4, 16, 32), 1)
"""The paper's τ: from the image side inward, and in the transformer block."""

TRACE, PLOT, TRIAL = "ranks.json", "ranks.png", "trial.json"


@dataclass(frozen=True)
class Trial:
    """A concept trained at certain ranks, and its scores."""

    round: int
    """How often the ranks have been doubled."""
    ranks: Ranks
    parameters: int
    """Number of trained parameters."""
    fid: float
    """FID of its edits of the validation photos to the teacher's; smaller is better."""
    l1: float
    """Mean absolute difference between the two, on values from 0 to 1."""
    seconds: float
    """Training time since the last doubling."""

    def to_dict(self) -> dict[str, Any]:
        return {**vars(self), "ranks": list(self.ranks.sampling), "transformer_rank": self.ranks.transformer}

    @classmethod
    def read(cls, file: Path) -> Trial:
        """Read a trial; raises DataError if the file is not a valid one."""
        try:
            values = json.loads(read_bytes(file, limit=64 * 1024, error=DataError))
            ranks = Ranks(values["ranks"], values["transformer_rank"])
            whole = {name: _number(int, values[name]) for name in ("round", "parameters")}
            return cls(
                ranks=ranks, **whole, **{name: _number(float, values[name]) for name in ("fid", "l1", "seconds")}
            )
        except (ValueError, TypeError, KeyError, RecursionError, BaseModelError) as error:
            raise DataError(f"{file}: not a valid trial", hint=f"delete {file.parent.parent} to start over") from error


def _number(kind: type, value: Any) -> Any:
    right = isinstance(value, kind) and not isinstance(value, bool)
    if not right or not 0 <= value < float("inf"):
        raise ValueError
    return value


@dataclass(frozen=True)
class RankSearch:
    """The trials of each concept, in order."""

    trials: Mapping[str, Sequence[Trial]]

    def chosen(self, concept: str) -> Trial:
        """The concept's best trial; among equals, the one with fewer parameters."""
        return min(self.trials[concept], key=lambda trial: trial.fid)

    @property
    def ranks(self) -> Ranks:
        """The largest of the concepts' best, layer by layer."""
        best = [self.chosen(concept).ranks for concept in self.trials]
        sampling = [max(depth) for depth in zip(*(ranks.sampling for ranks in best))]
        return Ranks((sampling[0], sampling[1], sampling[2], sampling[3]), max(ranks.transformer for ranks in best))

    def to_dict(self) -> dict[str, Any]:
        return {
            "ranks": list(self.ranks.sampling),
            "transformer_rank": self.ranks.transformer,
            "trials": [
                {"concept": concept, **trial.to_dict(), "chosen": trial == self.chosen(concept)}
                for concept, trials in self.trials.items()
                for trial in trials
            ],
        }


def search(trial: Callable[[int, Ranks], Trial], thresholds: Ranks = THRESHOLDS) -> Iterator[Trial]:
    """One concept's trials (Algorithm 1): ``trial(round, ranks)`` continues from the last round and scores."""
    ranks, before = Ranks((1, 1, 1, 1), 1), float("inf")
    for number in count():
        result = trial(number, ranks)
        yield result
        if ranks == thresholds or result.fid >= before:
            return
        ranks, before = _doubled(ranks, thresholds), result.fid


def _doubled(ranks: Ranks, thresholds: Ranks) -> Ranks:
    a, b, c, d = (min(2 * rank, most) for rank, most in zip(ranks.sampling, thresholds.sampling))
    return Ranks((a, b, c, d), min(2 * ranks.transformer, thresholds.transformer))


def search_ranks(
    folders: Sequence[str | Path],
    data: Data,
    *,
    work: str | Path = "runs",
    epochs: int = 10,
    steps: int | None = None,
    thresholds: Ranks = THRESHOLDS,
    embedder: str = "efficientnet-lite0",
    workers: int | None = None,
    device: str | None = None,
    progress: Progress | None = None,
) -> RankSearch:
    """Search the ranks for concepts, each with its own recipe except for the ranks and the length.

    The learning rate stays constant and there is no warm-up: a trial is a piece of a run, not a run.
    After a stop, a second call continues where it was, and finds what an uninterrupted one finds.

    Args:
        folders: the concepts' bundles or distributions, all for one base.
        data: one or several folders of photographs, with or without ``train``, ``val`` and ``test`` in them.
        work: the folder of pairs and checkpoints, and of ``ranks.json`` and ``ranks.png``.
        epochs: passes over the training pairs between two doublings.
        steps: optimiser steps between two doublings; if given, they decide instead of ``epochs``.
        thresholds: the largest rank of each layer.
        embedder: id of the network in whose features FID is measured, or "inception" for clean-FID's.
        workers: processes that distil; all cores if None.
        device: "cpu" to avoid using an accelerator.

    Raises:
        ConceptError, RecipeError, DataError, TeacherError, TrainingError
    """
    if all_processes(device).num_processes > 1:
        raise TrainingError(
            "a rank search runs in one process",
            hint="search for each concept separately, and take the largest ranks",
        )
    progress = progress or Progress()
    work = Path(work)
    concepts = [read_bundle(folder) for folder in folders]
    for name, times in Counter(concept.id for concept in concepts).items():
        if times > 1:
            raise ConceptError(f"the concept '{name}' is given {times} times")
    if not concepts or any(concept.base_id != concepts[0].base_id for concept in concepts):
        bases = ", ".join(f"'{concept.id}' is for '{concept.base_id}'" for concept in concepts)
        raise ConceptError(f"a rank search needs concepts for one base: {bases or 'none are given'}")
    for concept in concepts:
        check_crop(concept.recipe, f"{concept.path}: the recipe")
    base = find_base(concepts[0].base_id)
    for concept in concepts:
        concept.check_base(base)
    embed = _embedder(embedder)

    by_concept: dict[str, list[Trial]] = {}
    for concept in concepts:
        recipe = dataclasses.replace(concept.recipe.training, epochs=epochs, steps=steps, warmup=0.0, lr_decay_from=1.0)
        pairs = _pairs(concept, data, work / concept.id, base, workers, progress)
        folder = folder_of(
            work / concept.id / "ranks",
            {
                "base": base.sha256,
                "discriminator": base.discriminator_sha256,
                "prompt": concept.prompt,
                "keeps": concept.keeps,
                "skips": concept.skips,
                "noise": concept.noise,
                "training": {
                    **recipe.to_dict(),
                    "ranks": thresholds.sampling,
                    "transformer_rank": thresholds.transformer,
                },
                "embedder": embedder,
                "pairs": [[sha256_file(p.input), sha256_file(p.output)] for p in (*pairs.train, *pairs.val)],
            },
        )
        trials = _Trials(base, pairs, recipe, folder, embed, device, progress)
        for trial in search(trials, thresholds):
            by_concept.setdefault(concept.id, []).append(trial)
            _keep(RankSearch(by_concept), work)
        trials.clear()
    return RankSearch(by_concept)


def _embedder(name: str) -> Embedder:
    if name != "inception":
        embedder: Embedder = registry().get("embedder", name).factory()
        return embedder
    from e2gan.evaluation.inception import FILE, VARIABLE, Inception, find_inception

    file = find_inception()
    if file is None:
        raise E2GANError(f"{FILE} is not on this machine", hint=f"name the file in {VARIABLE}, or use another embedder")
    return Inception(file)


def _pairs(
    concept: Concept, data: Data, work: Path, base: Base, workers: int | None, progress: Progress
) -> ConceptPairs:
    """The pairs that the concept trains on and is scored on."""
    prompt = encode_prompt(concept, base)
    pairs = distilled_pairs(
        data, work / "pairs", concept.recipe, prompt=concept.prompt, workers=workers, progress=progress
    )
    val = pairs.split("val")
    if len(val) < 2:
        raise DataError(f"{named(data)}: a rank search needs at least two validation photographs")
    progress.stage(f"{concept.id}: select pairs: {concept.recipe.selection.method}")
    train = select_pairs(
        pairs.split("train"),
        concept.recipe.selection,
        concept.recipe.training.seed,
        cache=work / "embeddings",
        progress=progress,
    )
    return ConceptPairs(concept.id, prompt, train, val, concept.keeps, concept.skips, concept.noise)


class _Trials:
    """A concept's trials; finished trials are read, not repeated."""

    def __init__(
        self,
        base: Base,
        concept: ConceptPairs,
        recipe: TrainingRecipe,
        folder: Path,
        embed: Embedder,
        device: str | None,
        progress: Progress,
    ) -> None:
        self.base = base
        self.concept = concept
        self.recipe = recipe
        self.folder = folder
        self.embed = embed
        self.device = device
        self.progress = progress
        self.ranks: list[Ranks] = []
        self.last: Trainer | None = None
        """The previous round's trainer, if it ran just now; its generator holds the averaged weights."""
        self.targets: np.ndarray | None = None

    def __call__(self, number: int, ranks: Ranks) -> Trial:
        self.ranks.append(ranks)
        file = self._round(number) / TRIAL
        if file.exists():
            self.last = None
            return Trial.read(file)
        parameters = adapter_parameters(self.base.config, ranks)
        self.progress.stage(f"{self.concept.id}: {_text(ranks)}: train {parameters:,} parameters")
        trainer = self._trainer(number, self._before(number))
        trainer.run()
        self.last = trainer
        self.progress.stage(f"{self.concept.id}: {_text(ranks)}: edit {len(self.concept.val)} photos")
        distance, l1 = self._score(trainer)
        trial = Trial(number, ranks, parameters, distance, l1, round(trainer.seconds, 1))
        atomic_write(file, json.dumps(trial.to_dict(), indent=1))
        self.progress.stage(f"{self.concept.id}: {_text(ranks)}: FID {distance:.4g}, L1 {l1:.4f}")
        self._drop(number - 1)
        return trial

    def clear(self) -> None:
        """Delete the checkpoints, which are no longer needed."""
        for number in range(len(self.ranks)):
            self._drop(number)

    def _round(self, number: int) -> Path:
        return self.folder / f"round-{number}"

    def _drop(self, number: int) -> None:
        (self._round(number) / "checkpoint.pt").unlink(missing_ok=True)

    def _trainer(self, number: int, before: Trainer | None) -> Trainer:
        """A trainer for the round, starting where ``before`` ended, or otherwise from the base."""
        ranks = self.ranks[number]
        # Each round sees other crops, and its new ranks start from other noise.
        seed = (self.recipe.seed + number) % 2**32
        torch.manual_seed(seed)
        generator = attach(self.base.generator().train(), ranks)
        discriminator = load_discriminator(self.base.discriminator_path)
        if before is not None:
            grow(generator, adapter_state(before.networks.generator))
            discriminator.load_state_dict(before.networks.discriminator.state_dict())
        return Trainer(
            generator,
            discriminator,
            [self.concept],
            dataclasses.replace(self.recipe, seed=seed, ranks=ranks.sampling, transformer_rank=ranks.transformer),
            self._round(number),
            device=self.device,
            report=self.progress.advance,
        )

    def _before(self, number: int) -> Trainer | None:
        """The previous round, as its training ended."""
        if number == 0 or self.last is not None:
            return self.last
        trainer = self._trainer(number - 1, None)
        trainer.resume()
        if trainer.step < trainer.steps:
            raise TrainingError(
                f"{trainer.folder / 'checkpoint.pt'}: the checkpoint is missing",
                hint=f"delete {self.folder} to start over",
            )
        trainer.ema.swap()
        return trainer

    def _score(self, trainer: Trainer) -> tuple[float, float]:
        """(FID, L1) of the generator's edits of the validation photos to the teacher's."""
        edits, targets = [], []
        trainer.generator.eval()
        for done, pair in enumerate(self.concept.val, start=1):
            batch, edited = trainer.edit(pair, self.concept)
            edits += to_images(edited)
            targets += to_images(batch.target)
            self.progress.advance(done, len(self.concept.val), {})
        if self.targets is None:
            self.targets = self.embed(targets)
        l1 = float(np.mean([l1_distance(edit, target) for edit, target in zip(edits, targets)]))
        return fid(self.embed(edits), self.targets), l1


def grow(model: nn.Module, smaller: Mapping[str, Tensor]) -> None:
    """Copy a smaller adapter into a fresh one, whose ΔW then equals the smaller one's.

    The new ranks keep PEFT's start, with random A and zero B, so they add nothing yet and can learn at once.

    Args:
        model: a model with a fresh adapter, from `attach`.
        smaller: an adapter from `adapter_state`, with ranks that are nowhere larger.
    """
    from peft import set_peft_model_state_dict

    factors = adapter_state(model)  # type: ignore[arg-type]
    for name, factor in smaller.items():
        factors[name][tuple(slice(size) for size in factor.shape)] = factor
    set_peft_model_state_dict(model, factors)


def _text(ranks: Ranks) -> str:
    return "ranks " + " ".join(map(str, (*ranks.sampling, ranks.transformer)))


def _keep(found: RankSearch, work: Path) -> None:
    atomic_write(work / TRACE, json.dumps(found.to_dict(), indent=1))
    draw_search(found, work / PLOT)


def draw_search(found: RankSearch, out: Path) -> None:
    """Plot each concept's FID against its trained parameters, the chosen trial ringed."""
    with chart(out, 6.4, 4.2) as figure:
        axes = figure.add_subplot(xscale="log")
        sizes: dict[int, str] = {}
        for concept, trials in found.trials.items():
            (line,) = axes.plot(
                [t.parameters for t in trials], [t.fid for t in trials], "o-", markersize=4, label=concept
            )
            best = found.chosen(concept)
            axes.plot(best.parameters, best.fid, "o", markersize=12, fillstyle="none", color=line.get_color())
            sizes |= {t.parameters: f"{t.parameters:,}\n{'/'.join(map(str, t.ranks.sampling))}" for t in trials}
        axes.set_xticks(list(sizes), list(sizes.values()), fontsize=8)
        axes.minorticks_off()
        axes.set_xlabel("trained parameters, and the sampling layers' ranks from the image side inward")
        axes.set_ylabel("FID on validation photos (ringed: chosen)")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
