"""A concept to train in a second or two: a tiny base, photos, a teacher, and stand-ins for what takes long."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps

from e2gan.base import Base, write_base
from e2gan.models.discriminator import Discriminator
from e2gan.models.generator import Generator
from e2gan.models.layout import GeneratorConfig
from e2gan.training import concept as training
from tests import throwaway

CONFIG = GeneratorConfig(prompt_dim=8, width=8, heads=2)

CONCEPT = """\
schema = 1
id = "negative"
title = "Negative"
version = "1.0.0"
prompt = "a photographic negative"   # in words
license = "apache-2.0"

[base]
id = "tiny"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"   # pinned by training

[recipe]
teacher = "edit"
[recipe.teacher_options]
name = "negative"
[recipe.selection]
method = "similarity-clustering"
clusters = 4   # of six
embedder = "tiny"
[recipe.training]
steps = 3
batch_size = 2
crop = 32
ranks = [1, 2, 2, 2]
"""

Edit = Callable[[Image.Image], Image.Image]

EDITS: dict[str, Edit] = {"negative": ImageOps.invert, "mirror": ImageOps.mirror}


class Tiny:
    """An embedder: the picture, 4×4."""

    def __call__(self, pictures: list[Image.Image]) -> np.ndarray:
        return np.stack([np.asarray(p.resize((4, 4)), np.float32).ravel() for p in pictures])


class Encoder:
    """A prompt encoder: random tokens, the same for the same prompt."""

    def encode(self, prompt: str) -> np.ndarray:
        return np.random.default_rng(len(prompt)).standard_normal((3, 8)).astype(np.float32)


def quality(editor: Any, concept: Any, test: list[Any], *, progress: Any, training_flops: int | None) -> Any:
    """In the place of `examine`."""
    return types.SimpleNamespace(
        quality={"pictures": len(test), "l1": 0.25}, examples=[], closeups=[], missing={}, unmeasured={}
    )


def page(folder: Path, *words: Any, **more: Any) -> Path:
    """In the place of `write_report`."""
    (folder / "report.html").write_text("a page")
    return folder / "report.html"


def install(edits: Mapping[str, Edit], **kinds: Mapping[str, Callable[..., Any]]) -> None:
    """Besides what is installed, offer the teacher "edit", which does the edit it is told, the embedder "tiny", and
    other kinds as `throwaway.offering` takes them."""
    throwaway.offer(teachers={"edit": lambda name: edits[name]}, embedders={"tiny": Tiny}, **kinds)


def stand_in(patch: Callable[[Any, str, Any], None]) -> None:
    """Put the stand-ins in place with ``patch(module, name, value)``, and install `EDITS`."""
    install(EDITS)
    patch(training, "PromptEncoder", Encoder)
    patch(training, "NETWORKS", {})
    patch(training, "examine", quality)
    patch(training, "write_report", page)


def tiny_base(folder: Path, width: int = 64, *, id: str = "tiny", seed: int = 0) -> Base:
    """A base, ready to train on, with a discriminator of some width."""
    torch.manual_seed(seed)
    generator, discriminator = Generator(CONFIG), Discriminator(width)
    generator.initialize()
    discriminator.initialize()
    return write_base(
        folder,
        id=id,
        title="Tiny",
        version="1.0.0",
        license="apache-2.0",
        config=CONFIG,
        generator={name: value.numpy() for name, value in generator.state_dict().items()},
        discriminator={name: value.numpy() for name, value in discriminator.state_dict().items()},
    )


def photos(folder: Path, side: int = 256, *, train: int = 6, val: int = 1, test: int = 2) -> Path:
    """So many squares in folders ``train``, ``val`` and ``test``."""
    rng = np.random.default_rng(0)
    for split, count in (("train", train), ("val", val), ("test", test)):
        (folder / split).mkdir(parents=True)
        for n in range(count):
            small = Image.fromarray(rng.integers(0, 256, (6, 6, 3), np.uint8))
            small.resize((side, side), Image.Resampling.BICUBIC).save(folder / split / f"{split}{n}.jpg")
    return folder


def distribution(folder: Path) -> Path:
    """A folder with the concept's bundle inside; the bundle."""
    bundle = folder / "e2gan_concept_negative" / "bundle"
    bundle.mkdir(parents=True)
    (bundle / "concept.toml").write_text(CONCEPT)
    return bundle
