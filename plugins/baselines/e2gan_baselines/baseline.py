"""A baseline: networks with their papers' training; trained on a concept's pairs, measured, kept in a folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from e2gan.concept import Concept
from e2gan.embedders import Embedder
from e2gan.errors import BaseModelError, DataError, E2GANError
from e2gan.evaluation.cost import macs, training_flops
from e2gan.evaluation.measure import photograph
from e2gan.evaluation.report import evaluate
from e2gan.evaluation.sheet import draw_sheet
from e2gan.files import atomic_write
from e2gan.models.prompt import PromptEncoder
from e2gan.models.weights import load_weights
from e2gan.plugins import registry
from e2gan.recipe import TrainingRecipe
from e2gan.training.loop import ConceptPairs, Trainer, load_pair
from e2gan.training.pairs import Pair, distilled_pairs
from e2gan.training.progress import Progress
from e2gan.training.steps import digest_of

__all__ = ["Baseline", "edit", "make_baseline", "read_baseline", "train_baseline"]

WEIGHTS, MANIFEST, SHEET = "generator.safetensors", "baseline.json", "sheet.png"

AT_ONCE = 4
"""Pictures that go through a generator together."""

ROWS = 8
"""Photos on the sheet."""


@dataclass(frozen=True, eq=False)
class Baseline:
    """Untrained networks, and how their paper trains them."""

    generator: nn.Module
    """Called as ``generator(photo, prompt, prompt_bias)``, as E²GAN's is."""
    discriminator: nn.Module
    """Called as ``discriminator(photo, edit)``."""
    recipe: TrainingRecipe
    shape: dict[str, Any] = field(default_factory=dict)
    """The options that say how large the generator is: with them it is made again, to be given its weights."""


def make_baseline(id: str, prompt_dim: int, **options: Any) -> Baseline:
    """The registered model ``id`` with fresh weights.

    Raises:
        PluginError: none is registered by that id, or several are.
        E2GANError: the model has no such option.
    """
    factory = registry().model(id).factory
    try:
        made: Baseline = factory(prompt_dim, **options)
    except (TypeError, ValueError) as error:
        raise E2GANError(f"the model '{id}' cannot be made with these options: {error}") from error
    return made


