"""Packages of a tiny base's concepts, converted once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from e2gan.base import Base
from e2gan.concept import Concept
from e2gan_coreml.convert import write_package
from tests.cli.conftest import machine, run, site
from tests.editor.tiny import write_tiny_concept

__all__ = ["machine", "run", "site"]

SIZE = (64, 48)
LARGER = (48, 96)

TONE = {"red": [0.8, 0.3, -0.1, 0.05], "green": [0.1, 0.7, 0.1, -0.1], "blue": [-0.2, 0.1, 0.9, -0.2]}


@pytest.fixture(scope="session")
def concepts(tmp_path_factory: pytest.TempPathFactory, base: Base) -> dict[str, Concept]:
    """One for each of the things that an edit may keep, by that name; ``nothing`` has an id with a hyphen."""
    folder = tmp_path_factory.mktemp("concepts")
    return {
        "nothing": write_tiny_concept(folder / "old-photo", base, seed=1),
        **{
            keeps: write_tiny_concept(folder / keeps, base, seed=2 + i, tokens=4 + i, keeps=keeps, tone=TONE)
            for i, keeps in enumerate(("light", "colour", "detail"))
        },
    }


@pytest.fixture(scope="session")
def single(tmp_path_factory: pytest.TempPathFactory, base: Base, concepts: dict[str, Concept]) -> Path:
    """A package of the concept that keeps detail, folded, for two sizes."""
    return export(tmp_path_factory.mktemp("single") / "single.mlpackage", base, [concepts["detail"]], [SIZE, LARGER])


@pytest.fixture(scope="session")
def several(tmp_path_factory: pytest.TempPathFactory, base: Base, concepts: dict[str, Concept]) -> Path:
    """A package of all four concepts."""
    return export(tmp_path_factory.mktemp("several") / "several.mlpackage", base, [*concepts.values()], [SIZE])


def export(
    folder: Path, base: Base, concepts: Sequence[Concept], sizes: Sequence[tuple[int, int]], **more: str
) -> Path:
    folder.mkdir()
    write_package(folder, base, concepts, sizes, "iOS18" if len(concepts) > 1 else "iOS17", **more)
    return folder
