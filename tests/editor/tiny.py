"""A tiny base with random weights, and concepts for it: enough to edit with, in milliseconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from e2gan.base import Base, write_base
from e2gan.concept import Concept, write_concept
from e2gan.models.generator import Generator
from e2gan.models.layout import NO_SKIPS, GeneratorConfig, Ranks, Skips, adapter_shapes

CONFIG = GeneratorConfig(prompt_dim=16, width=8, res_blocks=1, tb_positions=(1,))
NEW = replace(CONFIG, skips=True, smoothing="mean")
"""The layout with all that the paper's has not."""

PAINTING: dict[str, Any] = {"skips": (0.0, 0.0, 0.0), "noise": 0.06}
MIXED: dict[str, Any] = {"skips": (0.25, 0.5, 1.0), "noise": 0.1, "keeps": "colour"}
DRAWING: dict[str, Any] = {"skips": (1.0, 1.0, 1.0)}
"""What concepts of that layout may say."""


def write_tiny_base(folder: Path, config: GeneratorConfig = CONFIG, *, id: str = "tiny", seed: int = 0) -> Base:
    torch.manual_seed(seed)
    generator = Generator(config)
    return write_base(
        folder,
        id=id,
        title=id.title(),
        version="1.0.0",
        license="apache-2.0",
        config=config,
        generator={name: value.numpy() for name, value in generator.state_dict().items()},
    )


def write_tiny_concept(
    folder: Path,
    base: Base,
    *,
    seed: int = 1,
    tokens: int = 3,
    trained: bool = True,
    keeps: str = "nothing",
    tone: dict[str, list[float]] | None = None,
    ranks: Ranks | None = None,
    skips: Skips = NO_SKIPS,
    noise: float = 0.0,
) -> Concept:
    """A concept named as its folder; its adapter is random, and large enough to be seen."""
    random = np.random.default_rng(seed)
    more: dict[str, Any] = {}
    if skips != NO_SKIPS:
        more["skips"] = list(skips)
    if noise:
        more["noise"] = noise
    training = {}
    if ranks is not None:
        training["training"] = {"ranks": list(ranks.sampling), "transformer_rank": ranks.transformer}
    shapes = adapter_shapes(CONFIG, ranks or Ranks())
    return write_concept(
        folder,
        manifest={
            "schema": 1,
            "id": folder.name,
            "title": folder.name.title(),
            "version": "1.2.0",
            "prompt": f"in the style of {folder.name}",
            "license": "apache-2.0",
            "keeps": keeps,
            **more,
            "base": {"id": base.id, "sha256": base.sha256},
            "tone": tone or {},
            "recipe": {"teacher": "grade", "teacher_options": {"name": folder.name}, **training},
        },
        tensors={k: random.normal(0, 0.3, s).astype("f4") for k, s in shapes.items()} if trained else None,
        prompt=random.normal(size=(tokens, CONFIG.prompt_dim)).astype("f4") if trained else None,
    )


def photo(width: int = 48, height: int = 40, seed: int = 0) -> np.ndarray:
    """(height, width, 3) uint8: soft shapes with some grain."""
    from PIL import Image

    random = np.random.default_rng(seed)
    shapes = Image.fromarray(random.integers(0, 256, (5, 6, 3), dtype=np.uint8)).resize((width, height))
    grain = random.integers(-8, 9, (height, width, 3))
    return (np.asarray(shapes).astype(int) + grain).clip(0, 255).astype(np.uint8)