def train_baseline(
    id: str,
    concept: Concept,
    data: Path,
    folder: Path,
    *,
    pairs: Path | None = None,
    epochs: int | None = None,
    steps: int | None = None,
    options: dict[str, Any] | None = None,
    device: str | None = None,
    networks: dict[str, Embedder] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train a baseline from scratch on all pairs of a concept's recipe, and measure it as the concept is measured.

    A run that was stopped goes on.  In ``folder`` are then the weights, ``baseline.json`` with the record and the
    figures, a sheet of test photos, and what the loop leaves.

    Args:
        id: of a registered model.
        concept: whose recipe makes the pairs, and whose prompt the model may read.
        data: folder of photos.
        folder: where the model goes.
        pairs: folder of pairs, made if it is not there; by default in ``folder``.
        epochs, steps: in place of the paper's.
        options: of the model, such as the file of a pre-trained stem.
        networks: that measure; by default the core's.

    Returns:
        The figures, as a concept's ``[quality]`` has them, with what the model cost.

    Raises:
        PluginError, TeacherError, DataError, TrainingError
    """
    progress = progress or Progress()
    found = distilled_pairs(data, pairs or folder / "pairs", concept.recipe, prompt=concept.prompt, progress=progress)
    test = found.splits.get("test", ())
    if len(test) < 2:
        raise DataError(f"{data}: {len(test)} test photos, which is too few to measure on")
    prompt = PromptEncoder().encode(concept.prompt)
    learnt = ConceptPairs(concept.id, prompt, found.split("train"), list(found.splits.get("val", ())))
    torch.manual_seed(0)
    baseline = make_baseline(id, prompt.shape[1], **(options or {}))
    recipe = baseline.recipe
    if epochs is not None or steps is not None:
        recipe = replace(recipe, steps=steps, epochs=epochs or recipe.epochs)
    recipe = replace(recipe, batch_size=min(recipe.batch_size, len(learnt.train)))
    key = digest_of(
        {
            "model": id,
            "options": {name: str(value) for name, value in (options or {}).items()},
            "prompt": concept.prompt,
            "training": recipe.to_dict(),
            "pairs": [pair.key for pair in learnt.train],
        }
    )
    run = folder / f"run-{key[:8]}"
    trainer = Trainer(
        baseline.generator, baseline.discriminator, [learnt], recipe, run, device=device, report=progress.advance
    )
    # First, for a model that cannot be counted fails before it is trained.
    progress.stage("count the operations of its training")
    spent = _cost(trainer)
    progress.stage(f"train {id} on {len(learnt.train)} pairs")
    trainer.run()
    generator = trainer.accelerator.unwrap_model(trainer.generator).eval()

    progress.stage(f"measure on {len(test)} test photos")
    photos, targets = zip(*(_pictures(pair) for pair in test), strict=True)
    edits = edit(generator, photos, prompt)
    groups = [photograph(pair.source) for pair in test]
    quality = evaluate(photos, edits, targets, groups, networks=networks).to_dict() | {"cost": spent}
    folder.mkdir(parents=True, exist_ok=True)
    shown = [int(i) for i in np.linspace(0, len(test) - 1, min(ROWS, len(test)))]
    draw_sheet([(photos[i], targets[i], edits[i]) for i in shown], folder / SHEET)
    _write(folder, id, baseline, concept, trainer, quality)
    return quality


@torch.inference_mode()
def edit(generator: nn.Module, photos: Sequence[Image.Image], prompt: np.ndarray) -> list[Image.Image]:
    """Edits of RGB photos of one size that the generator takes, with a prompt (T, D)."""
    device = next(generator.parameters()).device
    tokens = torch.from_numpy(prompt).to(device)
    edits: list[Image.Image] = []
    for start in range(0, len(photos), AT_ONCE):
        batch = np.stack([np.asarray(photo) for photo in photos[start : start + AT_ONCE]])
        x = torch.from_numpy(batch).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
        y = generator(x, tokens.expand(len(x), -1, -1), x.new_zeros(len(x), len(tokens)))
        y = ((y.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1)
        edits += [Image.fromarray(picture) for picture in y.cpu().numpy()]
    return edits


def read_baseline(folder: Path) -> tuple[nn.Module, dict[str, Any]]:
    """A trained baseline's generator, in evaluation mode, and what its manifest says.

    Raises:
        BaseModelError: there is none, or its files are damaged.
        PluginError: its model is not installed.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        id, prompt_dim, shape = manifest["model"], manifest["prompt_dim"], manifest["shape"]
    except FileNotFoundError:
        raise BaseModelError(f"{folder}: no baseline here", hint="e2gan train-baseline makes one") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BaseModelError(f"{path}: damaged ({error})") from error
    sound = isinstance(id, str) and isinstance(prompt_dim, int) and isinstance(shape, dict)
    if not sound or not 0 < prompt_dim <= 4096:
        raise BaseModelError(f"{path}: damaged (model, prompt_dim, shape)")
    generator = make_baseline(id, prompt_dim, **shape).generator
    load_weights(generator, folder / WEIGHTS)
    return generator.requires_grad_(False).eval(), manifest


def _pictures(pair: Pair) -> tuple[Image.Image, Image.Image]:
    photo, target = load_pair(pair)
    return Image.fromarray(photo), Image.fromarray(target)


def _cost(trainer: Trainer) -> dict[str, int]:
    """As a concept's ``[quality.cost]``, and the multiply-accumulates of one picture of the size it is trained at."""
    generator, discriminator = map(trainer.accelerator.unwrap_model, (trainer.generator, trainer.discriminator))
    recipe, width = replace(trainer.recipe, steps=trainer.steps), trainer.concepts[0].prompt.shape[1]
    device = trainer.accelerator.device
    example = (torch.zeros(1, *shape, device=device) for shape in ((3, recipe.crop, recipe.crop), (1, width), (1,)))
    return {
        "trained_parameters": sum(p.numel() for p in generator.parameters() if p.requires_grad),
        "training_flops": training_flops(recipe, generator, discriminator, width),
        "macs": macs(deepcopy(generator).eval(), *example),
    }


def _write(
    folder: Path, id: str, baseline: Baseline, concept: Concept, trainer: Trainer, quality: dict[str, Any]
) -> None:
    from safetensors.numpy import save

    state = trainer.generator_state()
    manifest = {
        "model": id,
        "shape": baseline.shape,
        "concept": concept.id,
        "prompt": concept.prompt,
        "prompt_dim": trainer.concepts[0].prompt.shape[1],
        "pairs": len(trainer.concepts[0].train),
        "parameters": sum(p.numel() for p in trainer.generator.parameters()),
        "recipe": trainer.recipe.to_dict(),
        "training": trainer.record(),
        "quality": quality,
    }
    atomic_write(folder / WEIGHTS, save({name: np.ascontiguousarray(value) for name, value in state.items()}))
    atomic_write(folder / MANIFEST, json.dumps(manifest, indent=1))
