"""Training a concept: distil pairs, choose among them, fine-tune LoRA on the base, measure, write (paper section 4)."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from e2gan.base import find_base
from e2gan.concept import Concept, write_concept
from e2gan.editor import Editor
from e2gan.errors import ConceptError, DataError
from e2gan.evaluation.report import NETWORKS, draw_sheet, evaluate
from e2gan.images import open_image
from e2gan.models.discriminator import Discriminator, load_discriminator
from e2gan.models.lora import adapter_state, attach
from e2gan.models.prompt import PromptEncoder
from e2gan.plugins import registry
from e2gan.recipe import Selection
from e2gan.training.loop import ConceptPairs, Trainer
from e2gan.training.pairs import Pair, distilled_pairs
from e2gan.training.progress import Progress
from e2gan.training.select import first_of_shuffle, similarity_clustering

__all__ = ["bundle_folder", "measure", "select_pairs", "train_concept"]

PREVIEW_SIDE = 512


def bundle_folder(folder: str | Path) -> Path:
    """The bundle's folder: ``folder`` itself, or the one ``bundle`` inside a concept's distribution.

    Raises:
        ConceptError: there is none, or several.
    """
    folder = Path(folder)
    if (folder / "concept.toml").is_file():
        return folder
    found = sorted(folder.glob("*/bundle/concept.toml"))
    if len(found) != 1:
        fault = "holds no concept.toml" if not found else "holds several bundles"
        raise ConceptError(f"{folder}: {fault}", hint="give the folder of one concept.toml")
    return found[0].parent


def train_concept(
    folder: str | Path,
    data: str | Path,
    *,
    work: str | Path,
    base: str | Path | None = None,
    preview: str | Path | None = None,
    workers: int | None = None,
    device: str | None = None,
    progress: Progress | None = None,
) -> Concept:
    """Run a concept's recipe from photographs to a trained and measured bundle.

    The base is pinned as it is installed now.

    Args:
        folder: the bundle's folder, or its distribution's.
        data: the folder of photographs, with ``train``, ``val`` and ``test`` in it or without.
        work: where pairs and checkpoints go; a second run goes on from there.
        base: id or folder of the base; the one ``concept.toml`` names if None.
        preview: the photo shown before and after; the first test photo if None.
        workers: processes that distil; all cores if None.
        device: "cpu" to stay off an accelerator that is there.

    Raises:
        ConceptError, RecipeError, DataError, TeacherError, TrainingError
    """
    progress = progress or Progress()
    work = Path(work)
    concept = Concept.read(bundle_folder(folder))
    foundation = find_base(base or concept.base_id)
    recipe = concept.recipe
    prompt = PromptEncoder().encode(concept.prompt)
    if prompt.shape[1] != foundation.config.prompt_dim:
        raise ConceptError(
            f"the base '{foundation.id}' wants prompt tokens {foundation.config.prompt_dim} wide, not {prompt.shape[1]}"
        )

    pairs = distilled_pairs(
        data, work / "pairs", recipe.teacher, recipe.teacher_options, workers=workers, progress=progress
    )
    progress.stage("select pairs")
    train = select_pairs(pairs.split("train"), recipe.selection, recipe.training.seed)

    val, test = (list(pairs.splits.get(name, ())) for name in ("val", "test"))
    measured = len(test) > 1
    if measured:
        # What the measuring at the end needs is better missed now than after the training.
        for network in NETWORKS.values():
            network()([Image.open(test[0].input)])

    progress.stage(f"train on {len(train)} pairs")
    torch.manual_seed(recipe.training.seed)
    model = attach(foundation.generator().train(), concept.ranks)
    discriminator: Discriminator = load_discriminator(foundation.discriminator_path)
    trainer = Trainer(
        model,
        discriminator,
        [ConceptPairs(concept.id, prompt, train, val, concept.keeps)],
        recipe.training,
        work / "run",
        device=device,
        report=progress.advance,
    )
    trainer.run()
    manifest = {
        **concept.manifest,
        "base": {"id": foundation.id, "sha256": foundation.sha256},
        "training": trainer.record(),
    }
    manifest.pop("quality", None)
    tensors = {k: v.numpy() for k, v in adapter_state(trainer.accelerator.unwrap_model(trainer.generator)).items()}
    concept = write_concept(concept.path, manifest=manifest, tensors=tensors, prompt=prompt)

    progress.stage("measure and draw the preview")
    editor = Editor(foundation, device=device)
    quality = measure(editor, concept, test, sheet=work / "sheet.png") if measured else {}
    if preview is None and test:
        preview = test[0].input
    before_after = draw_preview(editor, concept, preview) if preview is not None else None
    return write_concept(
        concept.path,
        manifest={**manifest, "quality": quality} if quality else manifest,
        tensors=tensors,
        prompt=prompt,
        preview=before_after,
    )


def select_pairs(pairs: Sequence[Pair], selection: Selection, seed: int) -> list[Pair]:
    """The pairs a recipe trains on (paper section 4.3): all, or ``clusters`` of them.

    Raises:
        DataError: there are fewer pairs than ``clusters``.
    """
    if selection.method == "all":
        return list(pairs)
    if selection.clusters > len(pairs):
        raise DataError(
            f"the recipe selects {selection.clusters} pairs, but there are only {len(pairs)}",
            hint="lower clusters in [recipe.selection], or give more photographs",
        )
    if selection.method == "random":
        kept = first_of_shuffle(len(pairs), selection.clusters, seed)
    else:
        embed = registry().embedder(selection.embedder).factory()
        photos = [Image.open(pair.input).convert("RGB") for pair in pairs]
        kept = similarity_clustering(embed(photos), selection.clusters, seed)
    return [pairs[int(i)] for i in kept]


def measure(editor: Editor, concept: Concept, test: Sequence[Pair], sheet: Path | None = None) -> dict[str, object]:
    """The concept's ``[quality]`` on test pairs, edited as a user's photos are; ``sheet`` gets a picture of some."""
    photos = [Image.open(pair.input).convert("RGB") for pair in test]
    targets = [Image.open(pair.output).convert("RGB") for pair in test]
    edited = [editor.apply(photo, concept) for photo in photos]
    groups = [photograph(pair.source) for pair in test]
    if sheet is not None:
        shown = np.linspace(0, len(test) - 1, min(8, len(test))).astype(int)
        draw_sheet([(photos[i], targets[i], edited[i]) for i in shown], sheet)
    return evaluate(photos, edited, targets, groups=groups).to_dict()


def photograph(source: str) -> str:
    """The photograph a picture was cut from: crops of one are named NAME_00.jpg, NAME_01.jpg and so on."""
    return re.sub(r"_\d+$", "", Path(source).stem)


def draw_preview(editor: Editor, concept: Concept, photo: str | Path) -> bytes:
    """A WebP of the photo and its edit side by side, each about 512 pixels wide."""
    before = open_image(photo).convert("RGB")
    before.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE), Image.Resampling.LANCZOS)
    after = editor.apply(before, concept)
    both = Image.new("RGB", (2 * before.width, before.height))
    both.paste(before, (0, 0))
    both.paste(after.convert("RGB"), (before.width, 0))
    buffer = io.BytesIO()
    both.save(buffer, format="WEBP", quality=85)
    return buffer.getvalue()
