"""Models of a tiny base's concepts, each traced once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from PIL import Image

from e2gan.base import Base
from e2gan.concept import Concept
from e2gan.editor import Editor
from e2gan.models.layout import Ranks
from e2gan_onnx.export import export
from e2gan_onnx.graph import PHOTO
from e2gan_onnx.options import OPSETS
from e2gan_onnx.photos import as_input
from e2gan_onnx.swap import export_swappable
from tests.editor.tiny import DRAWING, MIXED, PAINTING, photo, write_tiny_concept

TONE = {"red": [0.9, 0.1, 0.0, 0.2], "blue": [0.0, 0.1, 0.6, -0.2]}

Edit = Callable[[np.ndarray], np.ndarray]


def pictures(width: int, height: int, count: int = 1) -> list[Image.Image]:
    return [Image.fromarray(photo(width, height, seed)) for seed in range(count)]


def inputs(width: int, height: int, count: int = 1) -> list[dict[str, np.ndarray]]:
    """Pictures, as a model takes them."""
    return [{PHOTO: as_input(picture)} for picture in pictures(width, height, count)]


@pytest.fixture(scope="session")
def concepts(tmp_path_factory: pytest.TempPathFactory, base: Base) -> dict[str, Concept]:
    """One for each of some kinds of what is kept; with prompts of different lengths."""
    folder = tmp_path_factory.mktemp("concepts")
    return {
        "paint": write_tiny_concept(folder / "paint", base, seed=1),
        "winter": write_tiny_concept(folder / "winter", base, seed=2, tokens=5, keeps="detail", tone=TONE),
        "glow": write_tiny_concept(folder / "glow", base, seed=3, tokens=1, keeps="colour", tone=TONE),
    }


@pytest.fixture(scope="session")
def editor(base: Base) -> Editor:
    return Editor(base, device="cpu", dtype=torch.float32)


@pytest.fixture(scope="session")
def models(run_folder: Path, base: Base, concepts: dict[str, Concept], editor: Editor) -> dict[str, Path]:
    """An exported file of each concept but the last, which takes float32, checked."""
    files = {name: run_folder / "models" / f"{name}.onnx" for name in ("paint", "winter")}
    with FileLock(run_folder / "models.lock"):
        for name, file in files.items():
            if not file.exists():
                export(concepts[name], base, file, io="float32", editor=editor)
    return files


@pytest.fixture(scope="session")
def swappable(run_folder: Path, base: Base, concepts: dict[str, Concept]) -> Path:
    """The folder of the base's part and each concept's."""
    folder = run_folder / "swappable"
    with FileLock(run_folder / "swappable.lock"):
        if not folder.exists():
            export_swappable(list(concepts.values()), base, folder, opset=OPSETS[0])
    return folder


@pytest.fixture(scope="session")
def new_concepts(tmp_path_factory: pytest.TempPathFactory, new_base: Base) -> dict[str, Concept]:
    """Of a base with skips, smoothing and noise: one with no skips, one with a mixture, one with all."""
    folder = tmp_path_factory.mktemp("concepts")
    ranks = Ranks((2, 3, 5, 4), 3)
    return {
        "painting": write_tiny_concept(folder / "painting", new_base, seed=1, **PAINTING),
        "mixed": write_tiny_concept(folder / "mixed", new_base, seed=2, tokens=5, tone=TONE, **MIXED),
        "drawing": write_tiny_concept(folder / "drawing", new_base, seed=3, tokens=1, ranks=ranks, **DRAWING),
    }


@pytest.fixture(scope="session")
def new_editor(new_base: Base) -> Editor:
    return Editor(new_base, device="cpu", dtype=torch.float32)


@pytest.fixture(scope="session")
def new_swappable(run_folder: Path, new_base: Base, new_concepts: dict[str, Concept]) -> Path:
    """The folder of the newer base's part and each concept's."""
    folder = run_folder / "new-swappable"
    with FileLock(run_folder / "new-swappable.lock"):
        if not folder.exists():
            export_swappable(list(new_concepts.values()), new_base, folder, opset=OPSETS[0])
    return folder


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all processes of this run share, for what takes seconds to make."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent
