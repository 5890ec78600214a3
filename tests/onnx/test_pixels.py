"""Models take pictures in 8 bits, of any size, and give the editor's edits of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from e2gan.base import Base
from e2gan.concept import Concept
from e2gan.editor import Editor
from e2gan_onnx import export as module
from e2gan_onnx.export import export
from e2gan_onnx.pixels import take_pixels
from e2gan_onnx.quantize import quantized
from tests.editor.tiny import photo
from tests.onnx.conftest import inputs


@pytest.fixture(scope="module")
def pixels(models: dict[str, Path]) -> onnx.ModelProto:
    model = onnx.load(models["winter"])
    take_pixels(model, 8)
    return model


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def test_any_size_is_edited_as_by_the_editor(
    pixels: onnx.ModelProto, concepts: dict[str, Concept], editor: Editor
) -> None:
    runtime = session(pixels)

    @settings(max_examples=15)
    @given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 3))
    @example(1, 1, 1)
    @example(1, 70, 1)
    @example(17, 2, 2)
    @example(64, 40, 1)
    def holds(width: int, height: int, count: int) -> None:
        photos = np.stack([photo(width, height, seed) for seed in range(count)])
        (edits,) = runtime.run(None, {"photo": photos})
        assert (edits.shape, edits.dtype) == (photos.shape, np.uint8)
        wanted = editor.apply_batch([Image.fromarray(each) for each in photos], concepts["winter"])
        for edit, edited in zip(edits, wanted):
            assert np.abs(edit.astype(int) - np.asarray(edited)).max() <= 1

    holds()


def test_a_model_of_eight_bits_inside_takes_them_outside(models: dict[str, Path]) -> None:
    model = quantized(onnx.load(models["paint"]), inputs(64, 64, 2))
    take_pixels(model, 8)
    onnx.checker.check_model(model, full_check=True)
    (edit,) = session(model).run(None, {"photo": photo(51, 37)[None]})
    assert edit.shape == (1, 37, 51, 3) and edit.std() > 1


def test_it_is_the_default_and_described_and_checked_at_an_odd_size(
    models: dict[str, Path],
    base: Base,
    concepts: dict[str, Concept],
    editor: Editor,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checked = []
    compare = module.compare

    def listed(edit: object, concept: Concept, editor: Editor, photos: list[Image.Image]) -> object:
        checked.extend(each.size for each in photos)
        return compare(edit, concept, editor, photos)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "to_onnx", lambda *_, **__: onnx.load(models["winter"]))
    monkeypatch.setattr(module, "compare", listed)
    made = export(concepts["winter"], base, tmp_path / "winter.onnx", editor=editor)
    assert made.likeness and made.likeness.worst <= 1
    assert any(width % 8 and height % 8 for width, height in checked)
    model = onnx.load(made.path)
    onnx.checker.check_model(model, full_check=True)
    for value, name in ((model.graph.input[0], "photo"), (model.graph.output[0], "edit")):
        shape = [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        assert (value.name, shape) == (name, ["batch", "height", "width", 3])
        assert value.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert facts["e2gan.sizes"] == "any" and "uint8" in facts["e2gan.layout"]
