"""Editors on OpenVINO of tiny bases, each compiled once, in a cache of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from e2gan.base import Base
from e2gan.concept import Concept
from e2gan.editor import Editor
from e2gan.models.layout import Ranks
from tests.editor.tiny import DRAWING, MIXED, PAINTING, write_tiny_concept

TONE = {"red": [0.9, 0.1, 0.0, 0.2], "blue": [0.0, 0.1, 0.6, -0.2]}


@pytest.fixture(scope="session")
def on_openvino(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Editor]:
    """An editor of a base, whose compiled network goes to no cache of the person's who runs the tests."""

    def start(base: Base, precision: str = "float32") -> Editor:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
            return Editor(base, backend="openvino", dtype=precision, threads=1)

    return start


@pytest.fixture(scope="session")
def openvino_editor(base: Base, on_openvino: Callable[..., Editor]) -> Editor:
    return on_openvino(base)


@pytest.fixture(scope="session")
def new_openvino_editor(new_base: Base, on_openvino: Callable[..., Editor]) -> Editor:
    return on_openvino(new_base)


@pytest.fixture(scope="session")
def editor(base: Base) -> Editor:
    return Editor(base, device="cpu", dtype=torch.float32)


@pytest.fixture(scope="session")
def new_editor(new_base: Base) -> Editor:
    return Editor(new_base, device="cpu", dtype=torch.float32)


@pytest.fixture(scope="session")
def concepts(tmp_path_factory: pytest.TempPathFactory, base: Base) -> list[Concept]:
    """Each keeps something else of the photo; their prompts have different lengths."""
    folder = tmp_path_factory.mktemp("concepts")
    return [
        write_tiny_concept(folder / "paint", base, seed=1),
        write_tiny_concept(folder / "winter", base, seed=2, tokens=5, keeps="detail", tone=TONE),
        write_tiny_concept(folder / "glow", base, seed=3, tokens=1, keeps="colour", tone=TONE),
        write_tiny_concept(folder / "dim", base, seed=4, keeps="light", noise=0.1),
    ]


@pytest.fixture(scope="session")
def new_concepts(tmp_path_factory: pytest.TempPathFactory, new_base: Base) -> list[Concept]:
    """Of a base with skips and smoothing: one with no skips, one with a mixture, one with all."""
    folder: Path = tmp_path_factory.mktemp("concepts")
    ranks = Ranks((2, 3, 5, 4), 3)
    return [
        write_tiny_concept(folder / "painting", new_base, seed=1, **PAINTING),
        write_tiny_concept(folder / "mixed", new_base, seed=2, tokens=5, tone=TONE, **MIXED),
        write_tiny_concept(folder / "drawing", new_base, seed=3, tokens=1, ranks=ranks, **DRAWING),
    ]
