"""The editor on OpenVINO gives what it gives on PyTorch, and says where and in what it computes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from e2gan.base import Base
from e2gan.cli import cli
from e2gan.concept import Concept
from e2gan.editor import Editor
from e2gan.errors import E2GANError, E2GANWarning
from e2gan.models.layout import crucial_layers, generator_shapes
from e2gan.models.lora import CrucialWeights
from e2gan.plugins import reload_registry
from e2gan_openvino import backend, processor
from tests.editor.tiny import photo
from tests.editor.torchless import imports_torch
from tests.openvino.test_network import decibels

HAS_BF16 = backend.computes_bfloat16()


def test_it_knows_what_the_processor_can_do() -> None:
    """As PyTorch does, which asks the processor itself."""
    assert backend.computes_bfloat16() == (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    assert processor.is_x86() == ("sse2" in processor.features())


@pytest.fixture
def only_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "e2gan-openvino")
    reload_registry()


def nearly(a: Image.Image, b: Image.Image) -> bool:
    return int(np.abs(np.asarray(a).astype(int) - np.asarray(b)).max()) <= 1


def never(*arguments: Any, **more: Any) -> Any:
    raise AssertionError("it compiles again")


# The same pictures


def test_concepts_and_blends_come_out_alike(openvino_editor: Editor, editor: Editor, concepts: list[Concept]) -> None:
    paint, winter, glow, dim = concepts
    picture = Image.fromarray(photo(70, 45))
    blends = (paint, {paint: 0.6, winter: 0.4}, {glow: 0.5}, {paint: 0.2, winter: 0.3, glow: 0.5}, dim, winter, paint)
    for blend in blends:
        for strength in (1.0, 0.3):
            assert nearly(openvino_editor.apply(picture, blend, strength), editor.apply(picture, blend, strength))
    assert not nearly(openvino_editor.apply(picture, paint), openvino_editor.apply(picture, glow))


def test_skips_smoothing_and_noise_come_out_alike(
    new_openvino_editor: Editor, new_editor: Editor, new_concepts: list[Concept]
) -> None:
    painting, mixed, drawing = new_concepts
    for blend in (painting, drawing, {painting: 0.6, drawing: 0.4}, {painting: 0.2, mixed: 0.3, drawing: 0.5}, mixed):
        for size in ((69, 45), (261, 33)):
            picture = Image.fromarray(photo(*size))
            assert nearly(new_openvino_editor.apply(picture, blend), new_editor.apply(picture, blend))


def test_a_folded_generator_is_the_same_within_rounding(
    new_base: Base, new_concepts: list[Concept], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In float, where the editor's rounding to 8 bits does not hide a difference."""
    ours, theirs = backend.OpenVinoGenerator(new_base, precision="float32", threads=1), new_base.generator()
    random = np.random.default_rng(0)
    x, prompt = random.uniform(-1, 1, (1, 3, 48, 40)).astype("f4"), random.normal(size=(1, 4, 16)).astype("f4")
    weights = CrucialWeights(theirs)
    of_all = generator_shapes(new_base.config)
    shapes = {layer.name: of_all[f"{layer.name}.weight"] for layer in crucial_layers(new_base.config)}
    parts = [
        (share, {layer: random.normal(0, 0.05, shape).astype("f4") for layer, shape in shapes.items()})
        for share in (0.3, 0.7)
    ]
    for some in ([], parts, parts[:1], []):
        ours.fold(some)
        weights.fold([(share, {k: torch.from_numpy(v) for k, v in deltas.items()}) for share, deltas in some])
        with torch.inference_mode():
            wanted = theirs(torch.from_numpy(x), torch.from_numpy(prompt)).numpy()
        assert decibels(ours(x, prompt), wanted) >= 80


def test_no_concept_leaves_a_trace(openvino_editor: Editor, concepts: list[Concept]) -> None:
    picture = Image.fromarray(photo())
    first = openvino_editor.apply(picture, concepts[0])
    openvino_editor.apply(picture, concepts[1])
    openvino_editor.use(None)
    assert np.array_equal(first, openvino_editor.apply(picture, concepts[0]))


def test_a_batch_is_edited_as_its_photos_are(openvino_editor: Editor, editor: Editor, concepts: list[Concept]) -> None:
    photos = [Image.fromarray(photo(48, 40, seed)) for seed in range(3)]
    names = [concepts[0], concepts[2], concepts[0]]
    pairs = zip(openvino_editor.apply_batch(photos, names), editor.apply_batch(photos, names))
    assert all(nearly(one, other) for one, other in pairs)


