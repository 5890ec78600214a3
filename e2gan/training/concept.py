"""Training a concept by its recipe: distill → select → train → eval → preview → card (paper section 4).

Each step is kept with a digest of what it depends on, and repeated only when that has changed.  The work folder
holds:

=============================== =======================================================================
steps.json                      the steps' digests, results and times (`e2gan.training.steps`)
photos/                         the photographs, if a plugin made them (`e2gan.data.sources`)
pairs/                          the pairs (`e2gan.data.pairs`), if they are not given
embeddings/                     embeddings of photos for the selection (`e2gan.data.selection`)
run-DIGEST/                     checkpoint and metrics of a training (`e2gan.training.loop`), and run.json
report.html, sheet.png          what was measured (`e2gan.evaluation.page`)
BASE/                           for another base than the concept's own: all of the above but photos, pairs and
                                embeddings, which all bases share
=============================== =======================================================================
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from PIL import Image

from e2gan._version import __version__
from e2gan.base import Base, find_base
from e2gan.concept import (
    ADAPTER,
    CARD,
    CHANNELS,
    MANIFEST,
    PREVIEW,
    Concept,
    bundle_beside,
    bundle_folder,
    record_quality,
    render_card,
    write_concept,
)
from e2gan.data.folders import Data, named
from e2gan.data.make_pairs import check_crop, distilled_pairs, find_inputs
from e2gan.data.pairs import Pair, Pairs, check_sizes, open_pairs
from e2gan.data.selection import embedder_version, select_pairs
from e2gan.data.sources import photographs
from e2gan.editor import Editor
from e2gan.errors import ConceptError, DataError
from e2gan.evaluation.measure import PREVIEW_SIDE, draw_preview, examine
from e2gan.evaluation.page import PAGE, write_report
from e2gan.evaluation.report import NETWORKS
from e2gan.evaluation.summary import summary
from e2gan.files import atomic_write, finished, interrupted, recover, sha256_file
from e2gan.images import open_image
from e2gan.kept import digest_of, folder_of, read_state
from e2gan.models.discriminator import Discriminator, load_discriminator
from e2gan.models.layout import NEUTRAL, Keeps, Tone
from e2gan.models.lora import adapter_state, attach
from e2gan.models.prompt import PromptEncoder
from e2gan.progress import Progress
from e2gan.training.batches import ConceptPairs
from e2gan.training.flops import recorded_flops
from e2gan.training.keeping import kept_in
from e2gan.training.metrics import read_metrics
from e2gan.training.steps import Steps
from e2gan.training.trainer import Trainer, all_processes

__all__ = ["STEPS", "encode_prompt", "read_bundle", "train_concept"]

STEPS = ("distill", "select", "train", "eval", "preview", "card")

RUN = "run.json"


def read_bundle(folder: str | Path) -> Concept:
    """The concept in that folder or distribution; if its last write was interrupted, as it will be once that is done.

    Raises:
        ConceptError, RecipeError: as `e2gan.concept.bundle_folder` and `Concept.read`.
    """
    bundle = bundle_folder(folder)
    with finished(bundle) as readable:
        return replace(Concept.read(readable), path=bundle)


def _for_base(first: Concept, bundle: Path, base: Base) -> Concept:
    """The concept's bundle for another base; if there is none yet, as it will be written, untrained."""
    if bundle.exists() or interrupted(bundle):
        concept = read_bundle(bundle)
        for what, value, expected in (("base", concept.base_id, base.id), ("id", concept.id, first.id)):
            if value != expected:
                raise ConceptError(f"{bundle / MANIFEST}: its {what} is '{value}', not '{expected}'")
        return concept
    with finished(first.path) as readable:
        manifest = _parsed(readable)
    for result in ("tone", "training", "quality"):
        manifest.pop(result, None)
    manifest["base"]["id"], manifest["base"]["sha256"] = base.id, base.sha256
    return replace(first, path=bundle, manifest=manifest, base_id=base.id, base_sha256=base.sha256, trained=False)


