"""Training: discriminator and generator in turn; the generator that fools best is saved (paper, section 3)."""

from __future__ import annotations

import hashlib
import io
import math
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from e2gan.data.folders import Data, find_photos, folders_of, named
from e2gan.errors import DataError, E2GANError, E2GANWarning, ImageError, TrainingError
from e2gan.files import atomic_write
from e2gan.images import open_image
from e2gan.kept import digest_of
from e2gan.models.pixels import to_tensor
from e2gan.progress import Progress
from e2gan.training.losses import gan_loss
from e2gan.training.metrics import cut_metrics, device_name, draw_metrics, log_metrics
from e2gan_ssd.models import LATENT, SIDE, Discriminator, Generator, variant
from e2gan_ssd.sampling import MODEL, draw_grid, pictures, read_model, write_model

__all__ = ["LAST", "Settings", "read_photos", "train"]

CHECKPOINT, METRICS, LOSSES, SAMPLES = "checkpoint.pt", "metrics.jsonl", "losses.png", "samples.png"
LAST, LAST_SAMPLES = "last.safetensors", "samples-last.png"
"""The generator after the last epoch: the paper's rule can keep one of an early epoch, whose discriminator was still
easily fooled."""

PLOTTED = ("generator", "discriminator", "val_generator")

GAN = "vanilla"
"""The paper's loss: binary cross-entropy."""

VALIDATION = 256
"""Number of latents for the validation loss, which no step trains on."""

CHECKPOINT_EVERY = 60.0
"""Seconds."""

SHOWN = 36
"""Pictures on the sheet of samples."""


@dataclass(frozen=True)
class Settings:
    """The settings of a run; the defaults are the paper's."""

    model: str = "ssd"
    """One of `e2gan_ssd.models.VARIANTS`."""
    epochs: int = 20
    batch_size: int = 32
    learning_rate: float = 5e-4
    betas: tuple[float, float] = (0.5, 0.999)
    share: float = 1.0
    """Share of the photos to train on, 0 to 1."""
    seed: int = 0

    def __post_init__(self) -> None:
        variant(self.model)
        if self.epochs < 1 or self.batch_size < 2:
            raise E2GANError("training needs at least one epoch and two pictures in each step")
        if not 0 < self.share <= 1:
            raise E2GANError(f"the share of the photos must be more than 0 and at most 1, not {self.share}")


def read_photos(data: Data, progress: Progress) -> np.ndarray:
    """The photos in a folder, or several, as (N, 64, 64, 3) uint8: the middle square of each, made smaller bilinearly.

    If a folder has subfolders train, val and test, only train is read.  A photo that cannot be read is left
    out, with a warning.

    Raises:
        DataError: fewer than two can be read.
    """
    files: list[Path] = []
    for folder in folders_of(data):
        parted = (folder / "train").is_dir()
        files += [photo for split, photo in find_photos(folder) if split == "train" or not parted]
    arrays = []
    for number, photo in enumerate(files, start=1):
        try:
            square = ImageOps.fit(open_image(photo, opaque=True), (SIDE, SIDE), Image.Resampling.BILINEAR)
        except ImageError as error:
            warnings.warn(E2GANWarning(f"{error}: left out"), stacklevel=2)
        else:
            arrays.append(np.asarray(square))
        progress.advance(number, len(files), {})
    if len(arrays) < 2:
        raise DataError(f"{named(data)}: training needs at least two photos, but {len(arrays)} can be read")
    return np.stack(arrays)


def train(
    photos: np.ndarray,
    settings: Settings,
    folder: Path,
    *,
    device: str | None = None,
    progress: Progress | None = None,
    checkpoint_every: float = CHECKPOINT_EVERY,
) -> Path:
    """Train on (N, 64, 64, 3) uint8; a stopped run continues, and a finished run is not repeated.

    Returns:
        The model's file in ``folder``, beside the last epoch's model, the metrics, their plot and sheets of samples.

    Raises:
        TrainingError: a loss is not finite, or the checkpoint in ``folder`` belongs to another run.
    """
    progress = progress or Progress()
    order = np.random.default_rng((settings.seed, 2)).permutation(len(photos))
    photos = photos[np.sort(order[: max(2, math.ceil(settings.share * len(photos)))])]
    run = _Run(photos, settings, folder, device)
    if run.finished():
        progress.stage("train: unchanged")
        return folder / MODEL
    folder.mkdir(parents=True, exist_ok=True)
    run.resume()
    progress.stage(f"train on {len(photos)} photos")
    started, before = time.monotonic(), run.seconds
    saved = started
    while run.step < run.steps:
        metrics = run.train_step()
        run.step += 1
        run.seconds = before + time.monotonic() - started
        log_metrics(folder / METRICS, {"step": run.step, **metrics})
        progress.advance(run.step, run.steps, metrics)
        if run.step % run.steps_per_epoch == 0:
            run.end_epoch()
        if time.monotonic() - saved > checkpoint_every:
            run.save()
            saved = time.monotonic()
    return run.finish()


