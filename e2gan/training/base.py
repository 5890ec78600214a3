"""Training a base: choose concepts among candidates, distil them, train one generator on all (paper section 4.1)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from e2gan.base import Base, write_base
from e2gan.concept import CHANNELS, write_concept
from e2gan.concept.layout import SCHEMA
from e2gan.data.folders import Data, find_photos, named
from e2gan.data.framing import framed_photo
from e2gan.data.make_pairs import check_crop, distilled_pairs
from e2gan.data.selection import choose_concepts, embedder_version
from e2gan.data.teachers import make_teacher, teacher_version
from e2gan.errors import DataError
from e2gan.kept import digest_of, folder_of, kept
from e2gan.models.discriminator import Discriminator
from e2gan.models.generator import Generator
from e2gan.models.layout import NO_SKIPS, Keeps, Tone
from e2gan.models.prompt import PromptEncoder
from e2gan.plugins import registry
from e2gan.progress import Progress
from e2gan.recipe import BaseRecipe, Candidate, Framing
from e2gan.training.adapters import WithAdapters
from e2gan.training.batches import ConceptPairs
from e2gan.training.trainer import Trainer, all_processes

__all__ = ["choose", "train_base"]

FORMER = ("weight_decay", "cosine_to", "r1", "path_length")
"""Unused settings that every training once had; the digests of recipes still include them."""


def train_base(
    recipe_path: str | Path,
    data: Data,
    out: str | Path,
    *,
    work: str | Path,
    workers: int | None = None,
    device: str | None = None,
    progress: Progress | None = None,
) -> Base:
    """Run a base's recipe, from photographs to a folder with ``base.toml`` and the weights.

    Under ``accelerate launch`` all processes train, and the first does the rest.

    Args:
        recipe_path: the recipe's TOML.
        data: one or several folders of photographs, with or without ``train``, ``val`` and ``test`` in them.
        out: the base's folder; its weights are replaced at the very end.
        work: the folder of pairs and checkpoints, where a second run continues; and, in ``concepts``, the bundles of
            the base's own concepts, if it is trained with their adapters.
        workers: processes that distil; all cores if None.
        device: "cpu" to avoid using an accelerator.

    Raises:
        RecipeError, DataError, TeacherError, TrainingError
    """
    everyone = all_processes(device)
    if progress is None or not everyone.is_main_process:
        progress = Progress()
    recipe = BaseRecipe.read(Path(recipe_path))
    check_crop(recipe, str(recipe_path))
    work = Path(work)
    encoder = PromptEncoder()
    if encoder.dim != recipe.generator.prompt_dim:
        raise DataError(
            f"{recipe_path}: prompt_dim is {recipe.generator.prompt_dim}, but the prompt encoder's tokens are "
            f"{encoder.dim} wide"
        )
    concepts = []
    with everyone.main_process_first():  # the other processes find what the first made
        chosen = choose(recipe, data, work, progress)
        for candidate in chosen:
            pairs = distilled_pairs(
                data,
                work / "pairs" / candidate.id,
                recipe.pairs_of(candidate),
                workers=workers,
                progress=progress,
            )
            concepts.append(
                ConceptPairs(
                    candidate.id,
                    encoder.encode(candidate.prompt),
                    pairs.split("train"),
                    list(pairs.splits.get("val", ())),
                    candidate.keeps,
                    candidate.skips,
                    candidate.noise,
                )
            )
    torch.manual_seed(recipe.training.seed)
    generator = Generator(recipe.generator)
    generator.initialize()
    adapted: Generator | WithAdapters = generator
    if recipe.training.adapter_learning_rate is not None:
        adapted = WithAdapters(generator, [candidate.id for candidate in chosen], recipe.training.adapter_ranks)
    discriminator = Discriminator()
    discriminator.initialize()
    progress.stage("train")
    trainer = Trainer(
        adapted, discriminator, concepts, recipe.training, work / "run", device=device, report=progress.advance
    )
    metrics = trainer.run()
    if everyone.is_main_process:
        base = write_base(
            out,
            id=recipe.id,
            title=recipe.title,
            version=recipe.version,
            license=recipe.license,
            config=recipe.generator,
            generator=trainer.generator_state(),
            discriminator=trainer.discriminator_state(),
            recipe={
                "sha256": recipe_digest(recipe),
                "concepts": [_known(c, pairs.tone) for c, pairs in zip(chosen, concepts, strict=True)],
                "held_out": [c.id for c in recipe.candidates if c.held_out],
                "photos": trainer.sampler.photographs(trainer.sampler.steps_per_epoch),
            },
            training={**trainer.record(), **{key: round(value, 4) for key, value in sorted(metrics.items())}},
        )
        if isinstance(adapted, WithAdapters):
            progress.stage(f"write the base's own concepts to {work / 'concepts'}")
            for candidate, learnt in zip(chosen, concepts, strict=True):
                _write_concept(work / "concepts" / candidate.id, candidate, learnt, recipe, base, trainer)
    everyone.wait_for_everyone()
    return Base.read(out)


def choose(recipe: BaseRecipe, data: Data, work: Path, progress: Progress | None = None) -> list[Candidate]:
    """The base's concepts: those included by name, and one candidate for each cluster of mean image embeddings.

    The choice is kept in ``work/choice.json`` and repeated only when the recipe changes; each candidate's mean is kept
    in ``work/candidates``.
    """
    progress = progress or Progress()
    open_to_choice = [c for c in recipe.candidates if not c.held_out]
    digest = digest_of(
        {
            "choice": asdict(recipe.choice),
            "candidates": [_edits(c) for c in open_to_choice],
            **({} if recipe.pictures == Framing() else {"pictures": asdict(recipe.pictures)}),
        }
    )

    def make() -> dict[str, Any]:
        return {"recipe": digest, "chosen": sorted(_chosen(recipe, open_to_choice, data, work, progress))}

    def sound(choice: dict[str, Any]) -> bool:
        return choice.get("recipe") == digest and isinstance(choice.get("chosen"), list)

    chosen = kept(work / "choice.json", make, sound=sound)["chosen"]
    return [c for c in open_to_choice if c.id in chosen]


def _chosen(
    recipe: BaseRecipe, open_to_choice: Sequence[Candidate], data: Data, work: Path, progress: Progress
) -> list[str]:
    photos = [photo for split, photo in find_photos(data) if split == "train"]
    if not photos:
        raise DataError(f"{named(data)}: there are no photographs to train on")
    count = min(recipe.choice.images, len(photos))
    framed = [framed_photo(photos[int(i)], recipe.pictures) for i in np.linspace(0, len(photos) - 1, count)]
    pictures = [hashlib.sha256(encoded).hexdigest() for _, encoded in framed]
    embed = registry().get("embedder", recipe.choice.embedder).factory()

    def mean(candidate: Candidate) -> np.ndarray:
        def make() -> dict[str, Any]:
            teacher = make_teacher(candidate.teacher, candidate.teacher_options)
            return {"mean": embed([teacher(photo) for photo, _ in framed]).mean(axis=0).tolist()}

        # Each candidate's mean is kept, so that an interrupted choice among a hundred continues where it was.
        needs = {
            "edits": _edits(candidate),
            "teacher": teacher_version(candidate.teacher),
            "embedder": embedder_version(recipe.choice.embedder),
            "photos": pictures,
        }
        file = folder_of(work / "candidates" / candidate.id, needs).with_suffix(".json")
        return np.array(kept(file, make)["mean"], np.float32)

    progress.stage(f"choose {recipe.choice.concepts} of {len(open_to_choice)} candidates")
    means: dict[str, np.ndarray] = {}
    clustered = [candidate for candidate in open_to_choice if candidate.id not in recipe.choice.include]
    for done, candidate in enumerate(clustered, start=1):
        means[candidate.id] = mean(candidate)
        progress.advance(done, len(clustered), {})
    ids = list(dict.fromkeys(recipe.choice.include))
    if clusters := recipe.choice.concepts - len(ids):
        ids += choose_concepts(means, clusters, recipe.choice.seed)
    return ids


def recipe_digest(recipe: BaseRecipe) -> str:
    """SHA-256 of what a base's recipe says of its weights; what it tells people is left out.

    Recipes without ``pictures`` keep the digest from before that table existed.
    """
    values = asdict(recipe)
    del values["authors"], values["photos"]
    for candidate in values["candidates"]:
        del candidate["title"], candidate["description"]
    values["training"] |= dict.fromkeys(FORMER)
    if recipe.pictures == Framing():
        del values["pictures"]
    return digest_of(values)


def _known(candidate: Candidate, tone: Tone) -> dict[str, Any]:
    """What the base's manifest says about a concept that it was trained on."""
    entry: dict[str, Any] = {"id": candidate.id, "prompt": candidate.prompt}
    if candidate.keeps != Keeps.NOTHING:
        entry |= {"keeps": candidate.keeps.value, "tone": [list(row) for row in tone]}
    if candidate.skips != NO_SKIPS:
        entry["skips"] = list(candidate.skips)
    if candidate.noise:
        entry["noise"] = candidate.noise
    return entry


