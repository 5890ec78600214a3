"""The editor on onnxruntime gives what it gives on PyTorch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from e2gan.base import Base
from e2gan.concept import Concept
from e2gan.editor import Editor
from e2gan.errors import E2GANError, PluginError
from e2gan.installing import install_command
from e2gan.plugins import reload_registry
from tests.editor.tiny import photo
from tests.editor.torchless import imports_torch


@pytest.fixture
def only_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "e2gan-onnx")
    reload_registry()


@pytest.fixture(scope="module")
def onnx_editor(base: Base) -> Editor:
    return Editor(base, backend="onnxruntime", threads=1)


def nearly(a: Image.Image, b: Image.Image) -> bool:
    return int(np.abs(np.asarray(a).astype(int) - np.asarray(b)).max()) <= 1


def test_concepts_and_blends_come_out_alike(onnx_editor: Editor, editor: Editor, concepts: dict[str, Concept]) -> None:
    paint, winter, glow = concepts.values()
    picture = Image.fromarray(photo(70, 45))
    for blend in (paint, {paint: 0.6, winter: 0.4}, {glow: 0.5}, {paint: 0.2, winter: 0.4, glow: 0.6}, paint):
        assert nearly(onnx_editor.apply(picture, blend), editor.apply(picture, blend))
    assert not nearly(onnx_editor.apply(picture, paint), onnx_editor.apply(picture, glow))


def test_no_concept_leaves_a_trace(onnx_editor: Editor, concepts: dict[str, Concept]) -> None:
    paint, winter, _ = concepts.values()
    picture = Image.fromarray(photo())
    first = onnx_editor.apply(picture, paint)
    onnx_editor.apply(picture, winter)
    onnx_editor.use(None)
    assert np.array_equal(first, onnx_editor.apply(picture, paint))


def test_a_batch_is_edited_as_its_photos_are(onnx_editor: Editor, editor: Editor, concepts: dict[str, Concept]) -> None:
    photos = [Image.fromarray(photo(48, 40, seed)) for seed in range(3)]
    names = [concepts["paint"], concepts["glow"], concepts["paint"]]
    pairs = zip(onnx_editor.apply_batch(photos, names), editor.apply_batch(photos, names))
    assert all(nearly(one, other) for one, other in pairs)


@pytest.mark.usefixtures("only_onnx")
@pytest.mark.parametrize("wish", [{"dtype": torch.float16}, {"device": "meta"}])
def test_it_computes_in_float32_on_the_cpu(base: Base, wish: dict[str, object]) -> None:
    with pytest.raises(E2GANError, match="the backend 'onnxruntime' computes on the CPU, in float32"):
        Editor(base, backend="onnxruntime", **wish)  # type: ignore[arg-type]


def test_without_the_plugin_the_error_names_it(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "")
    reload_registry()
    with pytest.raises(PluginError, match="nothing installed runs on onnxruntime") as caught:
        Editor(base, backend="onnxruntime")
    assert caught.value.hint == install_command("e2gan-onnx")


def test_an_unknown_backend_is_one_error(base: Base) -> None:
    with pytest.raises(PluginError, match="no backend 'onxruntime'"):
        Editor(base, backend="onxruntime")


def test_apply_imports_no_torch(base: Base, concepts: dict[str, Concept], tmp_path: Path) -> None:
    Image.fromarray(photo(150, 90)).save(tmp_path / "photo.jpg")
    blend = ",".join(f"{concept.path}={weight}" for concept, weight in zip(concepts.values(), (0.2, 0.5, 0.3)))
    command = ["apply", blend, tmp_path / "photo.jpg", "-o", tmp_path / "edit.jpg", "--base", base.path]
    own = {"distribution": "e2gan-onnx", "cache": tmp_path / "cache"}
    assert not imports_torch(*command, "--backend", "onnxruntime", "--threads", "1", "-q", **own)
