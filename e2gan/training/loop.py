"""The one training loop: steps, figures and checkpoints in a folder, for everything that is trained here."""

from __future__ import annotations

import io
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from e2gan.errors import TrainingError
from e2gan.files import atomic_write
from e2gan.models.pixels import as_reported
from e2gan.training.metrics import cut_metrics, draw_metrics, log_metrics

__all__ = ["CHECKPOINT", "CHECKPOINT_EVERY", "LOSSES", "METRICS", "Loop"]

CHECKPOINT, METRICS, LOSSES = "checkpoint.pt", "metrics.jsonl", "losses.png"

CHECKPOINT_EVERY = 120.0
"""Seconds."""

VALIDATING = 0.05
"""The largest share of the time for validation; where a validation takes long, not every checkpoint has one."""


class Loop(ABC):
    """A training, which continues where it was stopped; subclasses say what a step is, and what a checkpoint holds.

    Args:
        folder: where ``checkpoint.pt``, ``metrics.jsonl`` and ``losses.png`` go.
        steps: the length of the run.
        checkpoint_every: seconds between checkpoints.
        report: called with (step, steps, figures) after every step.
        writes: whether this process, of several, is the one that reports and writes.
    """

    plotted: ClassVar[Sequence[str]]
    """The figures in ``losses.png``."""

    def __init__(
        self,
        folder: Path,
        steps: int,
        *,
        checkpoint_every: float = CHECKPOINT_EVERY,
        report: Callable[[int, int, dict[str, float]], None] | None = None,
        writes: bool = True,
    ) -> None:
        self.folder = folder
        self.steps = steps
        self.checkpoint_every = checkpoint_every
        self.report = report
        self.writes = writes
        self.step = 0
        """Steps done."""
        self.seconds = 0.0
        """Time spent on them, over all sittings."""

    # What a training says

    @abstractmethod
    def train_step(self) -> dict[str, float]:
        """Do one step; return its figures, by name."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """What a resumed run needs, besides the step and the seconds."""

    @abstractmethod
    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave."""

    @abstractmethod
    def refusal(self, state: dict[str, Any]) -> str | None:
        """Why this run cannot continue a checkpoint; None if it can.  Any error means that it is damaged."""

    def after_step(self) -> None:  # noqa: B027, since most have nothing to do
        """Do what is due at the end of a step, such as the end of an epoch."""

    def validate(self) -> dict[str, float]:
        """Measure the networks and draw their pictures; the figures are logged.

        It is called at the end, and after checkpoints as far as `VALIDATING` allows."""
        return {}

    def over_processes(self, means: dict[str, float]) -> dict[str, float]:
        """The mean of figures over all processes."""
        return means

    # What they share

    def run(self) -> dict[str, float]:
        """Train to the end, from the last checkpoint if there is one.

        Returns:
            The last figures of `validate`.

        Raises:
            TrainingError: a loss is not finite, or the checkpoint belongs to another run.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.resume()
        started, before = time.monotonic(), self.seconds
        last_checkpoint = validated = started
        validation = 0.0
        window: dict[str, list[float]] = {}
        every = max(1, min(50, self.steps // 20))
        while self.step < self.steps:
            metrics = self.train_step()
            self.step += 1
            self.seconds = before + time.monotonic() - started
            for key, value in metrics.items():
                window.setdefault(key, []).append(value)
            if self.report is not None and self.writes:
                self.report(self.step, self.steps, as_reported(metrics))
            if self.step % every == 0 or self.step == self.steps:
                means = self.over_processes({key: float(np.mean(values)) for key, values in window.items()})
                if not all(math.isfinite(v) for v in means.values()):
                    raise TrainingError(f"the loss is not finite at step {self.step}", hint="lower the learning rate")
                self.log(means)
                window.clear()
            self.after_step()
            if time.monotonic() - last_checkpoint > self.checkpoint_every:
                self.save_checkpoint()
                last_checkpoint = time.monotonic()
                if validation <= VALIDATING * (last_checkpoint - validated):
                    self._validate()
                    validated = time.monotonic()
                    validation, last_checkpoint = validated - last_checkpoint, validated
                self.seconds = before + time.monotonic() - started
        self.save_checkpoint()
        return self._validate()

    def log(self, figures: dict[str, float]) -> None:
        """Add a row for the present step to the metrics."""
        if self.writes:
            log_metrics(self.folder / METRICS, {"step": self.step, "seconds": round(self.seconds, 1), **figures})

    def save_checkpoint(self) -> None:
        """Write everything that a resumed run needs, atomically, in the process that writes.

        The other processes may be at another step: their clocks may not ask for a checkpoint at all.
        """
        if not self.writes:
            return
        # Through memory, because torch.save's error for a full disk is incomprehensible.
        buffer = io.BytesIO()
        torch.save({"step": self.step, "seconds": self.seconds, **self.state()}, buffer)
        atomic_write(self.folder / CHECKPOINT, buffer.getvalue())

    def resume(self) -> None:
        """Continue from ``checkpoint.pt`` if it exists.

        Raises:
            TrainingError: the checkpoint cannot be read, or belongs to another run.
        """
        path = self.folder / CHECKPOINT
        if path.exists():
            hint = f"delete {path} to start over"
            try:
                state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
                refusal = self.refusal(state)
            except Exception as error:  # torch.load has no exception of its own
                raise TrainingError(f"{path}: cannot be read ({error})", hint=hint) from error
            if refusal:
                raise TrainingError(f"{path}: {refusal}", hint=hint)
            self.load_state(state)
            self.step, self.seconds = state["step"], state["seconds"]
        if self.writes:
            cut_metrics(self.folder / METRICS, self.step)

    def _validate(self) -> dict[str, float]:
        if not self.writes:
            return {}
        figures = self.validate()
        if figures:
            self.log(figures)
        draw_metrics(self.folder / METRICS, self.folder / LOSSES, self.plotted)
        return figures