def _write_concept(
    folder: Path, candidate: Candidate, pairs: ConceptPairs, recipe: BaseRecipe, base: Base, trainer: Trainer
) -> None:
    """Write the bundle of a concept that the base was trained with."""
    framing = {key: getattr(recipe.pictures, key) for key in ("side", "whole", "quality", "share")}
    licenses = {"teacher": registry().get("teacher", candidate.teacher).license, "photos": recipe.photos}
    manifest: dict[str, Any] = {
        "schema": SCHEMA,
        "id": candidate.id,
        "title": candidate.title or candidate.id.replace("-", " ").capitalize(),
        "version": recipe.version,
        "prompt": candidate.prompt,
        "license": recipe.license,
        "authors": list(recipe.authors),
        "description": candidate.description or f"One of the concepts that the base '{base.id}' was trained with.",
        "licenses": {name: text for name, text in licenses.items() if text},
        **{key: value for key, value in _known(candidate, pairs.tone).items() if key in ("keeps", "skips", "noise")},
        "base": {"id": base.id, "sha256": base.sha256},
        "recipe": {
            "teacher": candidate.teacher,
            "teacher_options": candidate.teacher_options,
            "pictures": framing,
            "training": recipe.training.to_dict(),
        },
        "training": trainer.record(),
    }
    if candidate.keeps != Keeps.NOTHING:
        manifest["tone"] = dict(zip(CHANNELS, (list(row) for row in pairs.tone), strict=True))
    write_concept(folder, manifest=manifest, tensors=trainer.adapter_state(candidate.id), prompt=pairs.prompt)


def _edits(candidate: Candidate) -> dict[str, Any]:
    """What the candidate's edited pictures, and so the choice, depend on."""
    return {"id": candidate.id, "teacher": candidate.teacher, "teacher_options": candidate.teacher_options}
