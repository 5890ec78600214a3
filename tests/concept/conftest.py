"""A tiny base, and bundles for it that the tests then damage."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from e2gan.base import Base, write_base
from e2gan.concept import Concept, write_concept
from e2gan.models.layout import GeneratorConfig, Ranks, adapter_shapes

CONFIG = GeneratorConfig(prompt_dim=16, width=8, res_blocks=1, tb_positions=(1,))
RANKS = Ranks((1, 2, 2, 2), 1)


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    """A base whose weights do not matter: bundles are checked against its manifest alone."""
    return write_base(
        tmp_path_factory.mktemp("base") / "tiny",
        id="tiny",
        title="Tiny",
        version="1.0.0",
        license="apache-2.0",
        config=CONFIG,
        generator={"weight": np.ones((2, 2), np.float32)},
    )


@pytest.fixture
def manifest(base: Base) -> dict[str, Any]:
    """A whole ``concept.toml``, to change at will."""
    return {
        "schema": 1,
        "id": "vangogh",
        "title": "Van Gogh",
        "version": "1.0.0",
        "prompt": "a painting in the style of Vincent van Gogh",
        "license": "apache-2.0",
        "authors": ["A. Nyone"],
        "base": {"id": "tiny", "sha256": base.sha256},
        "recipe": {
            "teacher": "magenta-multistyle",
            "source": "scenery256",
            "teacher_options": {"style": 19},
            "selection": {"method": "similarity-clustering", "clusters": 400, "embedder": "efficientnet-lite0"},
            "training": {"seed": 0, "epochs": 100, "ranks": list(RANKS.sampling), "transformer_rank": 1},
        },
        "quality": {"l1_ratio": 0.5, "efficientnet-lite0": {"fid_ratio": 0.4}},
        "training": {"device": "cpu", "seconds": 12.5, "steps": 100},
    }


@pytest.fixture
def tensors() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {name: random.normal(size=shape).astype("f4") for name, shape in adapter_shapes(CONFIG, RANKS).items()}


@pytest.fixture
def prompt() -> np.ndarray:
    return np.arange(3 * 16, dtype=np.float32).reshape(3, 16)


@pytest.fixture
def webp() -> bytes:
    return b"RIFF" + (12).to_bytes(4, "little") + b"WEBPVP8L" + bytes(4)


@pytest.fixture
def write(
    tmp_path: Path, manifest: dict[str, Any], tensors: dict[str, np.ndarray], prompt: np.ndarray, webp: bytes
) -> Callable[..., Concept]:
    """Write a sound trained bundle, or one changed by keyword."""

    def write(folder: Path | None = None, **changes: Any) -> Concept:
        whole = {"manifest": copy.deepcopy(manifest), "tensors": tensors, "prompt": prompt, "preview": webp}
        return write_concept(folder or tmp_path / "bundle", **{**whole, **changes})

    return write


@pytest.fixture
def bundle(write: Callable[..., Concept]) -> Path:
    """The folder of a sound trained bundle."""
    return write().path
