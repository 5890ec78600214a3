"""The exported model is the model: at any size, described, and written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from e2gan.base import Base
from e2gan.concept import Concept
from e2gan.editor import Editor
from e2gan.errors import ConceptError, E2GANError
from e2gan_onnx import export as module
from e2gan_onnx.check import Likeness, compare, run
from e2gan_onnx.export import export
from e2gan_onnx.photos import as_input
from tests.editor.tiny import write_tiny_base, write_tiny_concept
from tests.onnx.conftest import pictures


@pytest.mark.parametrize("name", ["paint", "winter"])
def test_a_model_of_any_size_and_batch_is_the_editor(
    name: str, models: dict[str, Path], concepts: dict[str, Concept], editor: Editor
) -> None:
    edit = run(models[name])

    @settings(max_examples=8)
    @given(st.integers(4, 12), st.integers(4, 12), st.integers(1, 3))
    def holds(width: int, height: int, count: int) -> None:
        assert compare(edit, concepts[name], editor, pictures(8 * width, 8 * height, count)).worst <= 1

    holds()


def test_models_differ_as_their_concepts_do(models: dict[str, Path]) -> None:
    image = as_input(*pictures(64, 48))
    paint, winter = (run(models[name])(image) for name in ("paint", "winter"))
    assert np.abs(paint - winter).mean() > 0.05


def test_a_size_that_is_no_multiple_of_the_stride_is_refused(models: dict[str, Path]) -> None:
    for file in models.values():
        with pytest.raises(Exception, match=r"multiples_of_the_stride|broadcast"):
            run(file)(as_input(*pictures(64, 60)))


def test_a_model_says_what_it_is(models: dict[str, Path], base: Base) -> None:
    model = onnx.load(models["winter"])
    onnx.checker.check_model(model, full_check=True)
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert facts["e2gan.id"] == "winter"
    assert facts["e2gan.title"] == "Winter"
    assert facts["e2gan.version"] == "1.2.0"
    assert facts["e2gan.license"] == "apache-2.0"
    assert facts["e2gan.prompt"] == "in the style of winter"
    assert facts["e2gan.base_sha256"] == base.sha256
    assert facts["e2gan.stride"] == "8"
    assert facts["e2gan.precision"] == "fp32"
    for value in (*model.graph.input, *model.graph.output):
        shape = [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        assert shape == ["batch", 3, "height", "width"]
    assert [value.name for value in (*model.graph.input, *model.graph.output)] == ["photo", "edit"]


def test_a_model_tells_nothing_of_the_machine_that_made_it(models: dict[str, Path], swappable: Path) -> None:
    for file in (models["winter"], swappable / "base.part"):
        data = file.read_bytes()
        assert b".py" not in data and str(Path(torch.__file__).parents[1]).encode() not in data


def test_half_precision_halves_the_file_and_keeps_the_picture(
    models: dict[str, Path], base: Base, concepts: dict[str, Concept], editor: Editor, tmp_path: Path
) -> None:
    made = export(concepts["glow"], base, tmp_path / "half.onnx", precision="fp16", opset=20, editor=editor)
    assert made.likeness and made.likeness.psnr > 45
    model = onnx.load(made.path)
    assert model.opset_import[0].version == 20
    weights = {w.name: w.data_type for w in model.graph.initializer if len(w.dims) == 4}
    halves = [name for name, type in weights.items() if type == onnx.TensorProto.FLOAT16]
    assert len(halves) == len(weights) - 1, "all convolutions but the last"


# What goes wrong


def test_a_concept_for_another_base_is_refused(base: Base, tmp_path: Path) -> None:
    other = write_tiny_base(tmp_path / "other")
    object.__setattr__(other, "sha256", "0" * 64)
    concept = write_tiny_concept(tmp_path / "dusk", other)
    with pytest.raises(ConceptError, match="made for the base 'tiny'"):
        export(concept, base, tmp_path / "out" / "dusk.onnx")
    assert not any((tmp_path / "out").iterdir())


def test_what_cannot_be_written_is_one_error(base: Base, concepts: dict[str, Concept], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(E2GANError, match="cannot write"):
        export(concepts["paint"], base, tmp_path / "file" / "paint.onnx")


class Odd(torch.nn.Module):
    """A generator with an operation that nobody has written for ONNX."""

    def forward(self, photo: torch.Tensor) -> torch.Tensor:
        return torch.special.bessel_j0(photo)


def test_an_operation_that_onnx_has_not_is_one_error(
    base: Base, concepts: dict[str, Concept], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "folded", lambda *_: Odd())
    with pytest.raises(E2GANError, match=r"paint cannot be expressed in ONNX at opset 18: .*bessel_j0"):
        export(concepts["paint"], base, tmp_path / "paint.onnx")
    assert not any(tmp_path.iterdir())


def test_a_model_that_is_not_near_enough_is_not_written(
    base: Base,
    concepts: dict[str, Concept],
    models: dict[str, Path],
    editor: Editor,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The other concept's model in its place: far from the editor's picture."""
    (tmp_path / "winter.onnx").write_bytes(b"an earlier one")
    monkeypatch.setattr(module, "to_onnx", lambda *_, **__: onnx.load(models["paint"]))
    with pytest.raises(E2GANError, match=r"winter: the fp32 model reaches .* dB"):
        export(concepts["winter"], base, tmp_path / "winter.onnx", editor=editor)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"an earlier one"]


def test_likeness_is_of_eight_bits(concepts: dict[str, Concept], editor: Editor) -> None:
    photos = pictures(64, 48, 2)
    wanted = {as_input(p).tobytes(): as_input(e) for p, e in zip(photos, editor.apply_batch(photos, concepts["paint"]))}

    def off_by(steps: float) -> Likeness:
        def edit(images: np.ndarray) -> np.ndarray:
            return np.concatenate([wanted[image[None].tobytes()] for image in images]) + steps / 255

        return compare(edit, concepts["paint"], editor, photos)

    assert off_by(0) == off_by(0.4) == Likeness(float("inf"), 0)
    assert off_by(1).worst == 1 and off_by(1).psnr == pytest.approx(48.13, abs=0.01)


def test_a_model_that_cannot_be_loaded_is_one_error() -> None:
    with pytest.raises(E2GANError, match="cannot load the model"):
        run(b"no model")