class _Run:
    """The state of a training, which a checkpoint holds."""

    def __init__(self, photos: np.ndarray, settings: Settings, folder: Path, device: str | None) -> None:
        self.photos, self.settings, self.folder = photos, settings, folder
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.batch_size = min(settings.batch_size, len(photos))
        self.steps_per_epoch = len(photos) // self.batch_size
        self.steps = settings.epochs * self.steps_per_epoch
        # The same model on the same photos makes the same run.
        self.identity = digest_of(
            {"settings": asdict(settings), "photos": hashlib.sha256(photos.tobytes()).hexdigest()}
        )
        torch.manual_seed(settings.seed)
        parts = variant(settings.model)
        self.generator = Generator(parts).to(self.device)
        self.discriminator = Discriminator(parts).to(self.device)
        self.optimizer_g, self.optimizer_d = (
            torch.optim.Adam(model.parameters(), settings.learning_rate, settings.betas)
            for model in (self.generator, self.discriminator)
        )
        self.step, self.seconds = 0, 0.0
        self.best, self.best_loss, self.best_epoch = self._generator_state(), math.inf, 0

    def train_step(self) -> dict[str, float]:
        """One batch of photos: the discriminator's update, then the generator's."""
        epoch, place = divmod(self.step, self.steps_per_epoch)
        order = np.random.default_rng((self.settings.seed, 0, epoch)).permutation(len(self.photos))
        chosen = order[place * self.batch_size : (place + 1) * self.batch_size]
        real = to_tensor(self.photos[chosen]).to(self.device)
        z = self._latents((self.settings.seed, 1, self.step), len(real))
        fake = self.generator(z)

        self.optimizer_d.zero_grad()
        loss_d = gan_loss(self.discriminator(real), True, GAN) + gan_loss(self.discriminator(fake.detach()), False, GAN)
        loss_d.backward()
        self.optimizer_d.step()

        self.optimizer_g.zero_grad()
        loss_g = gan_loss(self.discriminator(fake), True, GAN)
        loss_g.backward()
        self.optimizer_g.step()
        metrics = {"generator": loss_g.item(), "discriminator": loss_d.item()}
        if not all(map(math.isfinite, metrics.values())):
            raise TrainingError(f"the loss is not finite at step {self.step + 1}", hint="lower the learning rate")
        return metrics

    @torch.no_grad()
    def end_epoch(self) -> None:
        """Measure on separate latents, save the generator if none was better, and draw samples."""
        epoch = self.step // self.steps_per_epoch
        z = self._latents((self.settings.seed, 3), VALIDATION)
        self.generator.eval()
        self.discriminator.eval()
        loss = np.mean([gan_loss(self.discriminator(self.generator(part)), True, GAN).item() for part in z.split(64)])
        self.generator.train()
        self.discriminator.train()
        if loss < self.best_loss:
            self.best, self.best_loss, self.best_epoch = self._generator_state(), float(loss), epoch
        row = {"step": self.step, "epoch": epoch, "seconds": round(self.seconds, 1), "val_generator": float(loss)}
        log_metrics(self.folder / METRICS, row)
        self.save()
        draw_metrics(self.folder / METRICS, self.folder / LOSSES, PLOTTED)

    def finish(self) -> Path:
        """Write the best generator and the last, draw their samples, and delete the checkpoint."""
        record = {
            "run": self.identity,
            "settings": asdict(self.settings),
            "photos": len(self.photos),
            "best_epoch": self.best_epoch,
            "val_generator": self.best_loss,
            "steps": self.steps,
            "seconds": round(self.seconds),
            "device": device_name(self.device),
            "torch": torch.__version__,
        }
        # The model is written last: it marks the run as finished.
        for state, epoch, name, sheet in (
            (self._generator_state(), self.settings.epochs, LAST, LAST_SAMPLES),
            (self.best, self.best_epoch, MODEL, SAMPLES),
        ):
            path = self.folder / name
            write_model(path, self.settings.model, state, {**record, "epoch": epoch})
            draw_grid(pictures(read_model(path), range(SHOWN)), self.folder / sheet)
        (self.folder / CHECKPOINT).unlink(missing_ok=True)
        return path

    def finished(self) -> bool:
        path = self.folder / MODEL
        return path.is_file() and read_model(path).record.get("run") == self.identity

    def save(self) -> None:
        state = {
            "run": self.identity,
            "step": self.step,
            "seconds": self.seconds,
            "generator": self.generator.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "optimizer_g": self.optimizer_g.state_dict(),
            "optimizer_d": self.optimizer_d.state_dict(),
            "best": self.best,
            "best_loss": self.best_loss,
            "best_epoch": self.best_epoch,
        }
        buffer = io.BytesIO()
        torch.save(state, buffer)
        atomic_write(self.folder / CHECKPOINT, buffer.getvalue())

    def resume(self) -> None:
        path = self.folder / CHECKPOINT
        if not path.is_file():
            cut_metrics(self.folder / METRICS, -1)
            return
        hint = f"delete {path} to start over, or choose another folder"
        try:
            state: dict[str, Any] = torch.load(path, map_location=self.device, weights_only=True)
            same = state["run"] == self.identity
        except Exception as error:  # torch.load has no exception class of its own
            raise TrainingError(f"{path}: cannot be read ({error})", hint=hint) from error
        if not same:
            raise TrainingError(f"{path}: was made with other settings or other photos", hint=hint)
        self.generator.load_state_dict(state["generator"])
        self.discriminator.load_state_dict(state["discriminator"])
        self.optimizer_g.load_state_dict(state["optimizer_g"])
        self.optimizer_d.load_state_dict(state["optimizer_d"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.best, self.best_loss, self.best_epoch = state["best"], state["best_loss"], state["best_epoch"]
        cut_metrics(self.folder / METRICS, self.step)

    def _latents(self, seed: Sequence[int], count: int) -> Tensor:
        drawn = np.random.default_rng(seed).standard_normal((count, LATENT), np.float32)
        return torch.from_numpy(drawn).to(self.device)

    def _generator_state(self) -> dict[str, Tensor]:
        return {name: tensor.detach().cpu().clone() for name, tensor in self.generator.state_dict().items()}
