"""Skips, smoothing and noise come out as in the editor, in every precision, behind one base, and in its backend."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from filelock import FileLock
from PIL import Image

from e2gan.base import Base
from e2gan.concept import Concept
from e2gan.editor import Editor
from e2gan.errors import ConceptError
from e2gan.models.layout import Ranks, adapter_shapes
from e2gan_onnx.check import compare, run
from e2gan_onnx.export import export
from e2gan_onnx.options import LEAST_PSNR, OPSETS
from e2gan_onnx.quantize import quantized
from e2gan_onnx.swap import base_part, concept_part, export_swappable, takes_noise
from tests.editor.tiny import CONFIG, DRAWING, MIXED, PAINTING, photo, write_tiny_concept
from tests.onnx.conftest import inputs, pictures

SIZES = ((64, 48), (40, 72), (264, 280))
"""The last is larger than the tile of noise."""


@pytest.fixture(scope="module")
def mixed(run_folder: Path, new_base: Base, new_concepts: dict[str, Concept]) -> dict[str, Path]:
    """A file of the concept that has everything, by precision; not checked."""
    files = {name: run_folder / "mixed" / f"{name}.onnx" for name in ("fp32", "fp16")}
    with FileLock(run_folder / "mixed.lock"):
        for name, file in files.items():
            if not file.exists():
                export(new_concepts["mixed"], new_base, file, precision=name, io="float32")
    return files


@pytest.fixture(scope="module")
def behind(new_swappable: Path, new_concepts: dict[str, Concept]) -> dict[str, bytes]:
    """Each concept behind the one base."""
    whole = (new_swappable / "base.part").read_bytes()
    return {name: whole + (new_swappable / f"{name}.part").read_bytes() for name in new_concepts}


def constant_nodes(model: bytes, folder: Path) -> list[str]:
    """What of a model onnxruntime would compute anew in each run, though it depends on no input."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    graph = onnx.load(folder / "optimized.onnx").graph
    constant = {tensor.name for tensor in graph.initializer}
    found = []
    for node in graph.node:
        if all(name in constant for name in node.input if name):
            found.append(node.op_type)
            constant.update(node.output)
    return found


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_model_is_the_editor_at_any_size_and_batch(
    precision: str, mixed: dict[str, Path], new_concepts: dict[str, Concept], new_editor: Editor
) -> None:
    edit = run(mixed[precision])
    for width, height in SIZES:
        likeness = compare(edit, new_concepts["mixed"], new_editor, pictures(width, height, 2))
        assert likeness.worst <= (1 if precision == "fp32" else 6)
        assert likeness.psnr >= (LEAST_PSNR[precision] if precision == "fp16" else 60)


def test_a_folded_model_has_its_smoothed_weights_ready(mixed: dict[str, Path], tmp_path: Path) -> None:
    graph = onnx.load(mixed["fp32"]).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    enlarging = [shapes[node.input[1]] for node in graph.node if node.op_type == "ConvTranspose"]
    assert [shape[2:] for shape in enlarging] == [(4, 4)] * 3
    assert constant_nodes(mixed["fp32"].read_bytes(), tmp_path) == []


def test_a_model_of_eight_bits_is_the_same_edit(
    mixed: dict[str, Path], new_concepts: dict[str, Concept], new_editor: Editor
) -> None:
    small = quantized(onnx.load(mixed["fp32"]), inputs(64, 64, 4))
    convolutions = [node for node in small.graph.node if node.op_type == "Conv"]
    made_by = {output: node.op_type for node in small.graph.node for output in node.output}
    assert all(made_by[node.input[1]] == "DequantizeLinear" for node in convolutions[1:-1])
    edit = run(small.SerializeToString())
    likeness = compare(edit, new_concepts["mixed"], new_editor, [*pictures(64, 64, 2), *pictures(96, 40)])
    assert 20 < likeness.psnr < 60, "a tiny random network is coarse, but it is this one, and in eight bits"


def test_one_base_serves_paintings_and_drawings(
    behind: dict[str, bytes], new_concepts: dict[str, Concept], new_editor: Editor, tmp_path: Path
) -> None:
    for name, concept in new_concepts.items():
        edit = run(behind[name])
        for width, height in SIZES:
            assert compare(edit, concept, new_editor, pictures(width, height, 2)).worst <= 1
    assert constant_nodes(behind["mixed"], tmp_path) == [], "smoothing and LoRA are computed once, with the loading"