def test_neither_a_concept_nor_a_size_compiles_again(
    openvino_editor: Editor, concepts: list[Concept], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("compile_model", "import_model"):
        monkeypatch.setattr(openvino.Core, name, never)
    for number, concept in enumerate(concepts):
        openvino_editor.apply(Image.fromarray(photo(40 + 8 * number, 56)), {concept: 0.5})


# Where, and in what


def test_an_editor_says_what_it_computes_with(openvino_editor: Editor, editor: Editor) -> None:
    assert (openvino_editor.backend, openvino_editor.precision) == ("openvino", "float32")
    assert (editor.backend, editor.precision) == ("torch", "float32")


@pytest.mark.usefixtures("only_openvino")
def test_it_is_the_default_on_a_cpu(base: Base) -> None:
    assert Editor(base).backend == Editor(base, dtype="float32", threads=1).backend == "openvino"
    assert Editor(base, backend="torch").backend == Editor(base, device="cpu").backend == "torch"


@pytest.mark.usefixtures("only_openvino")
def test_its_default_precision_is_the_processors(base: Base) -> None:
    assert Editor(base, backend="openvino", threads=1).precision == ("bf16" if HAS_BF16 else "float32")


@pytest.mark.parametrize("wish", ["cpu", "CPU", torch.device("cpu")])
def test_a_device_has_its_name_in_any_case(base: Base, wish: Any) -> None:
    assert Editor(base, backend="openvino", device=wish, dtype="float32").backend == "openvino"


@pytest.mark.parametrize("wish", ["TPU", "cuda", "GPU.7"])
def test_an_unknown_device_is_one_error(base: Base, wish: str) -> None:
    with pytest.raises(E2GANError, match=f"OpenVINO has no device '{wish}' on this machine") as caught:
        Editor(base, backend="openvino", device=wish)
    assert caught.value.hint is not None and caught.value.hint.startswith("available: CPU")


def test_without_bf16_it_computes_in_float32_and_says_so(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "computes_bfloat16", lambda: False)
    with pytest.warns(E2GANWarning, match="does not compute in bf16, so edits are computed in float32"):
        assert Editor(base, backend="openvino", dtype="bf16").precision == "float32"


@pytest.mark.skipif(not HAS_BF16, reason="this processor does not compute in bf16")
def test_bf16_is_near(base: Base, concepts: list[Concept], editor: Editor) -> None:
    picture = Image.fromarray(photo(70, 45))
    near = Editor(base, backend="openvino", dtype="bf16", threads=1)
    assert near.precision == "bf16"
    edits = [np.asarray(each.apply(picture, concepts[0])) / 127.5 for each in (near, editor)]
    assert decibels(*edits) >= 40


# What goes wrong


@pytest.fixture
def damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenVINO cannot be imported."""
    for name in [name for name in sys.modules if name.startswith(("e2gan_openvino.backend", "e2gan_openvino.network"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "openvino", None)


@pytest.mark.usefixtures("only_openvino", "damaged")
def test_if_openvino_does_not_load_it_says_so(base: Base) -> None:
    with pytest.raises(E2GANError, match="OpenVINO cannot be loaded"):
        Editor(base, backend="openvino")


def test_a_base_that_does_not_compile_is_one_error(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any, **more: Any) -> Any:
        raise RuntimeError("Exception from src/core.cpp:126:\nCheck 'false' failed\nunsupported shapes\n")

    monkeypatch.setattr(backend.cache, "read", lambda file: None)
    monkeypatch.setattr(openvino.Core, "compile_model", fail)
    with pytest.raises(E2GANError, match="cannot compile the base 'tiny' for CPU: unsupported shapes"):
        Editor(base, backend="openvino")


# The command line


@pytest.mark.usefixtures("only_openvino")
def test_apply_takes_backend_and_precision(base: Base, concepts: list[Concept], tmp_path: Path) -> None:
    Image.fromarray(photo()).save(tmp_path / "photo.png")

    def edited(*options: str) -> Image.Image:
        target = tmp_path / "edit.png"
        command = ["apply", str(concepts[0].path), str(tmp_path / "photo.png"), "-o", str(target), "--base"]
        result = CliRunner().invoke(cli, [*command, str(base.path), *options])
        assert result.exit_code == 0, result.stderr
        with Image.open(target) as picture:
            picture.load()
            return picture

    wanted = edited("--backend", "torch", "--precision", "float32")
    assert nearly(edited("--backend", "openvino", "--precision", "float32", "--device", "cpu"), wanted)
    assert nearly(edited("--precision", "float32", "--threads", "1"), wanted)


@pytest.mark.usefixtures("only_openvino")
def test_what_an_edit_runs_on_is_listed() -> None:
    result = CliRunner().invoke(cli, ["plugins"])
    lines = result.stdout.splitlines()
    table = lines[lines.index(next(line for line in lines if line.startswith("BACKEND"))) :]
    assert [line.split()[0] for line in table] == ["BACKEND", "openvino", "torch"]


def test_apply_imports_no_torch(new_base: Base, new_concepts: list[Concept], tmp_path: Path) -> None:
    """A blend that has all that surrounds a generator: noise, skips, tones, and something kept of the photo."""
    Image.fromarray(photo(150, 90)).save(tmp_path / "photo.jpg")
    blend = ",".join(f"{concept.path}={weight}" for concept, weight in zip(new_concepts, (0.2, 0.5, 0.3)))
    command = ["apply", blend, tmp_path / "photo.jpg", "-o", tmp_path / "edit.jpg", "--base", new_base.path]
    own = {"distribution": "e2gan-openvino", "cache": tmp_path / "cache"}
    for _ in range(2):  # compiled, then from the cache
        assert not imports_torch(*command, "--backend", "openvino", "--threads", "1", "-q", **own)
    assert imports_torch(*command, "--backend", "torch", "--threads", "1", "-q", **own)
