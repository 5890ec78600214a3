"""The training of generators: generator and discriminator in turn, for bases, concepts and baselines."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs, gather_object
from PIL import Image
from torch import Tensor, nn

from e2gan.data.pairs import Pair
from e2gan.drawing import draw_sheet
from e2gan.errors import TrainingError
from e2gan.models.device import computes_bfloat16
from e2gan.models.pixels import to_images
from e2gan.recipe import TrainingRecipe
from e2gan.training.adapters import WithAdapters
from e2gan.training.batches import ConceptPairs, Sampler, collate, load_pair
from e2gan.training.loop import CHECKPOINT_EVERY, Loop
from e2gan.training.metrics import device_name
from e2gan.training.objective import Batch, Loss, Objective

__all__ = ["Ema", "Networks", "Trainer", "all_processes"]

VALIDATION = 32
"""Pairs to validate on, over all concepts."""

RATE = "full_rate"
"""The key of a group of parameters that has a learning rate of its own."""

LONGEST = timedelta(days=7)
"""How long processes wait for the one that makes the pairs."""


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


class Trainer(Loop):
    """Trains those parameters of ``generator`` that require a gradient, against ``discriminator``.

    Args:
        generator: called as ``generator(photo, prompt, prompt_bias)``; a `Generator`, or one with
            an adapter.
        discriminator: called as ``discriminator(photo, edit)``.
        concepts: what to train on.
        recipe: every number of the run.
        folder: where `Loop`'s files and ``grid.png`` go.
        checkpoint_every: seconds between checkpoints.
        report: called with (step, steps, figures) after every step, on the main process.
        device: "cpu" to avoid using an accelerator.
        mixed_precision: accelerate's, such as ``bf16``; by default ``bf16`` if the device computes in it, else ``no``.
    """

    plotted = ("l1", "val_l1", "perceptual", "style", "gan", "discriminator")

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
        checkpoint_every: float = CHECKPOINT_EVERY,
        report: Callable[[int, int, dict[str, float]], None] | None = None,
        device: str | None = None,
        mixed_precision: str | None = None,
    ) -> None:
        all_processes(device)
        # Accelerate keeps a process's first precision and refuses another, but each run has its own.
        AcceleratorState._reset_state()
        if mixed_precision is None:
            mixed_precision = "bf16" if computes_bfloat16(PartialState().device) else "no"
        # A step uses the adapters of its own concepts only.
        several = DistributedDataParallelKwargs(find_unused_parameters=isinstance(generator, WithAdapters))
        self.accelerator = Accelerator(mixed_precision=mixed_precision, cpu=device == "cpu", kwargs_handlers=[several])
        self.recipe = recipe
        self.concepts = concepts
        self.sampler = Sampler(concepts, recipe)
        super().__init__(
            folder,
            self.sampler.steps,
            checkpoint_every=checkpoint_every,
            report=report,
            writes=self.accelerator.is_main_process,
        )
        if recipe.batch_size % self.accelerator.num_processes:
            raise TrainingError(
                f"a batch of {recipe.batch_size} cannot be split among {self.accelerator.num_processes} processes",
                hint="choose a batch_size that the number of processes divides",
            )
        if isinstance(generator, WithAdapters):
            optimizer = self.optimizer(list(generator.generator.parameters()))
            adapters = {"params": list(generator.adapters.parameters()), RATE: recipe.adapter_learning_rate}
            optimizer.add_param_group(adapters)
        else:
            optimizer = self.optimizer([p for p in generator.parameters() if p.requires_grad])
        self.generator, self.discriminator, self.optimizer_g, self.optimizer_d = self.accelerator.prepare(
            generator, discriminator, optimizer, self.optimizer(list(discriminator.parameters()))
        )
        # Only after preparing, which moves the weights to their device and gives every process the main one's.
        self.ema = Ema([p for p in self.generator.parameters() if p.requires_grad], recipe.ema)
        self.objective = self.objective_type(self.generator, self.discriminator, recipe, self.accelerator.autocast)

    def run(self) -> dict[str, float]:
        """Train as `Loop.run` does; the averaged weights stay in the generator."""
        figures = super().run()
        self.ema.swap()
        return figures

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
                group["lr"] = self.rate(group.get(RATE) or rate, self.step)
        batch.kind = self.objective.kind(self.step, self.steps)
        # Each process distorts its part of the batch differently.
        batch.seed = recipe.seed + self.step + (accelerator.process_index << 40)
        return batch.to(accelerator.device)

    def _update(self, optimizer: torch.optim.Optimizer, loss: Loss) -> dict[str, float]:
        """Take one step down the loss; return its parts as figures."""
        optimizer.zero_grad()
        self.accelerator.backward(loss.total)
        figures = {name: part.item() for name, part in loss.parts.items()}
        if optimizer is self.optimizer_g and self.recipe.clip_gradient:
            norm = self.accelerator.clip_grad_norm_(self.ema.parameters, self.recipe.clip_gradient)
            figures["gradient"] = float(norm)
        optimizer.step()
        return figures

    @property
    def networks(self) -> Networks:
        """The networks as they were given, without the wrappers for several processes."""
        return Networks(*(self.accelerator.unwrap_model(network) for network in (self.generator, self.discriminator)))

    def over_processes(self, means: dict[str, float]) -> dict[str, float]:
        """Each figure's mean over the processes, the same in all of them: if one diverges, all stop."""
        if self.accelerator.num_processes == 1:
            return means
        values = torch.tensor(list(means.values()), dtype=torch.float64, device=self.accelerator.device)
        return dict(zip(means, self.accelerator.reduce(values, "mean").tolist(), strict=True))

    def resume(self) -> None:
        """Continue from ``checkpoint.pt`` if it exists.

        The length of the run may have changed meanwhile, as long as the learning rate has not begun to
        fall under either length: until then, all lengths give the same steps.

        Raises:
            TrainingError: as `Loop.resume`; or the processes find different checkpoints.
        """
        super().resume()
        if len(set(gather_object([self.step]))) > 1:
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
            "precision": "float32" if self.accelerator.mixed_precision == "no" else self.accelerator.mixed_precision,
            "processes": self.accelerator.num_processes,
            "steps": self.steps,
            "pictures": self.steps * self.recipe.batch_size,
            "photographs": self.sampler.photographs(self.steps),
            "seconds": round(self.seconds),
            "torch": torch.__version__,
        }

    def generator_state(self) -> dict[str, np.ndarray]:
        """The generator's tensors, without those of adapters beside it; after `run`, the averaged ones."""
        generator = self.networks.generator
        return _arrays(generator.generator if isinstance(generator, WithAdapters) else generator)

    def adapter_state(self, concept: str) -> dict[str, np.ndarray]:
        """The tensors of the adapter that was trained for a concept beside the generator, by PEFT's names."""
        adapter = self.networks.generator.adapter(concept)
        return {name: factor.detach().float().cpu().numpy() for name, factor in adapter.items()}

    def discriminator_state(self) -> dict[str, np.ndarray]:
        return _arrays(self.networks.discriminator)

    def state(self) -> dict[str, Any]:
        networks = self.networks
        return {
            "steps": self.steps,
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

    def refusal(self, state: dict[str, Any]) -> str | None:
        if not self._same_run(json.loads(state["recipe"]), state["steps"], state["step"]):
            return "made with another recipe"
        pairs = len(self.sampler.index)
        return None if state["pairs"] == pairs else f"made with {state['pairs']} pairs, but there are now {pairs}"

    def load_state(self, state: dict[str, Any]) -> None:
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

    def _same_run(self, recipe: dict[str, Any], steps: int, step: int) -> bool:
        def without_length(values: dict[str, Any]) -> str:
            return json.dumps({k: v for k, v in values.items() if k not in ("steps", "epochs")}, sort_keys=True)

        past = step > self.same_until * min(steps, self.steps)
        return without_length(recipe) == without_length(self.recipe.to_dict()) and (steps == self.steps or not past)

    @property
    def same_until(self) -> float:
        """The share of a run, 0 to 1, up to which a step is the same in runs of every length."""
        return min(self.recipe.lr_decay_from, self.recipe.warmup or 1.0, self.recipe.half_size or 1.0)

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
    def validate(self) -> dict[str, float]:
        """Measure the mean L1 of the averaged weights on about `VALIDATION` pairs; draw photos, teacher's and ours."""
        metrics: dict[str, float] = {}
        rows: list[list[Image.Image]] = []
        self.ema.swap()
        self.generator.eval()
        try:
            for concept in self.concepts:
                if not concept.val:
                    continue
                pairs = _spread(concept.val, max(2, VALIDATION // len(self.concepts)))
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
            draw_sheet(rows, self.folder / "grid.png")
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
