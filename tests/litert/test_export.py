"""The written model is the editor, in LiteRT's interpreter; and what goes wrong is one error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from click.testing import CliRunner, Result
from filelock import FileLock
from PIL import Image

from e2gan.base import Base
from e2gan.cli import cli
from e2gan.concept import Concept
from e2gan.editor import Editor
from e2gan.errors import E2GANError
from e2gan.installing import install_command
from e2gan.plugins import reload_registry
from e2gan_litert.check import compare, run
from e2gan_litert.convert import convert, stored
from tests.conftest import missing
from tests.editor.tiny import photo, write_tiny_concept

SIZE = (50, 45)
"""No multiple of the stride."""

Run = Callable[..., Result]


@pytest.fixture(scope="session")
def models(
    tmp_path_factory: pytest.TempPathFactory,
    worker_id: str,
    base: Base,
    new_base: Base,
    winter: Concept,
    mixed: Concept,
) -> dict[str, bytes]:
    """A model in float32 of a concept of each layout, converted once for all processes of this run."""
    if sys.version_info < (3, 11):
        pytest.skip("the converter needs JAX, which needs Python 3.11")
    own = tmp_path_factory.getbasetemp()
    folder = (own if worker_id == "master" else own.parent) / "litert"
    folder.mkdir(exist_ok=True)
    with FileLock(folder / "lock"):
        for of, concept in ((base, winter), (new_base, mixed)):
            file = folder / concept.id
            if not file.exists():
                try:
                    file.write_bytes(convert(of, concept, SIZE))
                except E2GANError as error:
                    if "needs the package" not in str(error):
                        raise
                    missing(str(error))
    return {concept.id: (folder / concept.id).read_bytes() for concept in (winter, mixed)}


def photos(count: int = 2) -> list[Image.Image]:
    return [Image.fromarray(photo(70, 60, seed)) for seed in range(count)]


def test_concepts_of_both_layouts_come_out_as_in_the_editor(
    models: dict[str, bytes], winter: Concept, mixed: Concept, editor: Editor, new_editor: Editor
) -> None:
    for concept, by in ((winter, editor), (mixed, new_editor)):
        assert compare(run(models[concept.id]), concept, by, photos(), SIZE).worst <= 1
    other = compare(run(models["winter"]), mixed, new_editor, photos(), SIZE)
    assert other.psnr < 30, "and another concept's does not"


def test_a_model_says_what_goes_in_and_out(models: dict[str, bytes]) -> None:
    interpreter = Interpreter(model_content=models["winter"])
    (signature,) = interpreter.get_signature_list().values()
    assert signature == {"inputs": ["photo"], "outputs": ["edit"]}
    for (detail,) in (interpreter.get_input_details(), interpreter.get_output_details()):
        assert detail["shape"].tolist() == [1, 45, 50, 3] and detail["dtype"] == np.uint8


def test_fewer_bits_are_smaller_and_nearly_the_same(
    models: dict[str, bytes], mixed: Concept, new_editor: Editor
) -> None:
    whole = models["mixed"]
    half, eight = stored(whole, "float16"), stored(whole, "int8")
    assert len(eight) < len(half) < len(whole)
    assert compare(run(half), mixed, new_editor, photos(), SIZE).psnr > 45
    likeness = compare(run(eight), mixed, new_editor, photos(), SIZE)
    assert 20 < likeness.psnr < 60, "a tiny random network is coarse, but it is this one, and in eight bits"


# The command line


@pytest.fixture
def export(base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "e2gan-litert")
    reload_registry()
    Image.fromarray(photo(70, 60)).save("photo.png")

    def export(*words: object) -> Result:
        line = ["export", "litert", *map(str, words), "--base", str(base.path), "--size", "50x45"]
        return CliRunner().invoke(cli, line, prog_name="e2gan")

    return export


@pytest.fixture
def converted(models: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("e2gan_litert.convert.convert", lambda base, concept, size: models["winter"])


@pytest.mark.usefixtures("converted")
def test_a_checked_model_is_written(export: Run, winter: Concept, models: dict[str, bytes]) -> None:
    words = (winter.path, "-o", "out/winter.tflite", "--photo", "photo.png", "--precision", "float32")
    result = export(*words, "--json", "-q")
    assert (result.exit_code, result.stderr) == (0, "")
    (row,) = json.loads(result.stdout)
    assert (row["model"], row["file"], row["bytes"]) == ("winter", "out/winter.tflite", len(models["winter"]))
    assert row["worst_of_255"] <= 1
    assert Path("out/winter.tflite").read_bytes() == models["winter"]
    assert export(*words).stdout.split()[:2] == ["model", "size"]


@pytest.mark.usefixtures("converted")
def test_a_model_that_is_not_near_enough_is_not_written(
    export: Run, base: Base, winter: Concept, tmp_path: Path
) -> None:
    other = write_tiny_concept(tmp_path / "concepts" / "paint", base, seed=1)
    Path("paint.tflite").write_bytes(b"an earlier one")
    result = export(other.path, "-o", "paint.tflite", "--photo", "photo.png")
    assert result.exit_code == 1
    assert "error: paint: the float16 model reaches" in result.stderr
    assert Path("paint.tflite").read_bytes() == b"an earlier one"
    assert export(other.path, "-o", "paint.tflite", "--no-check", "-q").exit_code == 0


def test_what_is_not_trained_is_told_before_the_work(export: Run, base: Base, tmp_path: Path) -> None:
    result = export(write_tiny_concept(tmp_path / "new", base, trained=False).path, "-o", "new.tflite")
    assert result.exit_code == 1
    assert "the concept 'new' is not trained yet" in result.stderr and "converting" not in result.stderr


def test_without_a_preview_a_photo_is_asked_for(export: Run, winter: Concept) -> None:
    result = export(winter.path, "-o", "winter.tflite")
    assert result.exit_code == 1
    assert "winter: nothing to check with" in result.stderr and "--photo" in result.stderr
    assert not Path("winter.tflite").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("-o", "winter.onnx"), "a LiteRT model's name ends in .tflite"),
        (("-o", "a.tflite", "--precision", "int4"), "'int4' is not one of 'float32', 'float16', 'int8'"),
        (("-o", "a.tflite", "--size", "16x64"), "width and height must be at least 32"),
        (("-o", "a.tflite", "--size", "4000x4000"), "a megapixel at most"),
        (("-o", "a.tflite", "--size", "large"), "'large' is not a size such as 256x256"),
    ],
)
def test_misuse_is_told(base: Base, winter: Concept, words: tuple[str, ...], says: str) -> None:
    result = CliRunner().invoke(cli, ["export", "litert", str(winter.path), "--base", str(base.path), *words])
    assert result.exit_code == 2
    assert says in result.stderr


def test_without_the_converter_the_error_names_it(base: Base, winter: Concept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "litert_torch", None)
    with pytest.raises(E2GANError, match="needs the package 'litert-torch'") as caught:
        convert(base, winter, SIZE)
    assert caught.value.hint == install_command("e2gan-litert[convert]")


def test_what_cannot_be_converted_is_one_error(base: Base, winter: Concept, monkeypatch: pytest.MonkeyPatch) -> None:
    class Converter:
        @staticmethod
        def convert(*arguments: Any, **more: Any) -> Any:
            raise RuntimeError("failed to legalize operation\n  at a place")

    monkeypatch.setitem(sys.modules, "litert_torch", Converter)
    with pytest.raises(E2GANError, match="cannot convert 'winter': failed to legalize operation at a place"):
        convert(base, winter, SIZE)


def test_a_model_that_cannot_be_loaded_is_one_error() -> None:
    with pytest.raises(E2GANError, match="LiteRT cannot load the model"):
        run(b"no model")
