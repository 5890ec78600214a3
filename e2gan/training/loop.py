"""The one training loop: generator and discriminator in turn, for bases, concepts and baselines.

The seed and the step's number determine every step: which pairs it sees, and how they are
cropped and flipped.  So a resumed run sees what an uninterrupted one sees.
"""

from __future__ import annotations

import io
import json
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import gather_object
from PIL import Image
from torch import Tensor, nn

from e2gan.data.pairs import Pair
from e2gan.drawing import draw_sheet
from e2gan.errors import DataError, TrainingError
from e2gan.evaluation.measure import photograph
from e2gan.files import atomic_write
from e2gan.models.device import computes_bfloat16
from e2gan.models.edit import Look, batched, look_of
from e2gan.models.layout import NEUTRAL, NO_SKIPS, Keeps, Skips, Tone
from e2gan.models.noise import SIDE
from e2gan.models.pixels import to_images, to_tensor
from e2gan.recipe import TrainingRecipe
from e2gan.training.metrics import cut_metrics, device_name, draw_metrics, log_metrics
from e2gan.training.objective import Batch, Loss, Objective, StepKind
from e2gan.training.tone import fit_tone

__all__ = ["ConceptPairs", "Ema", "Networks", "Sampler", "Trainer", "all_processes", "load_pair"]

LOSSES = ("l1", "val_l1", "perceptual", "style", "gan", "discriminator")
"""The metrics that are plotted."""

LONGEST = timedelta(days=7)
"""How long processes wait for the one that makes the pairs."""


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
    return Batch(to_tensor(np.stack(photos)), to_tensor(np.stack(targets)), look)


