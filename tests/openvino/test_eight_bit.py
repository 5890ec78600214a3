"""The editor on OpenVINO in 8 bits: near to float32 for every concept, with one network for all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from e2gan.base import Base
from e2gan.concept import Concept
from e2gan.editor import Editor
from e2gan.errors import E2GANError, E2GANWarning
from e2gan.models.layout import Ranks, crucial_layers, generator_shapes
from e2gan_openvino import backend, eight_bit
from tests.editor.tiny import CONFIG, NEW, photo, write_tiny_concept
from tests.openvino.test_backend import never
from tests.openvino.test_network import decibels

NEAR = 30
"""Decibels that a base of eight channels with random weights reaches; one concept for another is below 25."""


@pytest.fixture(scope="module")
def eight(base: Base, on_openvino: Callable[..., Editor]) -> Editor:
    return on_openvino(base, "int8")


@pytest.fixture(scope="module")
def new_eight(new_base: Base, on_openvino: Callable[..., Editor]) -> Editor:
    return on_openvino(new_base, "int8")


def likeness(one: Editor, other: Editor, blend: Any, size: tuple[int, int] = (70, 45)) -> float:
    picture = Image.fromarray(photo(*size))
    return decibels(*(np.asarray(editor.apply(picture, blend)) / 127.5 for editor in (one, other)))


def test_concepts_and_blends_are_near(eight: Editor, editor: Editor, concepts: list[Concept]) -> None:
    paint, winter, glow, dim = concepts
    assert (eight.backend, eight.precision) == ("openvino", "int8")
    assert decibels(*(np.asarray(editor.apply(Image.fromarray(photo()), c)) / 127.5 for c in (paint, glow))) < 25
    for blend in (paint, {paint: 0.6, winter: 0.4}, {glow: 0.5}, {paint: 0.2, winter: 0.3, glow: 0.5}, dim, winter):
        assert NEAR < likeness(eight, editor, blend) < 80, "near, but not computed in floating point"


def test_a_new_bases_are_too(new_eight: Editor, new_editor: Editor, new_concepts: list[Concept]) -> None:
    painting, mixed, drawing = new_concepts
    for blend in (painting, drawing, {painting: 0.6, drawing: 0.4}, {painting: 0.2, mixed: 0.3, drawing: 0.5}):
        assert NEAR < likeness(new_eight, new_editor, blend, (133, 45)) < 80


def test_no_concept_leaves_a_trace(eight: Editor, concepts: list[Concept]) -> None:
    picture = Image.fromarray(photo())
    first = eight.apply(picture, concepts[0])
    eight.apply(picture, concepts[1])
    assert np.array_equal(first, eight.apply(picture, concepts[0]))


def test_a_concept_compiles_nothing_unless_its_rank_is_too_high(
    base: Base, editor: Editor, on_openvino: Callable[..., Editor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    eight = on_openvino(base, "int8")
    wide = write_tiny_concept(tmp_path / "wide", base, seed=7, ranks=Ranks((4, 8, 20, 8), 2))
    two = [write_tiny_concept(tmp_path / f"narrow{seed}", base, seed=seed) for seed in (8, 9)]
    with monkeypatch.context() as patch:
        for name in ("compile_model", "import_model"):
            patch.setattr(openvino.Core, name, never)
        assert likeness(eight, editor, two[0]) > NEAR and likeness(eight, editor, {two[0]: 0.5, two[1]: 0.5}) > NEAR
    assert likeness(eight, editor, wide) > NEAR, "compiled again, with more room"
    monkeypatch.setattr(openvino.Core, "compile_model", never)
    assert likeness(eight, editor, two[1]) > NEAR and likeness(eight, editor, {wide: 0.5, two[0]: 0.5}) > NEAR


def test_a_flat_photo_has_a_flat_edit(new_base: Base, new_eight: Editor) -> None:
    """Away from the border, and exactly: rounding to 8 bits brings no lattice back."""
    generator = backend.OpenVinoGenerator(new_base, precision="int8", threads=1)
    prompt = np.random.default_rng(0).normal(size=(1, 3, NEW.prompt_dim)).astype(np.float32)
    flat = np.full((1, 3, 160, 160), 0.3, np.float32)
    for share in (0.0, 1.0):
        edit = generator(flat, prompt, None, np.full((1, 3), share, np.float32))[0, :, 64:96, 64:96]
        assert np.ptp(edit, axis=(1, 2)).max() < 1e-5


@pytest.mark.parametrize("config", [CONFIG, NEW])
def test_the_large_layers_are_in_eight_bits(config: Any) -> None:
    names = eight_bit.quantized_layers(config)
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(size=shape).astype(np.float32) for name, shape in generator_shapes(config).items()}
    model = eight_bit.EightBitNetwork(config, weights, dict.fromkeys(names, (0.0, 1.0)), rank=4, steps=127).model()
    constants = [op for op in model.get_ops() if op.get_type_name() == "Constant"]
    assert sum(op.get_element_type() == openvino.Type.i8 for op in constants) == len(names)
    assert ("up1" in names) == (config.smoothing != "none") and not {"conv_in", "conv_out"} & set(names)
    inputs = {node.any_name for node in model.inputs}
    changed = {layer.name for layer in crucial_layers(config)} & set(names)
    assert {f"{name}.lora_{factor}" for name in changed for factor in "AB"} <= inputs
    assert not {f"{name}.weight" for name in names} & inputs


@pytest.mark.parametrize(("features", "steps"), [({"avx2"}, 63), ({"avx2", "avx512_vnni"}, 127)])
def test_where_sums_may_overflow_weights_are_smaller(
    base: Base, features: set[str], steps: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(eight_bit, "features", lambda: frozenset(features))
    monkeypatch.setattr(eight_bit, "is_x86", lambda: True)
    made: list[openvino.Model] = []
    network = backend.EightBitNetwork
    monkeypatch.setattr(
        backend,
        "EightBitNetwork",
        lambda *given, **more: made.append(network(*given, **more).model()) or network(*given, **more),
    )
    backend.OpenVinoGenerator(base, precision="int8", threads=1)
    constants = [
        op.data
        for op in made[0].get_ops()
        if op.get_type_name() == "Constant" and op.get_element_type() == openvino.Type.i8
    ]
    assert max(int(np.abs(data).max()) for data in constants) == steps


def test_ranges_are_measured_once(base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    backend.OpenVinoGenerator(base, precision="int8", threads=1)
    monkeypatch.setattr(backend, "measured_ranges", never)
    backend.OpenVinoGenerator(base, precision="int8", threads=1)


def test_a_device_without_it_computes_in_float32_and_says_so(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(backend.CAPABILITIES, "int8", "INT7")
    with pytest.warns(E2GANWarning, match="CPU does not compute in int8, so edits are computed in float32"):
        assert Editor(base, backend="openvino", dtype="int8", threads=1).precision == "float32"


def test_other_backends_say_that_they_do_not(base: Base) -> None:
    with pytest.raises(E2GANError, match="PyTorch computes no edits in int8") as caught:
        Editor(base, backend="torch", dtype="int8")
    assert caught.value.hint == "choose another backend: e2gan plugins lists them"
    with pytest.raises(E2GANError, match="'onnxruntime' computes on the CPU, in float32"):
        Editor(base, backend="onnxruntime", dtype="int8")


@given(
    outputs=st.integers(1, 40),
    inputs=st.integers(1, 60),
    true=st.integers(0, 12),
    room=st.integers(1, 16),
    seed=st.integers(0, 9),
)
def test_a_change_of_low_rank_is_a_product(outputs: int, inputs: int, true: int, room: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    true = min(true, outputs, inputs)
    change = (rng.normal(size=(outputs, true)) @ rng.normal(size=(true, inputs))).astype(np.float32)
    product = eight_bit.low_rank(change, room)
    assert (product is None) == (true > room)
    if product is not None:
        b, a = product
        assert (b.shape, a.shape) == ((outputs, room), (room, inputs))
        assert np.abs(b @ a - change).max() <= 1e-4 * max(1.0, float(np.abs(change).max()))