def encode_prompt(concept: Concept, base: Base) -> np.ndarray:
    """The concept's prompt as (T, D) float32 tokens; raises ConceptError if the base needs another width."""
    prompt, width = PromptEncoder().encode(concept.prompt), base.config.prompt_dim
    if prompt.shape[1] != width:
        raise ConceptError(f"the base '{base.id}' needs prompt tokens {width} wide, not {prompt.shape[1]}")
    return prompt


def train_concept(
    folder: str | Path,
    data: Data | None = None,
    *,
    work: str | Path | None = None,
    base: str | Path | None = None,
    preview: str | Path | None = None,
    workers: int | None = None,
    ray: bool = False,
    device: str | None = None,
    until: str = STEPS[-1],
    progress: Progress | None = None,
) -> Concept:
    """Run a concept's recipe, from photographs to a trained and measured bundle.

    Earlier work that is still valid is not repeated.  After a kill at any moment, the same call continues.  The base
    is pinned as installed now.  If it is another one than ``concept.toml`` names, the concept gets a bundle of its own
    for it, ``bundle-BASE`` beside the first, with the first one's recipe to begin with.  Under ``accelerate launch``
    all processes train, and the first does the rest.

    Args:
        folder: the bundle's folder, or its distribution's.
        data: one or several folders of photographs, with or without ``train``, ``val`` and ``test`` in them; of pairs,
            if the recipe says that they are given; if None, what the recipe's source makes
            (`e2gan.data.sources`).
        work: the folder for everything that is not part of the bundle, ``runs/ID`` if None; all processes must see it.
        base: id or folder of the base; if None, the one that ``concept.toml`` names.
        preview: the photo shown before and after; if None, the last one given, or otherwise the first test photo.
        workers: processes that distil; all cores if None.
        ray: whether Ray's workers distil instead.
        device: "cpu" to avoid using an accelerator.
        until: the last of `STEPS` to do.

    Returns:
        The concept as it is now (in processes other than the first: as it was before).

    Raises:
        ConceptError, RecipeError, DataError, TeacherError, TrainingError
        E2GANError: a file cannot be written, for example because the disk is full.
    """
    everyone = all_processes(device)
    if progress is None or not everyone.is_main_process:
        progress = Progress()
    with everyone.main_process_first():
        concept = read_bundle(folder)
        foundation = find_base(base or concept.base_id)
        beside = bundle_beside(concept.path, foundation.id) if foundation.id != concept.base_id else None
        if beside is not None:
            concept = _for_base(concept, beside, foundation)
    everyone.wait_for_everyone()  # nobody writes until all have read it
    work = Path("runs", concept.id) if work is None else Path(work)
    home = work if beside is None else work / foundation.id
    steps = Steps(home / "steps.json", progress, writes=everyone.is_main_process)
    pairs: Data = data if concept.recipe.given and data is not None else work / "pairs"
    job = _Job(concept, foundation, work, home, pairs, steps, progress, device)
    todo = STEPS[: STEPS.index(until) + 1]

    if everyone.is_main_process:
        data = photographs(data, concept.recipe, work, progress)
        job.check(data, preview, todo)
        recover(concept.path)
        if not concept.path.exists():
            write_concept(concept.path, manifest=concept.manifest)
            progress.stage(f"made {concept.path}, with the recipe of the bundle beside it")
        job.distill(data, workers, ray)
        if "select" in todo:
            job.select()
    everyone.wait_for_everyone()
    job.concept = concept = read_bundle(concept.path)
    if "train" in todo:
        job.train(everyone)
    if not everyone.is_main_process:
        return concept
    if "eval" in todo:
        job.evaluate()
    if "preview" in todo:
        job.draw(preview)
    if "card" in todo:
        job.describe()
    if "train" in todo:
        for line in summary(job.concept.quality, job.concept.training):
            progress.stage(line)
    return job.concept