class Ema:
    """An exponential moving average of the trained parameters (Yazıcı et al., 2019)."""

    def __init__(self, parameters: Sequence[nn.Parameter], decay: float) -> None:
        self.decay = decay
        self.parameters = list(parameters)
        # Without decay, the average is the parameters themselves.
        self.shadow = [p.detach().clone() if decay else p.detach() for p in self.parameters]
        self.updates = 0

    @torch.no_grad()
    def update(self) -> None:
        self.updates += 1
        if not self.decay:
            return
        # Early on, the full decay would hold on to the random start.
        decay = min(self.decay, self.updates / (self.updates + 10))
        torch._foreach_lerp_(self.shadow, [p.detach() for p in self.parameters], 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Swap the averaged and the trained parameters; a second call swaps them back."""
        for shadow, p in zip(self.shadow, self.parameters, strict=True):
            own = p.detach().clone()
            p.copy_(shadow)
            shadow.copy_(own)


def all_processes(device: str | None) -> PartialState:
    """The processes that ``accelerate launch`` started to train together, or only this one.

    Raises:
        TrainingError: several were started, but each would train on its own.
    """
    everyone = PartialState(cpu=device == "cpu", timeout=LONGEST)
    if int(os.environ.get("WORLD_SIZE", 1)) > everyone.num_processes:
        raise TrainingError(
            f"several processes were started, but on {everyone.device.type} each would train on its own",
            hint="start one process, or let them share the processor with --device cpu",
        )
    return everyone


class Networks(NamedTuple):
    """What is trained."""

    generator: Any
    discriminator: Any


class Trainer:
    """Trains those parameters of ``generator`` that require a gradient, against ``discriminator``.

    Args:
        generator: called as ``generator(photo, prompt, prompt_bias)``; a `Generator`, or one with
            an adapter.
        discriminator: called as ``discriminator(photo, edit)``.
        concepts: what to train on.
        recipe: every number of the run.
        folder: where ``checkpoint.pt``, ``metrics.jsonl``, ``losses.png`` and ``grid.png`` go.
        checkpoint_every: seconds between checkpoints.
        report: called with (step, steps, metrics) after every step, on the main process.
        device: "cpu" to avoid using an accelerator.
        mixed_precision: accelerate's, such as ``bf16``; by default ``bf16`` if the device computes in it, else ``no``.
    """

    objective_type: type[Objective] = Objective
    """The objective that its steps minimise."""

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        concepts: Sequence[ConceptPairs],
        recipe: TrainingRecipe,
        folder: Path,
        *,
        checkpoint_every: float = 120.0,
        report: Callable[[int, int, dict[str, float]], None] | None = None,
        device: str | None = None,
        mixed_precision: str | None = None,
    ) -> None:
        all_processes(device)
        # Accelerate keeps a process's first precision and refuses another, but each run has its own.
        AcceleratorState._reset_state()
        if mixed_precision is None:
            mixed_precision = "bf16" if computes_bfloat16(PartialState().device) else "no"
        self.accelerator = Accelerator(mixed_precision=mixed_precision, cpu=device == "cpu")
        self.recipe = recipe
        self.concepts = concepts
        self.folder = folder
        self.checkpoint_every = checkpoint_every
        self.report = report
        self.sampler = Sampler(concepts, recipe)
        self.steps = self.sampler.steps
        if recipe.batch_size % self.accelerator.num_processes:
            raise TrainingError(
                f"a batch of {recipe.batch_size} cannot be split among {self.accelerator.num_processes} processes",
                hint="choose a batch_size that the number of processes divides",
            )
        trained = [p for p in generator.parameters() if p.requires_grad]
        self.generator, self.discriminator, self.optimizer_g, self.optimizer_d = self.accelerator.prepare(
            generator,
            discriminator,
            self.optimizer(trained),
            self.optimizer(list(discriminator.parameters())),
        )
        # Only after preparing, which moves the weights to their device and gives every process the main one's.
        self.ema = Ema([p for p in self.generator.parameters() if p.requires_grad], recipe.ema)
        self.objective = self.objective_type(self.generator, self.discriminator, recipe, self.accelerator.autocast)
        self.step = 0
        self.seconds = 0.0

    def run(self) -> dict[str, float]:
        """Train to the end, from the last checkpoint if there is one; the averaged weights stay in the generator.

        Returns:
            The last validation metrics.

        Raises:
            TrainingError: a loss is not finite, or the checkpoint belongs to another run.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.resume()
        self._agree_on_step()
        started, before = time.monotonic(), self.seconds
        last_checkpoint = started
        window: dict[str, list[float]] = {}
        every = max(1, min(50, self.steps // 20))
        while self.step < self.steps:
            metrics = self.train_step()
            self.step += 1
            self.seconds = before + time.monotonic() - started
            for key, value in metrics.items():
                window.setdefault(key, []).append(value)
            if self.report is not None and self.accelerator.is_main_process:
                self.report(self.step, self.steps, metrics)
            if self.step % every == 0 or self.step == self.steps:
                means = self._over_processes({key: float(np.mean(values)) for key, values in window.items()})
                if not all(math.isfinite(v) for v in means.values()):
                    raise TrainingError(
                        f"the loss is not finite at step {self.step}", hint="lower learning_rate in the recipe"
                    )
                self._log({"step": self.step, "seconds": round(self.seconds, 1), **means})
                window.clear()
            if time.monotonic() - last_checkpoint > self.checkpoint_every:
                self.save_checkpoint()
                self._validate_and_draw()
                last_checkpoint = time.monotonic()
                self.seconds = before + time.monotonic() - started
        self.save_checkpoint()
        result = self._validate_and_draw()
        self.ema.swap()
        return result

    def train_step(self) -> dict[str, float]:
        """One batch: forward, the generator's update, and after the warm-up the discriminator's.

        Returns:
            The step's figures, by name.
        """
        batch = self._set_input()
        batch.edit = self.objective.edit(batch)
        metrics = {"rate": self.rate(self.recipe.learning_rate, self.step)}
        # The generator's update: match the teacher, and once warm fool the discriminator.
        metrics |= self._update(self.optimizer_g, self.objective.generator_loss(batch))
        self.ema.update()
        # The discriminator's: tell the teacher's pictures from the generator's.
        if batch.kind.warm and batch.kind.updates_discriminator:
            metrics |= self._update(self.optimizer_d, self.objective.discriminator_loss(batch))
        return metrics

    def _set_input(self) -> Batch:
        """The step's batch; also sets the random state and the learning rates by the step's number."""
        recipe, accelerator = self.recipe, self.accelerator
        batch = self.sampler.batch(self.step, accelerator.process_index, accelerator.num_processes)
        # Random draws, such as dropout, must be the same in a resumed run.
        torch.manual_seed(
            int(np.random.SeedSequence((recipe.seed, 2, self.step, accelerator.process_index)).generate_state(1)[0])
        )
        rates = recipe.learning_rate, recipe.discriminator_learning_rate or recipe.learning_rate
        for optimizer, rate in zip((self.optimizer_g, self.optimizer_d), rates, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = self.rate(rate, self.step)
        batch.kind = self.objective.kind(self.step, self.steps)
        # Each process distorts its part of the batch differently.
        batch.seed = recipe.seed + self.step + (accelerator.process_index << 40)
        return batch.to(accelerator.device)

    def _update(self, optimizer: torch.optim.Optimizer, loss: Loss) -> dict[str, float]:
        """Take one step down the loss; return its parts as figures."""
        optimizer.zero_grad()
        self.accelerator.backward(loss.total)
        optimizer.step()
        return {name: part.item() for name, part in loss.parts.items()}

    @property
    def networks(self) -> Networks:
        """The networks as they were given, without the wrappers for several processes."""
        return Networks(*(self.accelerator.unwrap_model(network) for network in (self.generator, self.discriminator)))

    def _over_processes(self, means: dict[str, float]) -> dict[str, float]:
        """Each figure's mean over the processes, the same in all of them: if one diverges, all stop."""
        if self.accelerator.num_processes == 1:
            return means
        values = torch.tensor(list(means.values()), dtype=torch.float64, device=self.accelerator.device)
        return dict(zip(means, self.accelerator.reduce(values, "mean").tolist(), strict=True))

    def _agree_on_step(self) -> None:
        steps = gather_object([self.step])
        if len(set(steps)) > 1:
            raise TrainingError(
                f"{self.folder}: not all processes find the same checkpoint here",
                hint="give --work a folder that all machines share",
            )

    def optimizer(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        """The optimiser for the parameters of one network."""
        return torch.optim.Adam(parameters, betas=self.recipe.betas)

    def rate(self, full: float, step: int) -> float:
        """The learning rate: ``full`` at first, then a linear decay to 0."""
        start = self.recipe.lr_decay_from * self.steps
        return full * (1.0 if step < start else (self.steps - step) / (self.steps - start))

    # What is kept

    def record(self) -> dict[str, Any]:
        """A record of the training and its length, for an artefact's metadata."""
        return {
            "device": device_name(self.accelerator.device),
            "precision": self.accelerator.mixed_precision,
            "processes": self.accelerator.num_processes,
            "steps": self.steps,
            "pictures": self.steps * self.recipe.batch_size,
            "photographs": self.sampler.photographs(self.steps),
            "seconds": round(self.seconds),
            "torch": torch.__version__,
        }

    def generator_state(self) -> dict[str, np.ndarray]:
        """The generator's tensors; after `run`, the averaged ones."""
        return _arrays(self.networks.generator)

    def discriminator_state(self) -> dict[str, np.ndarray]:
        return _arrays(self.networks.discriminator)

    def save_checkpoint(self) -> None:
        """Write everything that a resumed run needs, atomically, in the main process, whose weights are everyone's.

        The other processes may be at another step: their clocks may not ask for a checkpoint at all.
        """
        if not self.accelerator.is_main_process:
            return
        networks = self.networks
        state = {
            "step": self.step,
            "steps": self.steps,
            "seconds": self.seconds,
            "recipe": json.dumps(self.recipe.to_dict()),
            "pairs": len(self.sampler.index),
            "trained": [p.detach().cpu() for p in self.ema.parameters],
            "ema": [s.cpu() for s in self.ema.shadow],
            "ema_updates": self.ema.updates,
            "buffers": dict(networks.generator.named_buffers()),
            "discriminator": networks.discriminator.state_dict(),
            "optimizer_g": self.optimizer_g.state_dict(),
            "optimizer_d": self.optimizer_d.state_dict(),
        }
        # Through memory, because torch.save's error for a full disk is incomprehensible.
        buffer = io.BytesIO()
        torch.save(state, buffer)
        atomic_write(self.folder / "checkpoint.pt", buffer.getvalue())

    def resume(self) -> None:
        """Continue from ``checkpoint.pt`` if it exists.

        The length of the run may have changed meanwhile, as long as the learning rate has not begun to
        fall under either length: until then, all lengths give the same steps.

        Raises:
            TrainingError: the checkpoint cannot be read, or comes from another recipe or other pairs.
        """
        path = self.folder / "checkpoint.pt"
        if not path.exists():
            return
        hint = f"delete {path} to start over"
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            same_recipe = self._same_run(json.loads(state["recipe"]), state["steps"], state["step"])
        except Exception as error:  # torch.load has no exception of its own
            raise TrainingError(f"{path}: cannot be read ({error})", hint=hint) from error
        if not same_recipe:
            raise TrainingError(f"{path}: made with another recipe", hint=hint)
        if state["pairs"] != len(self.sampler.index):
            raise TrainingError(
                f"{path}: made with {state['pairs']} pairs, but there are now {len(self.sampler.index)}", hint=hint
            )
        with torch.no_grad():
            for p, saved in zip(self.ema.parameters, state["trained"], strict=True):
                p.copy_(saved)
            for s, saved in zip(self.ema.shadow, state["ema"], strict=True):
                s.copy_(saved)
            for name, buffer in self.networks.generator.named_buffers():
                buffer.copy_(state["buffers"][name])
        self.ema.updates = state["ema_updates"]
        self.networks.discriminator.load_state_dict(state["discriminator"])
        self.optimizer_g.load_state_dict(state["optimizer_g"])
        self.optimizer_d.load_state_dict(state["optimizer_d"])
        self.step, self.seconds = state["step"], state["seconds"]
        if self.accelerator.is_main_process:
            cut_metrics(self.folder / "metrics.jsonl", self.step)

    def _same_run(self, recipe: dict[str, Any], steps: int, step: int) -> bool:
        def without_length(values: dict[str, Any]) -> str:
            return json.dumps({k: v for k, v in values.items() if k not in ("steps", "epochs")}, sort_keys=True)

        past = step > self.same_until * min(steps, self.steps)
        return without_length(recipe) == without_length(self.recipe.to_dict()) and (steps == self.steps or not past)

    @property
    def same_until(self) -> float:
        """The share of a run, 0 to 1, up to which a step is the same in runs of every length."""
        return min(self.recipe.lr_decay_from, self.recipe.warmup or 1.0, self.recipe.half_size or 1.0)

    def _log(self, row: dict[str, float]) -> None:
        if self.accelerator.is_main_process:
            log_metrics(self.folder / "metrics.jsonl", row)

    # What is looked at

    @torch.no_grad()
    def edit(self, pair: Pair, concept: ConceptPairs, side: int | None = None) -> tuple[Batch, Tensor]:
        """A pair as a batch of one, and the generator's edit of its photo: (1, 3, H, W) in [-1, 1].

        It uses the middle square of ``side`` pixels of the pair's pictures, or all of them if ``side`` is None.
        """
        photo, target = (_middle(picture, side) for picture in load_pair(pair))
        batch = collate([(photo, target, concept)]).to(self.accelerator.device)
        return batch, self.objective.edit(batch).clamp(-1, 1)

    @torch.no_grad()
    def validate(self, limit: int = 32) -> tuple[dict[str, float], list[list[Image.Image]]]:
        """Mean L1 of the averaged weights on about ``limit`` validation pairs; rows of photo, teacher and ours."""
        metrics: dict[str, float] = {}
        rows = []
        self.ema.swap()
        self.generator.eval()
        try:
            for concept in self.concepts:
                if not concept.val:
                    continue
                pairs = _spread(concept.val, max(2, limit // len(self.concepts)))
                errors, idle = [], []
                for number, pair in enumerate(pairs):
                    batch, edit = self.edit(pair, concept)
                    errors.append(F.l1_loss(edit, batch.target).item())
                    idle.append(F.l1_loss(batch.photo, batch.target).item())
                    if number < max(1, 6 // len(self.concepts)):
                        rows.append([to_images(t)[0] for t in (batch.photo, batch.target, edit)])
                metrics[f"val_l1/{concept.id}"] = float(np.mean(errors))
                metrics[f"val_l1_ratio/{concept.id}"] = float(np.mean(errors) / max(np.mean(idle), 1e-6))
        finally:
            self.generator.train()
            self.ema.swap()
        if metrics:
            metrics["val_l1"] = float(np.mean([v for k, v in metrics.items() if k.startswith("val_l1/")]))
        return metrics, rows

    def _validate_and_draw(self) -> dict[str, float]:
        if not self.accelerator.is_main_process:
            return {}
        metrics, rows = self.validate()
        self._log({"step": self.step, "seconds": round(self.seconds, 1), **metrics})
        if rows:
            draw_sheet(rows, self.folder / "grid.png")
        draw_metrics(self.folder / "metrics.jsonl", self.folder / "losses.png", LOSSES)
        return metrics


def _arrays(model: nn.Module) -> dict[str, np.ndarray]:
    return {name: tensor.detach().float().cpu().numpy() for name, tensor in model.state_dict().items()}


def _middle(picture: np.ndarray, side: int | None) -> np.ndarray:
    if side is None:
        return picture
    top, left = (max(0, (length - side) // 2) for length in picture.shape[:2])
    return picture[top : top + side, left : left + side]


def _spread(items: Sequence[Pair], limit: int) -> list[Pair]:
    """At most ``limit`` items, evenly spread, so that neighbouring crops of one photograph do not fill them."""
    if len(items) <= limit:
        return list(items)
    return [items[int(i)] for i in np.linspace(0, len(items) - 1, limit)]
