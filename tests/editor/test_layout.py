"""Edits on bases whose generators have skips, smoothing and noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from e2gan.base import Base
from e2gan.cli import cli
from e2gan.concept import Concept
from e2gan.editor import Editor
from e2gan.errors import ConceptError
from e2gan.models.noise import noise_tile
from tests.editor.tiny import CONFIG, DRAWING, MIXED, NEW, PAINTING, photo, write_tiny_base, write_tiny_concept


@pytest.fixture(scope="module")
def concepts(tmp_path_factory: pytest.TempPathFactory, new_base: Base) -> dict[str, Concept]:
    folder = tmp_path_factory.mktemp("concepts")
    kinds = {"painting": PAINTING, "mixed": MIXED, "drawing": DRAWING}
    return {
        name: write_tiny_concept(folder / name, new_base, seed=seed, tokens=2 + seed, **kind)
        for seed, (name, kind) in enumerate(kinds.items())
    }


@pytest.fixture(scope="module")
def new_editor(new_base: Base) -> Editor:
    return Editor(new_base, device="cpu", dtype=torch.float32)


@pytest.fixture
def asked(new_editor: Editor) -> Iterator[list[dict[str, Any]]]:
    """What the generator is asked for, call by call."""
    calls: list[dict[str, Any]] = []

    def record(generator: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        calls.append({"x": given[0], "skips": given[3] if len(given) > 3 else None})

    generator = new_editor._runtime.edits.network.generator
    assert isinstance(generator, torch.nn.Module)
    hook = generator.register_forward_pre_hook(record)
    yield calls
    hook.remove()


def test_a_blend_mixes_skips_and_noise_by_weight(
    new_editor: Editor, concepts: dict[str, Concept], asked: list[dict[str, Any]]
) -> None:
    picture = Image.fromarray(photo(48, 40))
    painting, mixed, drawing = concepts.values()
    seen = np.asarray(picture).transpose(2, 0, 1) / 127.5 - 1
    for blend, skips, noise in (
        ({painting: 0.6, drawing: 0.4}, (0.4, 0.4, 0.4), 0.036),
        ({painting: 0.75, mixed: 0.25}, (0.0625, 0.125, 0.25), 0.07),
        ({drawing: 0.5}, (1, 1, 1), 0),
        (painting, None, 0.06),
    ):
        new_editor.apply(picture, blend)
        call = asked[-1]
        if skips is None:
            assert call["skips"] is None
        else:
            assert call["skips"].tolist() == [pytest.approx(skips)]
        added = (call["x"][0].numpy() - seen).mean(0)
        assert np.allclose(added, noise * noise_tile()[:40, :48], atol=1e-5)


def test_photos_of_a_batch_each_have_their_look(new_editor: Editor, concepts: dict[str, Concept]) -> None:
    photos = [Image.fromarray(photo(45, 37, seed)) for seed in range(4)]
    names = [concepts[name] for name in ("painting", "drawing", "mixed", "painting")]
    for one, picture, name in zip(new_editor.apply_batch(photos, names), photos, names):
        alone = new_editor.apply(picture, name)
        assert np.abs(np.asarray(one).astype(int) - np.asarray(alone)).max() <= 1


def test_a_photo_has_one_edit_whatever_came_before(
    new_editor: Editor, new_base: Base, concepts: dict[str, Concept]
) -> None:
    picture = Image.fromarray(photo(264, 40))  # wider than the tile of noise
    first = new_editor.apply(picture, concepts["painting"])
    new_editor.apply(picture, concepts["drawing"])
    again = Editor(new_base, device="cpu", dtype=torch.float32).apply(picture, concepts["painting"])
    assert first.size == picture.size and np.array_equal(first, again)


@pytest.mark.parametrize("dtype", [None, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", [NEW, replace(NEW, smoothing="binomial"), replace(NEW, skips=False)])
def test_a_constant_photo_has_a_constant_edit(layout: Any, dtype: torch.dtype | None, tmp_path: Path) -> None:
    """To the last of eight bits, away from the border; in the editor's own precision, too."""
    base = write_tiny_base(tmp_path / "base", layout)
    editor = Editor(base, device="cpu", dtype=dtype)
    kinds: list[dict[str, Any]] = [{"keeps": "nothing"}, {"keeps": "colour"}]
    kinds += [DRAWING, {**MIXED, "noise": 0.0}] if layout.skips else []
    for seed, kind in enumerate(kinds):
        concept = write_tiny_concept(tmp_path / f"concept-{seed}", base, seed=seed, **kind)
        edit = np.asarray(editor.apply(Image.new("RGB", (128, 128), (180, 90, 60)), concept))
        assert (edit[48:80, 48:80] == edit[64, 64]).all()


def test_without_smoothing_or_with_noise_it_has_none(tmp_path: Path, new_base: Base, new_editor: Editor) -> None:
    """So that the test above can fail."""
    plain = write_tiny_base(tmp_path / "base", CONFIG)
    flat = Image.new("RGB", (128, 128), (180, 90, 60))
    lattice = Editor(plain, device="cpu", dtype=torch.float32).apply(flat, write_tiny_concept(tmp_path / "a", plain))
    strokes = new_editor.apply(flat, write_tiny_concept(tmp_path / "b", new_base, **PAINTING))
    for edit in (lattice, strokes):
        assert np.asarray(edit)[48:80, 48:80].std(axis=(0, 1)).max() > 2


@pytest.fixture
def impossible(tmp_path: Path, base: Base) -> Concept:
    """A concept with skips for a base without them."""
    return write_tiny_concept(tmp_path / "drawing", base, **DRAWING)


ONE_ERROR = "concept.toml: it has skips, but the generator of the base 'tiny' has none"


def test_skips_on_a_base_without_them_are_one_error(impossible: Concept, editor: Editor, dusk: Concept) -> None:
    for blend in (impossible, {dusk: 1, impossible: 0.1}):
        with pytest.raises(ConceptError, match=ONE_ERROR) as caught:
            editor.apply(Image.fromarray(photo()), blend)
        assert caught.value.hint == "remove skips, or use a base that has them"


def test_so_they_are_on_the_command_line(impossible: Concept, base: Base, tmp_path: Path) -> None:
    Image.fromarray(photo()).save(tmp_path / "photo.png")
    words = ["apply", str(impossible.path), str(tmp_path / "photo.png"), "-o", str(tmp_path / "edit.png")]
    result = CliRunner().invoke(cli, [*words, "--base", str(base.path)], prog_name="e2gan")
    assert result.exit_code == 1
    assert f"error: {impossible.path}/{ONE_ERROR}\nhint: remove skips" in result.stderr
    assert not (tmp_path / "edit.png").exists()
