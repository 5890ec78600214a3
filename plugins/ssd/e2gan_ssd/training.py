"""Training: discriminator and generator in turn; the generator that fools best is saved (paper, section 3)."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from e2gan.data.folders import Data, find_photos, folders_of, named
from e2gan.errors import DataError, E2GANError, E2GANWarning, ImageError
from e2gan.images import open_image
from e2gan.kept import digest_of
from e2gan.models.pixels import to_tensor
from e2gan.progress import Progress
from e2gan.training.loop import CHECKPOINT, CHECKPOINT_EVERY, Loop
from e2gan.training.losses import gan_loss
from e2gan.training.metrics import device_name
from e2gan_ssd.models import LATENT, SIDE, Discriminator, Generator, variant
from e2gan_ssd.sampling import MODEL, draw_grid, pictures, read_model, write_model

__all__ = ["LAST", "Settings", "read_photos", "train"]

SAMPLES, LAST, LAST_SAMPLES = "samples.png", "last.safetensors", "samples-last.png"
"""The generator after the last epoch: the paper's rule can keep one of an early epoch, whose discriminator was still
easily fooled."""

GAN = "vanilla"
"""The paper's loss: binary cross-entropy."""

VALIDATION = 256
"""Number of latents for the validation loss, which no step trains on."""

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
    trainer = Trainer(photos, settings, folder, device, checkpoint_every=checkpoint_every, report=progress.advance)
    if trainer.finished():
        progress.stage("train: unchanged")
    else:
        progress.stage(f"train on {len(photos)} photos")
        trainer.run()
        trainer.finish()
    return folder / MODEL


class Trainer(Loop):
    """Trains a model on (N, 64, 64, 3) uint8; the arguments are those of `train` and `Loop`."""

    plotted = ("generator", "discriminator", "val_generator")

    def __init__(
        self,
        photos: np.ndarray,
        settings: Settings,
        folder: Path,
        device: str | None,
        *,
        checkpoint_every: float,
        report: Callable[[int, int, dict[str, float]], None],
    ) -> None:
        self.photos, self.settings = photos, settings
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.batch_size = min(settings.batch_size, len(photos))
        self.steps_per_epoch = len(photos) // self.batch_size
        steps = settings.epochs * self.steps_per_epoch
        super().__init__(folder, steps, checkpoint_every=checkpoint_every, report=report)
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
        return {"generator": loss_g.item(), "discriminator": loss_d.item()}

    @torch.no_grad()
    def after_step(self) -> None:
        """At the end of an epoch, measure on separate latents, and keep the generator if none was better."""
        epoch, place = divmod(self.step, self.steps_per_epoch)
        if place:
            return
        z = self._latents((self.settings.seed, 3), VALIDATION)
        self.generator.eval()
        self.discriminator.eval()
        loss = np.mean([gan_loss(self.discriminator(self.generator(part)), True, GAN).item() for part in z.split(64)])
        self.generator.train()
        self.discriminator.train()
        if loss < self.best_loss:
            self.best, self.best_loss, self.best_epoch = self._generator_state(), float(loss), epoch
        self.log({"epoch": epoch, "val_generator": float(loss)})

    def finish(self) -> None:
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

    def finished(self) -> bool:
        path = self.folder / MODEL
        return path.is_file() and read_model(path).record.get("run") == self.identity

    def state(self) -> dict[str, Any]:
        return {
            "run": self.identity,
            "generator": self.generator.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "optimizer_g": self.optimizer_g.state_dict(),
            "optimizer_d": self.optimizer_d.state_dict(),
            "best": self.best,
            "best_loss": self.best_loss,
            "best_epoch": self.best_epoch,
        }

    def refusal(self, state: dict[str, Any]) -> str | None:
        return None if state["run"] == self.identity else "made with other settings or other photos"

    def load_state(self, state: dict[str, Any]) -> None:
        self.generator.load_state_dict(state["generator"])
        self.discriminator.load_state_dict(state["discriminator"])
        self.optimizer_g.load_state_dict(state["optimizer_g"])
        self.optimizer_d.load_state_dict(state["optimizer_d"])
        self.best, self.best_loss, self.best_epoch = state["best"], state["best_loss"], state["best_epoch"]

    def _latents(self, seed: Sequence[int], count: int) -> Tensor:
        drawn = np.random.default_rng(seed).standard_normal((count, LATENT), np.float32)
        return torch.from_numpy(drawn).to(self.device)

    def _generator_state(self) -> dict[str, Tensor]:
        return {name: tensor.detach().cpu().clone() for name, tensor in self.generator.state_dict().items()}
