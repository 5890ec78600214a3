"""A trained generator's file, and the pictures it makes.

The file is safetensors; its header's ``model`` names the variant, ``record`` is JSON about the training.
A seed names a picture: the same seed and the same model make the same picture.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from e2gan.drawing import picture_grid
from e2gan.errors import BaseModelError, E2GANError
from e2gan.files import atomic_path, atomic_write
from e2gan.models.pixels import to_images
from e2gan.models.weights import load_weights
from e2gan_ssd.models import LATENT, VARIANTS, Generator, variant

__all__ = [
    "MODEL",
    "Model",
    "direction",
    "draw_gif",
    "draw_grid",
    "latents",
    "path_between",
    "pictures",
    "read_model",
    "render",
    "write_model",
]

MODEL = "model.safetensors"
"""Name of a model's file in its folder."""

AT_ONCE = 64
"""Pictures in one batch."""

SHOWN_SIDE = 128
"""Side of a picture on sheets and in animations, in pixels."""

FRAME = 80
"""Milliseconds for each picture of an animation."""


@dataclass(frozen=True, eq=False)
class Model:
    """A trained generator."""

    variant: str
    generator: Generator
    """In evaluation mode, on the CPU."""
    record: dict[str, Any]
    """The record of its training: settings, device and time."""


def write_model(path: Path, name: str, state: dict[str, Tensor], record: dict[str, Any]) -> None:
    """Write a generator's tensors, completely or not at all."""
    from safetensors.torch import save

    atomic_write(path, save(state, metadata={"model": name, "record": json.dumps(record)}))


def read_model(path: Path) -> Model:
    """Read a model from its file, or from the folder that its training made.

    Raises:
        BaseModelError: the file is missing or malformed.
    """
    from safetensors import SafetensorError, safe_open

    path = path / MODEL if path.is_dir() else path
    if not path.is_file():
        raise BaseModelError(f"{path}: no such model", hint="e2gan ssd train makes one")
    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            finite = all(np.isfinite(file.get_tensor(name)).all() for name in file.keys())  # noqa: SIM118 (not a dict)
        record = json.loads(header.get("record", "{}"))
    except (OSError, SafetensorError, ValueError, TypeError, RecursionError) as error:
        raise BaseModelError(f"{path}: cannot be read as a model ({error})") from error
    name = header.get("model")
    if name not in VARIANTS or not isinstance(record, dict):
        raise BaseModelError(f"{path}: not a model of this program: its header names none of {', '.join(VARIANTS)}")
    if not finite:
        raise BaseModelError(f"{path}: holds a value that is not finite")
    generator = Generator(variant(name))
    load_weights(generator, path)
    return Model(name, generator.eval(), record)


def latents(seeds: Iterable[int]) -> Tensor:
    """The z of each seed: (N, 100)."""
    return torch.from_numpy(
        np.stack([np.random.default_rng(seed).standard_normal(LATENT, np.float32) for seed in seeds])
    )


@torch.inference_mode()
def render(model: Model, z: Tensor) -> list[Image.Image]:
    """z (N, 100) to N pictures of 64 × 64 pixels."""
    return [picture for part in z.split(AT_ONCE) for picture in to_images(model.generator(part))]


def pictures(model: Model, seeds: Iterable[int]) -> list[Image.Image]:
    """The picture of each seed."""
    return render(model, latents(seeds))


def direction(plus: Sequence[int], minus: Sequence[int]) -> Tensor:
    """The direction in z from the pictures of some seeds to those of others: (100,), the difference of their means.

    Raises:
        E2GANError: one side is empty.
    """
    if not plus or not minus:
        raise E2GANError("a direction needs seeds on both sides", hint="give --minus and --plus")
    return latents(plus).mean(0) - latents(minus).mean(0)


def path_between(start: Tensor, end: Tensor, steps: int) -> Tensor:
    """(steps, 100) from one z to another, both included, each as long as those that the generator was trained on.

    A straight line between two random z passes too near the middle, where no training picture is, so the points
    between them are moved to the sphere (Shoemake, 1985).
    """
    share = torch.linspace(0, 1, steps)[:, None]
    a, b = start / start.norm(), end / end.norm()
    angle = torch.arccos((a @ b).clamp(-1, 1))
    if angle < 1e-4:
        return torch.lerp(start, end, share)
    around = (torch.sin((1 - share) * angle) * a + torch.sin(share * angle) * b) / torch.sin(angle)
    return around * torch.lerp(start.norm(), end.norm(), share)


def draw_grid(made: Sequence[Image.Image], path: Path, columns: int | None = None, titles: Sequence[str] = ()) -> None:
    """Pictures in rows, as a PNG; by default about as many rows as columns."""
    grid = picture_grid(
        [picture.resize((SHOWN_SIDE, SHOWN_SIDE), Image.Resampling.BICUBIC) for picture in made],
        columns or max(1, round(len(made) ** 0.5)),
        titles=titles,
        gap=4,
    )
    with atomic_path(path) as temporary:
        grid.save(temporary, format="PNG")


def draw_gif(rows: Sequence[Sequence[Image.Image]], path: Path) -> None:
    """An endless animation, forward and back: the rows side by side, each showing its pictures in turn."""
    frames = []
    for pictures_now in zip(*rows, strict=True):
        frame = Image.new("RGB", (SHOWN_SIDE * len(rows), SHOWN_SIDE))
        for place, picture in enumerate(pictures_now):
            frame.paste(picture.resize((SHOWN_SIDE, SHOWN_SIDE), Image.Resampling.BICUBIC), (place * SHOWN_SIDE, 0))
        frames.append(frame)
    frames += frames[-2:0:-1]
    with atomic_path(path) as temporary:
        frames[0].save(temporary, format="GIF", save_all=True, append_images=frames[1:], duration=FRAME, loop=0)
