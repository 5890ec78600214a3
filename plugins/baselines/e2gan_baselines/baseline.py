"""Baselines: networks with their papers' training, trained on a concept's pairs, measured and stored in a folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from e2gan.blend import OtherModel
from e2gan.concept import Concept
from e2gan.data.folders import Data, named
from e2gan.data.make_pairs import distilled_pairs
from e2gan.data.pairs import Pair
from e2gan.data.sources import photographs
from e2gan.drawing import draw_sheet
from e2gan.editor import Editor
from e2gan.embedders import Embedder
from e2gan.errors import BaseModelError, DataError, E2GANError
from e2gan.evaluation.cost import macs
from e2gan.evaluation.measure import photograph
from e2gan.evaluation.report import evaluate
from e2gan.files import atomic_write, read_bytes, sha256_file
from e2gan.kept import folder_of
from e2gan.models.prompt import PromptEncoder
from e2gan.models.weights import load_weights
from e2gan.plugins import registry
from e2gan.progress import Progress
from e2gan.tables import Table
from e2gan.training.batches import ConceptPairs, load_pair
from e2gan.training.flops import training_flops
from e2gan_baselines.training import BaselineRecipe, BaselineTrainer

__all__ = ["Baseline", "Prompted", "find_baseline", "make_baseline", "read_baseline", "train_baseline"]

WEIGHTS, MANIFEST, SHEET = "generator.safetensors", "baseline.json", "sheet.png"

MANIFEST_LIMIT = 1024**2
"""Maximum bytes of ``baseline.json``."""

ROWS = 8
"""Photos on the sheet."""


@dataclass(frozen=True, eq=False)
class Baseline:
    """Untrained networks, with the training of their paper."""

    generator: nn.Module
    """Called as ``generator(photo, prompt, prompt_bias)``, like E²GAN's."""
    discriminator: nn.Module
    """Called as ``discriminator(photo, edit)``."""
    recipe: BaselineRecipe
    shape: dict[str, Any] = field(default_factory=dict)
    """The options that set the generator's size; with them it is built again before its weights are loaded."""
    stride: int = 1
    """The generator's input has a height and width that are multiples of it."""
    longest: int | None = None
    """The longest side it takes, in pixels."""


def make_baseline(id: str, prompt_dim: int, **options: Any) -> Baseline:
    """The registered model ``id`` with fresh weights.

    Raises:
        PluginError: no model has that id, or several have.
        E2GANError: the model has no such option.
    """
    factory = registry().get("model", id).factory
    try:
        baseline: Baseline = factory(prompt_dim, **options)
    except (TypeError, ValueError) as error:
        raise E2GANError(f"the model '{id}' does not accept these options: {error}") from error
    return baseline


def train_baseline(
    id: str,
    concept: Concept,
    data: Data | None,
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
    """Train a baseline from scratch on all pairs of a concept's recipe, and measure it like the concept.

    A stopped run continues.  At the end, ``folder`` holds the weights, ``baseline.json`` with the record and the
    figures, a sheet of test photos, and the training loop's own files.

    Args:
        id: of a registered model.
        concept: its recipe makes the pairs, and the model may read its prompt.
        data: folder of photos, or several; None takes the photos that the recipe's source makes.
        folder: for the model.
        pairs: folder of pairs, made if missing; by default in ``folder``.
        epochs, steps: instead of the paper's.
        options: of the model, such as the file of a pre-trained stem.
        networks: for the measurement; by default the core's.

    Returns:
        The figures in the form of a concept's ``[quality]``, with the model's cost.

    Raises:
        PluginError, TeacherError, DataError, TrainingError
    """
    from safetensors.torch import save

    progress = progress or Progress()
    data = photographs(data, concept.recipe, folder, progress)
    distilled = distilled_pairs(
        data, pairs or folder / "pairs", concept.recipe, prompt=concept.prompt, progress=progress
    )
    test = distilled.splits.get("test", ())
    if len(test) < 2:
        raise DataError(f"{named(data)}: {len(test)} test photos, which is too few to measure on")
    prompt = PromptEncoder().encode(concept.prompt)
    learnt = ConceptPairs(concept.id, prompt, distilled.split("train"), list(distilled.splits.get("val", ())))
    torch.manual_seed(0)
    baseline = make_baseline(id, prompt.shape[1], **(options or {}))
    recipe = baseline.recipe
    if epochs is not None or steps is not None:
        recipe = replace(recipe, steps=steps, epochs=epochs or recipe.epochs)
    recipe = replace(recipe, batch_size=min(recipe.batch_size, len(learnt.train)))
    run = folder_of(
        folder / "run",
        {
            "model": id,
            "options": {name: str(value) for name, value in (options or {}).items()},
            "prompt": concept.prompt,
            "training": recipe.to_dict(),
            "pairs": [pair.key for pair in learnt.train],
        },
    )
    trainer = BaselineTrainer(
        baseline.generator, baseline.discriminator, [learnt], recipe, run, device=device, report=progress.advance
    )
    # Counting comes first, so that a model that cannot be counted fails before it is trained.
    progress.stage("count the operations of its training")
    spent = _cost(trainer)
    progress.stage(f"train {id} on {len(learnt.train)} pairs")
    trainer.run()
    generator = trainer.networks.generator.eval()
    model = Prompted(generator, prompt)
    weights = save({name: tensor.detach().float().cpu().contiguous() for name, tensor in model.state_dict().items()})
    manifest = {
        "model": id,
        "shape": baseline.shape,
        "stride": baseline.stride,
        "longest": baseline.longest or 0,
        "concept": concept.id,
        "version": concept.version,
        "prompt": concept.prompt,
        "tokens": len(prompt),
        "prompt_dim": prompt.shape[1],
        "sha256": hashlib.sha256(weights).hexdigest(),
        "pairs": len(learnt.train),
        "parameters": sum(p.numel() for p in generator.parameters()),
        "recipe": recipe.to_dict(),
        "training": trainer.record(),
    }

    progress.stage(f"measure on {len(test)} test photos")
    photos, targets = zip(*(_pictures(pair) for pair in test), strict=True)
    edits = Editor(device=device).apply_batch(photos, _other_model(manifest, lambda: model))
    groups = [photograph(pair.source) for pair in test]
    quality = evaluate(photos, edits, targets, groups, networks=networks).to_dict() | {"cost": spent}
    folder.mkdir(parents=True, exist_ok=True)
    rows = [int(i) for i in np.linspace(0, len(test) - 1, min(ROWS, len(test)))]
    draw_sheet([(photos[i], targets[i], edits[i]) for i in rows], folder / SHEET)
    atomic_write(folder / WEIGHTS, weights)
    atomic_write(folder / MANIFEST, json.dumps(manifest | {"quality": quality}, indent=1))
    return quality


class Prompted(nn.Module):
    """A generator and the prompt that it was trained with, (T, prompt_dim)."""

    def __init__(self, generator: nn.Module, prompt: np.ndarray) -> None:
        super().__init__()
        self.generator = generator
        self.prompt: Tensor
        self.register_buffer("prompt", torch.from_numpy(prompt)[None])

    def forward(self, photo: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] to its edit."""
        edit: Tensor = self.generator(photo, self.prompt.expand(len(photo), -1, -1), None)
        return edit


def find_baseline(folder: Path) -> OtherModel:
    """The trained baseline in a folder, for the editor to apply; its weights are not loaded yet.

    Raises:
        BaseModelError: it is missing, or its manifest is damaged; from ``load``: its weights are damaged.
        PluginError: from ``load``: its model is not installed.
    """
    return _other_model(_read_manifest(folder), lambda: read_baseline(folder)[0])


def read_baseline(folder: Path) -> tuple[Prompted, dict[str, Any]]:
    """A trained baseline's generator, in evaluation mode, and its manifest.

    Raises:
        BaseModelError: it is missing, or its files are damaged.
        PluginError: its model is not installed.
    """
    manifest = _read_manifest(folder)
    path = folder / WEIGHTS
    if path.is_file() and sha256_file(path) != manifest["sha256"]:
        raise BaseModelError(f"{path}: differs from the digest in {MANIFEST}", hint="train it again")
    generator = make_baseline(manifest["model"], manifest["prompt_dim"], **manifest["shape"]).generator
    model = Prompted(generator, np.zeros((manifest["tokens"], manifest["prompt_dim"]), np.float32))
    load_weights(model, path)
    return model.requires_grad_(False).eval(), manifest


def _read_manifest(folder: Path) -> dict[str, Any]:
    """``baseline.json``, its used fields checked."""
    path = folder / MANIFEST
    if not path.is_file():
        raise BaseModelError(f"{folder}: holds no baseline", hint="e2gan train-baseline makes one")
    try:
        manifest: Any = json.loads(read_bytes(path, limit=MANIFEST_LIMIT, error=BaseModelError))
    except (ValueError, RecursionError) as error:
        raise BaseModelError(f"{path}: damaged ({error})") from error
    if not isinstance(manifest, dict):
        raise BaseModelError(f"{path}: damaged (not a JSON object)")
    table = Table(manifest, f"{path}: damaged", BaseModelError)
    for name in ("model", "concept"):
        table.id(name)
    table.version("version")
    table.digest("sha256")
    table.plain("shape")
    for name, low, high in (("prompt_dim", 1, 4096), ("tokens", 1, 512), ("stride", 1, 4096), ("longest", 0, 4096)):
        table.whole(name, low=low, high=high)
    return manifest


def _other_model(manifest: dict[str, Any], load: Callable[[], Prompted]) -> OtherModel:
    return OtherModel(
        id=manifest["concept"],
        version=manifest["version"],
        model=manifest["model"],
        sha256=manifest["sha256"],
        load=load,
        stride=manifest["stride"],
        longest=manifest["longest"] or None,
    )


def _pictures(pair: Pair) -> tuple[Image.Image, Image.Image]:
    photo, target = load_pair(pair)
    return Image.fromarray(photo), Image.fromarray(target)


def _cost(trainer: BaselineTrainer) -> dict[str, int]:
    """The cost as in a concept's ``[quality.cost]``, and one picture's multiply-accumulates at the training size."""
    generator, discriminator = trainer.networks
    recipe, width = replace(trainer.recipe, steps=trainer.steps), trainer.concepts[0].prompt.shape[1]
    device = trainer.accelerator.device
    example = (torch.zeros(1, *shape, device=device) for shape in ((3, recipe.crop, recipe.crop), (1, width), (1,)))
    return {
        "trained_parameters": sum(p.numel() for p in generator.parameters() if p.requires_grad),
        "training_flops": training_flops(recipe, generator, discriminator, width, objective=trainer.objective_type),
        "macs": macs(deepcopy(generator).eval(), *example),
    }