@dataclass
class _Job:
    """A concept that passes through the steps."""

    concept: Concept
    foundation: Base
    work: Path
    """For what all bases share."""
    home: Path
    """For what is of this base."""
    pairs: Data
    """The folder of pairs, given or made by the first step; or several given folders."""
    steps: Steps
    progress: Progress
    device: str | None

    def check(self, data: Data, preview: str | Path | None, todo: tuple[str, ...]) -> None:
        """Raise now what would otherwise be raised after hours."""
        self.concept.check_base(self.foundation)
        photos = find_inputs(data, self.concept.recipe)
        count = sum(split == "train" for split, _ in photos)
        if not count:
            raise DataError(
                f"{named(data)}: none of the {len(photos)} photos here is in the training split",
                hint="a few photos may all fall into one split: put them into folders train, val and test",
            )
        recipe = self.concept.recipe
        check_crop(recipe, f"{self.concept.path / MANIFEST}: the recipe")
        if recipe.given:
            check_sizes((photo for split, photo in photos if split == "train"), recipe.training.crop)
        if preview is not None:
            open_image(preview)
        if "train" in todo:
            self.prompt  # noqa: B018, which may raise
        if "eval" in todo and sum(split == "test" for split, _ in photos) > 1:
            for network in NETWORKS.values():
                network()([Image.new("RGB", (32, 32))])

    # The steps

    def distill(self, data: Data, workers: int | None, ray: bool) -> None:
        recipe, prompt = self.concept.recipe, self.concept.prompt

        def make(progress: Progress) -> dict[str, Any]:
            pairs_made = distilled_pairs(
                data, self.work / "pairs", recipe, prompt=prompt, workers=workers, ray=ray, progress=progress
            )
            return {name: {"pairs": len(pairs), "digest": _digest(pairs)} for name, pairs in pairs_made.splits.items()}

        # This step always runs: it checks every photo itself, and makes the missing pairs.
        before = self.steps.kept("distill")
        if self.steps.do("distill", {}, make) == before:
            self.progress.stage("distill: unchanged")

    def select(self) -> None:
        recipe = self.concept.recipe
        pairs = self._pairs().split("train")
        choice: dict[str, str] = {"method": recipe.selection.method}
        needs: dict[str, Any] = {"pairs": _digest(pairs), "selection": choice}
        if recipe.selection.method != "all":
            needs["seed"] = recipe.training.seed
            choice["clusters"] = str(recipe.selection.clusters)
        if recipe.selection.method == "similarity-clustering":
            choice["embedder"] = embedder_version(recipe.selection.embedder)

        def choose(progress: Progress) -> dict[str, Any]:
            wanted = recipe.selection.clusters
            if recipe.selection.method != "all" and wanted > len(pairs):
                progress.stage(f"select all {len(pairs)} pairs, fewer than the {wanted} of the recipe")
            else:
                progress.stage(f"select pairs: {recipe.selection.method}")
            cache = self.work / "embeddings"
            selected = select_pairs(pairs, recipe.selection, recipe.training.seed, cache=cache, progress=progress)
            progress.stage(f"selected {len(selected)} of {len(pairs)} pairs")
            kept = kept_in(selected)
            if kept.keeps != self.concept.keeps:
                progress.stage(
                    f'note: {MANIFEST} says keeps = "{self.concept.keeps}", but "{kept.keeps}" may suit the pairs '
                    f"better, because {kept.reason}"
                )
            return {"pairs": [pair.key for pair in selected]}

        self.steps.run("select", needs, choose)

    def train(self, everyone: PartialState) -> None:
        concept, foundation, recipe = self.concept, self.foundation, self.concept.recipe
        pairs = self._pairs()
        chosen = set((self.steps.kept("select") or {}).get("pairs", ()))
        train = [pair for pair in pairs.split("train") if pair.key in chosen]
        val = list(pairs.splits.get("val", ()))
        prompt, made_from = self.prompt, _made_from(concept, foundation)
        learnt = ConceptPairs(concept.id, prompt, train, val, concept.keeps, concept.skips, concept.noise)
        # Only part of the recipe decides the weights: the photos' description, for example, does not.
        run = folder_of(
            self.home / "run",
            {
                "pairs": _digest(train),
                "prompt": hashlib.sha256(prompt.tobytes()).hexdigest(),
                "keeps": concept.keeps,
                "skips": concept.skips,
                "noise": concept.noise,
                **({} if learnt.tone == NEUTRAL else {"tone": learnt.tone}),
                "training": recipe.training.to_dict(),
                "base": [foundation.sha256, foundation.discriminator_sha256],
            },
        )
        needs = {**made_from, "run": run.name}
        same = self.steps.unchanged("train", needs, self._has_adapter)
        everyone.wait_for_everyone()  # before the first process writes what the others read
        if same:
            return

        def fine_tune(progress: Progress) -> dict[str, Any]:
            if everyone.is_main_process:
                self._begin(run, digest_of(made_from), pairs.split("train"))
            progress.stage(f"train on {len(train)} pairs")
            torch.manual_seed(recipe.training.seed)
            model = attach(foundation.generator().train(), concept.ranks)
            discriminator: Discriminator = load_discriminator(foundation.discriminator_path)
            trainer = Trainer(
                model,
                discriminator,
                [learnt],
                recipe.training,
                run,
                device=self.device,
                report=progress.advance,
            )
            trainer.run()
            if not everyone.is_main_process:
                return {}
            _note_run(run, finished=True)
            if _made_from(Concept.read(concept.path), foundation) != made_from:
                raise ConceptError(
                    f"{concept.path / MANIFEST}: the recipe was changed during its training",
                    hint="run it again; if you restore the recipe first, nothing is trained again",
                )
            state = adapter_state(trainer.networks.generator)
            self.concept = write_concept(
                concept.path,
                manifest=_with_record(concept, foundation, learnt.tone, trainer.record()),
                tensors={name: tensor.numpy() for name, tensor in state.items()},
                prompt=prompt,
            )
            return {"run": run.name, "adapter": sha256_file(concept.path / ADAPTER)}

        self.steps.do("train", needs, fine_tune)

    def evaluate(self) -> None:
        pairs = self._pairs()
        test = pairs.splits.get("test", ())
        if len(test) < 2:
            self.progress.stage("eval: skipped, because it needs at least two test photos")
            return
        needs = {"adapter": self._adapter(), "test": _digest(test), "version": __version__}

        def measure(progress: Progress) -> dict[str, Any]:
            progress.stage(f"measure on {len(test)} test photos")
            started = time.monotonic()
            measured = examine(
                Editor(self.foundation, device=self.device, backend="torch"),
                self.concept,
                test,
                training_flops=recorded_flops(self.concept, self.foundation),
                progress=progress,
            )
            self.concept = record_quality(self.concept, measured.quality)
            times = {name: seconds for name, seconds in self.steps.times.items() if name in ("distill", "select")}
            times |= {"train": self.concept.training["seconds"], "eval": time.monotonic() - started}
            run = self.home / (self.steps.kept("train") or {})["run"]
            page = write_report(
                self.home,
                self.concept,
                measured.quality,
                measured.examples,
                closeups=measured.closeups,
                missing=measured.missing,
                unmeasured=measured.unmeasured,
                history=read_metrics(run / "metrics.jsonl"),
                times=times,
                pairs={
                    "to train on": len(pairs.split("train")),
                    "of which selected": len((self.steps.kept("select") or {})["pairs"]),
                    "to validate on": len(pairs.splits.get("val", ())),
                    "to test on": len(test),
                    **{f"rejected: {reason}": count for reason, count in pairs.rejected.items()},
                },
            )
            for name, why in measured.unmeasured.items():
                progress.stage(f"note: not measured: {name}: {why}")
            progress.stage(f"wrote {page}")
            return {}

        self.steps.run("eval", needs, measure, lambda _: bool(self.concept.quality) and (self.home / PAGE).is_file())

    def draw(self, photo: str | Path | None) -> None:
        last = (self.steps.kept("preview") or {}).get("photo")
        if photo is None:
            photo = last if isinstance(last, str) and Path(last).is_file() else self._first_photo()
        shown_photo = Path(photo)
        needs = {"adapter": self._adapter(), "photo": sha256_file(shown_photo), "side": PREVIEW_SIDE}

        def before_and_after(progress: Progress) -> dict[str, Any]:
            progress.stage(f"draw the preview of {shown_photo}")
            picture = draw_preview(
                Editor(self.foundation, device=self.device, backend="torch"), self.concept, shown_photo
            )
            atomic_write(self.concept.path / PREVIEW, picture)
            return {"photo": str(shown_photo.resolve()), "preview": hashlib.sha256(picture).hexdigest()}

        def there(result: dict[str, Any]) -> bool:
            return self.concept.preview is not None and sha256_file(self.concept.preview) == result["preview"]

        self.steps.run("preview", needs, before_and_after, there)

    def describe(self) -> None:
        self.concept = Concept.read(self.concept.path)
        card, file = render_card(self.concept), self.concept.path / CARD

        def write(progress: Progress) -> dict[str, Any]:
            atomic_write(file, card)
            progress.stage(f"wrote {self.concept.path}")
            return {}

        self.steps.run("card", {"card": card}, write, lambda _: file.is_file() and file.read_text("utf-8") == card)

    # What they work on

    @cached_property
    def prompt(self) -> np.ndarray:
        return encode_prompt(self.concept, self.foundation)

    def _pairs(self) -> Pairs:
        return open_pairs(self.pairs)

    def _first_photo(self) -> Path:
        splits = self._pairs().splits
        return next(splits[name][0].input for name in ("test", "val", "train") if splits.get(name))

    def _adapter(self) -> str:
        return sha256_file(self.concept.path / ADAPTER)

    def _has_adapter(self, result: dict[str, Any]) -> bool:
        pinned = self.concept.trained and self.concept.base_sha256 == self.foundation.sha256
        return pinned and self._adapter() == result["adapter"]

    def _begin(self, run: Path, recipe: str, photos: list[Pair]) -> None:
        """Record what a training is based on; raises DataError if one was stopped half-way with other photos."""
        now = {pair.key: pair.source for pair in photos}
        others = [file.parent for file in sorted(self.home.glob(f"run-*/{RUN}")) if file.parent != run]
        for earlier in others:
            note = read_state(earlier / RUN)
            if note.get("finished") or note.get("recipe") != recipe or note.get("photos") == now:
                continue
            raise DataError(
                f"the training in {earlier} was stopped, and the photos have changed since: {_difference(note, now)}",
                hint=f"restore them to continue it, or delete {earlier} to train again",
            )
        if others and not run.exists():
            names = ", ".join(earlier.name for earlier in others)
            self.progress.stage(f"note: a new training, in {run}; the earlier ones are kept: {names}")
        if not (run / RUN).exists():
            _note_run(run, recipe=recipe, photos=now, finished=False)


