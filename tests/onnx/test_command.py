"""``e2gan export onnx``, on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from e2gan.base import Base
from e2gan.cli import cli
from e2gan.concept import Concept
from e2gan.plugins import reload_registry
from e2gan_onnx import export as module
from e2gan_onnx.command import targets
from tests.editor.tiny import write_tiny_concept

Run = Callable[..., Result]


@pytest.fixture
def run(base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "e2gan-onnx")
    reload_registry()

    def run(*words: object) -> Result:
        line = ["export", "onnx", *map(str, words), "--base", str(base.path)]
        return CliRunner().invoke(cli, line, prog_name="e2gan")

    return run


@pytest.fixture
def traced(models: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Models that were traced before, given again; a list of the opsets that were asked for."""
    import onnx

    asked = []

    def to_onnx(*_: object, opset: int, name: str, **__: object) -> object:
        asked.append(opset)
        return onnx.load(models[name])

    monkeypatch.setattr(module, "to_onnx", to_onnx)
    return asked


def test_several_concepts_go_into_a_folder_and_a_table(
    run: Run, traced: list[int], concepts: dict[str, Concept], tmp_path: Path
) -> None:
    result = run(concepts["paint"].path, concepts["winter"].path, "-o", "out")
    assert result.exit_code == 0, result.stderr
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["paint.onnx", "winter.onnx"]
    header, *rows = result.stdout.splitlines()
    assert header.split() == ["model", "size", "PSNR", "worst", "pixel", "file"]
    assert [row.split()[0] for row in rows] == ["paint", "winter"] and "dB" in rows[0]
    assert "paint: checking" in result.stderr


def test_one_concept_goes_into_a_file_and_json(
    run: Run, traced: list[int], concepts: dict[str, Concept], tmp_path: Path
) -> None:
    result = run(concepts["paint"].path, "-o", "here.onnx", "--opset", 20, "--no-check", "--json", "-q")
    (row,) = json.loads(result.stdout)
    assert row == {"model": "paint", "file": "here.onnx", "bytes": (tmp_path / "here.onnx").stat().st_size}
    assert traced == [20]
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--opset", 5), "5 is not in the range 18<=x<=23"),
        (("--precision", "int4"), "'int4' is not one of 'fp32', 'fp16', 'int8'"),
        (("--swap", "--precision", "int8"), "--swap needs fp32"),
        (("--calibrate", "."), "--calibrate needs --precision int8"),
        (("--swap", "--io", "uint8"), "--swap writes models that take float32"),
        (("--io", "int8"), "'int8' is not one of 'uint8', 'float32'"),
    ],
)
def test_misuse_is_told(
    run: Run, concepts: dict[str, Concept], tmp_path: Path, words: tuple[object, ...], says: str
) -> None:
    result = run(concepts["paint"].path, "-o", "out", *words)
    assert result.exit_code == 2
    assert says in result.stderr
    assert not any(tmp_path.iterdir())


def test_what_is_not_trained_is_told_before_the_work(run: Run, base: Base, tmp_path: Path) -> None:
    result = run(write_tiny_concept(tmp_path / "new", base, trained=False).path, "-o", "new.onnx")
    assert result.exit_code == 1
    assert "the concept 'new' is not trained yet" in result.stderr and "tracing" not in result.stderr


def test_an_unwritable_place_is_one_error(
    run: Run, traced: list[int], concepts: dict[str, Concept], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    result = run(concepts["paint"].path, "-o", "file/paint.onnx")
    assert result.exit_code == 1
    assert "error: cannot write file/paint.onnx: " in result.stderr
    assert traced == [], "known before the work"


def test_where_the_models_go(tmp_path: Path) -> None:
    (tmp_path / "file.txt").touch()
    assert targets(["a"], Path("b.onnx")) == [Path("b.onnx")]
    assert targets(["a"], Path("b")) == [Path("b/a.onnx")]
    assert targets(["a", "b"], tmp_path) == [tmp_path / "a.onnx", tmp_path / "b.onnx"]
    (tmp_path / "made.v2").mkdir()
    assert targets(["a"], tmp_path / "made.v2") == [tmp_path / "made.v2" / "a.onnx"]
    with pytest.raises(click.UsageError, match="models end in"):
        targets(["a"], Path("b.tflite"))
    for output in (Path("c.onnx"), tmp_path / "file.txt"):
        with pytest.raises(click.UsageError, match="must be a folder"):
            targets(["a", "b"], output)


def test_a_concept_named_twice_is_misuse(run: Run, concepts: dict[str, Concept]) -> None:
    result = run(concepts["paint"].path, concepts["paint"].path, "-o", "out")
    assert result.exit_code == 2 and "two concepts would be written as 'paint'" in result.stderr
