"""Packages of bases with skips, smoothing and noise: their edits are the editor's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from e2gan.base import Base
from e2gan.concept import Concept
from e2gan.errors import ConceptError
from e2gan_coreml.check import check
from e2gan_coreml.convert import write_package
from e2gan_coreml.program import Program
from e2gan_coreml.sizes import package_sizes
from tests.coreml.conftest import SIZE, TONE, export
from tests.editor.tiny import DRAWING, MIXED, NEW, PAINTING, photo, write_tiny_base, write_tiny_concept

pytest.importorskip("coremltools", reason="there is no coremltools for this Python")

LARGE = (272, 128)
"""Wider than the tile of noise."""

PHOTO = Image.fromarray(photo(96, 96))


@pytest.fixture(scope="module")
def new_concepts(tmp_path_factory: pytest.TempPathFactory, new_base: Base) -> dict[str, Concept]:
    folder = tmp_path_factory.mktemp("concepts")
    kinds = {"painting": PAINTING, "mixed": {**MIXED, "tone": TONE}, "drawing": DRAWING}
    return {
        name: write_tiny_concept(folder / name, new_base, seed=seed, tokens=2 + seed, **kind)
        for seed, (name, kind) in enumerate(kinds.items())
    }


def test_a_single_concepts_edits_are_the_editors_in_every_size(
    new_base: Base, new_concepts: dict[str, Concept], tmp_path: Path
) -> None:
    package = export(tmp_path / "one.mlpackage", new_base, [new_concepts["mixed"]], [SIZE, LARGE])
    (likeness,) = check(Program(package), new_base, [new_concepts["mixed"]], [PHOTO], [SIZE, LARGE])
    assert likeness.psnr > 45


def test_edits_of_several_are_the_editors_and_share_the_base_and_the_noise(
    new_base: Base, new_concepts: dict[str, Concept], tmp_path: Path
) -> None:
    sizes = [LARGE]
    program = Program(export(tmp_path / "all.mlpackage", new_base, [*new_concepts.values()], sizes))
    found = check(program, new_base, [*new_concepts.values()], [PHOTO], sizes)
    assert min(likeness.psnr for likeness in found) > 45
    parts = package_sizes(program)
    assert parts["shared"] > 0.95 * new_base.generator_path.stat().st_size + 2 * LARGE[0] * LARGE[1]
    assert abs(parts["painting"] - parts["drawing"]) < LARGE[0] * LARGE[1], "no noise of its own"
    # In half precision as well, a constant photo has a constant edit.
    flat = np.full((LARGE[1], LARGE[0], 3), (180, 90, 60), np.uint8)
    edit = program.run("drawing", flat)[48:80, 48:224]
    assert (edit == edit[0, 0]).all()


def test_a_base_that_is_smoothed_with_the_longer_filter(tmp_path: Path) -> None:
    base = write_tiny_base(tmp_path / "base", replace(NEW, smoothing="binomial", skips=False))
    concept = write_tiny_concept(tmp_path / "painting", base, noise=0.1)
    program = Program(export(tmp_path / "one.mlpackage", base, [concept], [SIZE]))
    (likeness,) = check(program, base, [concept], [PHOTO], [SIZE])
    assert likeness.psnr > 45


def test_skips_on_a_base_without_them_are_one_error(base: Base, tmp_path: Path) -> None:
    drawing = write_tiny_concept(tmp_path / "drawing", base, **DRAWING)
    (tmp_path / "made").mkdir()
    with pytest.raises(
        ConceptError, match=r"concept\.toml: it has skips, but the generator of the base 'tiny' has none"
    ):
        write_package(tmp_path / "made", base, [drawing])
    assert not any((tmp_path / "made").iterdir())