def _digest(pairs: Sequence[Pair]) -> str:
    """Digest of what the pairs show: a picture's name holds the digest of everything that decided it."""
    return digest_of({"pairs": [pair.key for pair in pairs]})


def _made_from(concept: Concept, foundation: Base) -> dict[str, Any]:
    """The values that the headers of the bundle's weights depend on."""
    return {
        "id": concept.id,
        "prompt": concept.prompt,
        "keeps": concept.keeps,
        "skips": concept.skips,
        "noise": concept.noise,
        "recipe": concept.manifest["recipe"],
        "base": foundation.sha256,
    }


def _with_record(concept: Concept, foundation: Base, tone: Tone, record: dict[str, Any]) -> Any:
    """The author's manifest with its comments, plus the pinned base, the tone and the run's record."""
    manifest = _parsed(concept.path)
    manifest["base"]["id"], manifest["base"]["sha256"] = foundation.id, foundation.sha256
    if concept.keeps == Keeps.NOTHING:
        manifest.pop("tone", None)
    else:
        manifest["tone"] = dict(zip(CHANNELS, (list(row) for row in tone), strict=True))
    manifest["training"] = record
    manifest.pop("quality", None)
    return manifest


def _parsed(bundle: Path) -> Any:
    """The manifest with its author's comments."""
    import tomlkit

    return tomlkit.parse((bundle / MANIFEST).read_text("utf-8"))


def _note_run(run: Path, **values: Any) -> None:
    atomic_write(run / RUN, json.dumps({**read_state(run / RUN), **values}))


def _difference(note: dict[str, Any], now: dict[str, str]) -> str:
    """The photos that are new, gone or changed; only the first is named."""
    before = note.get("photos")
    before = before if isinstance(before, dict) else {}
    new, gone = (
        [side[name] for name in side if name not in opposite] for side, opposite in ((now, before), (before, now))
    )
    changed = [f"'{name}' has changed" if name in gone else f"'{name}' is new" for name in new]
    changed += [f"'{name}' is gone" for name in gone if name not in new]
    return changed[0] + (f", and {len(changed) - 1} more" if len(changed) > 1 else "")