def test_a_concepts_skips_and_noise_are_numbers_of_its_part(behind: dict[str, bytes]) -> None:
    for name, kind in (("painting", PAINTING), ("mixed", MIXED), ("drawing", {"noise": 0.0, **DRAWING})):
        graph = onnx.ModelProto.FromString(behind[name]).graph
        numbers = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
        assert numbers["skips"].tolist() == [pytest.approx(kind["skips"])]
        assert numbers["noise"].tolist() == [pytest.approx(kind["noise"])]


def free_names(part: bytes) -> set[str]:
    """What a graph uses and nothing in it gives."""
    graph = onnx.ModelProto.FromString(part).graph
    given = {value.name for value in (*graph.input, *graph.initializer)}
    given |= {name for node in graph.node for name in node.output}
    return {name for node in graph.node for name in node.input if name} - given


def test_a_base_without_skips_asks_for_what_it_always_did(
    swappable: Path, base: Base, concepts: dict[str, Concept]
) -> None:
    asked = free_names((swappable / "base.part").read_bytes())
    assert asked == {*adapter_shapes(CONFIG, Ranks()), "prompt", "tone", "shares"}
    assert not takes_noise(base, list(concepts.values()))


def test_noise_needs_no_new_base(base: Base, editor: Editor, concepts: dict[str, Concept], tmp_path: Path) -> None:
    grainy = write_tiny_concept(tmp_path / "grainy", base, seed=5, noise=0.1)
    noise = takes_noise(base, [concepts["paint"], grainy])
    assert noise
    whole = base_part(base, opset=OPSETS[0], noise=noise)
    for concept in (grainy, concepts["paint"]):
        edit = run(whole + concept_part(concept, base, noise=noise))
        assert compare(edit, concept, editor, pictures(64, 48)).worst <= 1


# The backend


@pytest.fixture(scope="module")
def onnx_editor(new_base: Base) -> Editor:
    return Editor(new_base, backend="onnxruntime", threads=1)


def nearly(a: Image.Image, b: Image.Image) -> bool:
    return int(np.abs(np.asarray(a).astype(int) - np.asarray(b)).max()) <= 1


def test_the_editors_backend_agrees(onnx_editor: Editor, new_editor: Editor, new_concepts: dict[str, Concept]) -> None:
    painting, mixed, drawing = new_concepts.values()
    blends = (painting, drawing, {painting: 0.6, drawing: 0.4}, {painting: 0.2, mixed: 0.4, drawing: 0.6}, painting)
    for blend in blends:
        picture = Image.fromarray(photo(69, 45))
        assert nearly(onnx_editor.apply(picture, blend), new_editor.apply(picture, blend))
    large = Image.fromarray(photo(261, 33))
    assert nearly(onnx_editor.apply(large, mixed), new_editor.apply(large, mixed))


def test_a_batch_is_edited_as_its_photos_are(
    onnx_editor: Editor, new_editor: Editor, new_concepts: dict[str, Concept]
) -> None:
    photos = [Image.fromarray(photo(48, 40, seed)) for seed in range(4)]
    names = [new_concepts[name] for name in ("painting", "mixed", "painting", "mixed")]
    pairs = zip(onnx_editor.apply_batch(photos, names), new_editor.apply_batch(photos, names))
    assert all(nearly(one, other) for one, other in pairs)


# What goes wrong


def test_skips_on_a_base_without_them_are_one_error(base: Base, concepts: dict[str, Concept], tmp_path: Path) -> None:
    drawing = write_tiny_concept(tmp_path / "drawing", base, **DRAWING)
    words = r"concept\.toml: it has skips, but the generator of the base 'tiny' has none"
    with pytest.raises(ConceptError, match=words):
        export(drawing, base, tmp_path / "out" / "drawing.onnx")
    with pytest.raises(ConceptError, match=words):
        export_swappable([concepts["paint"], drawing], base, tmp_path / "swap", opset=OPSETS[0])
    assert not any((tmp_path / "out").iterdir()) and not (tmp_path / "swap").exists()
