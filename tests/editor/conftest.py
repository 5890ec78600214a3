"""One tiny base and two concepts for it, shared by the tests of this folder."""

from __future__ import annotations

import pytest
import torch

from e2gan.base import Base
from e2gan.concept import Concept
from e2gan.editor import Editor
from tests.editor.tiny import write_tiny_base, write_tiny_concept


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return write_tiny_base(tmp_path_factory.mktemp("bases") / "tiny")


@pytest.fixture(scope="session")
def dusk(tmp_path_factory: pytest.TempPathFactory, base: Base) -> Concept:
    return write_tiny_concept(tmp_path_factory.mktemp("concepts") / "dusk", base, seed=1)


@pytest.fixture(scope="session")
def dawn(tmp_path_factory: pytest.TempPathFactory, base: Base) -> Concept:
    return write_tiny_concept(tmp_path_factory.mktemp("concepts") / "dawn", base, seed=2, tokens=5)


@pytest.fixture(scope="session")
def editor(base: Base) -> Editor:
    return Editor(base, device="cpu", dtype=torch.float32)
