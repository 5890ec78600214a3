"""Photos to learn from, and a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from e2gan_ssd import training
from e2gan_ssd.models import Generator, variant
from e2gan_ssd.sampling import write_model
from e2gan_ssd.training import Settings


def blobs(count: int, seed: int = 0) -> np.ndarray:
    """(count, 64, 64, 3) uint8: a bright disc somewhere on a dark ground."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :64]
    pictures = np.full((count, 64, 64, 3), 30, np.uint8)
    for picture in pictures:
        centre, radius = rng.integers(16, 48, 2), rng.integers(8, 16)
        picture[(x - centre[0]) ** 2 + (y - centre[1]) ** 2 < radius**2] = rng.integers(150, 255, 3)
    return pictures


@pytest.fixture(scope="session")
def photos() -> np.ndarray:
    return blobs(12)


@pytest.fixture
def folder(tmp_path: Path, photos: np.ndarray) -> Path:
    """The photos as files."""
    (tmp_path / "photos").mkdir()
    for number, photo in enumerate(photos):
        Image.fromarray(photo).save(tmp_path / "photos" / f"{number:02}.png")
    return tmp_path / "photos"


@pytest.fixture
def short() -> Settings:
    """Four steps."""
    return Settings(epochs=2, batch_size=6)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an untrained model."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("ssd") / "model.safetensors"
    write_model(path, "ssd", Generator(variant("ssd")).state_dict(), {"run": "none"})
    return path


@pytest.fixture(autouse=True)
def few_latents(monkeypatch: pytest.MonkeyPatch) -> None:
    """Validation on these takes longer than a test's training."""
    monkeypatch.setattr(training, "VALIDATION", 4)
