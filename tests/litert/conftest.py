"""Concepts of tiny bases, and their editors."""

from __future__ import annotations

import pytest
import torch

from e2gan.base import Base
from e2gan.concept import Concept
from e2gan.editor import Editor
from tests.editor.tiny import MIXED, write_tiny_concept

TONE = {"red": [0.9, 0.1, 0.0, 0.2], "blue": [0.0, 0.1, 0.6, -0.2]}


@pytest.fixture(scope="session")
def winter(tmp_path_factory: pytest.TempPathFactory, base: Base) -> Concept:
    """Of the paper's layout; it keeps the photo's detail."""
    return write_tiny_concept(tmp_path_factory.mktemp("old") / "winter", base, seed=2, keeps="detail", tone=TONE)


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory, new_base: Base) -> Concept:
    """Of the new layout; it has skips, noise and the photo's colour."""
    return write_tiny_concept(tmp_path_factory.mktemp("new") / "mixed", new_base, seed=1, tone=TONE, **MIXED)


@pytest.fixture(scope="session")
def editor(base: Base) -> Editor:
    return Editor(base, device="cpu", dtype=torch.float32)


@pytest.fixture(scope="session")
def new_editor(new_base: Base) -> Editor:
    return Editor(new_base, device="cpu", dtype=torch.float32)
