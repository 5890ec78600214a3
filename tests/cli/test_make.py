"""``distill``, ``train``, ``train-base`` and ``eval``: what they call, what they say, and the exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from e2gan import plugins
from e2gan.base import Base
from e2gan.concept import Concept
from e2gan.training.progress import Progress
from tests.cli.conftest import Run, install
from tests.editor.tiny import photo, write_tiny_concept

TEACHER = """
from PIL import ImageOps, ImageFilter

class Grade:
    def __init__(self, name="negative", radius=0):
        self.radius = radius

    def __call__(self, photo):
        return ImageOps.invert(photo).filter(ImageFilter.GaussianBlur(self.radius))

@e2gan.hookimpl
def register_teachers(register):
    register("grade", Grade, "Photos as negatives")
"""


@pytest.fixture
def teacher(site: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site-packages folder with a teacher, in use."""
    folder = tmp_path_factory.mktemp("teacher")
    install(folder, "negatives", TEACHER)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "e2gan-negatives,e2gan-dusk")
    plugins.registry.cache_clear()
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Photographs: two to train on, and one each to validate and to test."""
    for seed, name in enumerate(["train/a", "train/b", "val/c", "test/d"]):
        file = tmp_path / "data" / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo(64, 64, seed)).save(file)
    return tmp_path / "data"


# distill


def test_distill(run: Run, teacher: Path, data: Path) -> None:
    words = ["distill", "grade", "--data", data, "-o", "pairs", "--size", "32", "--workers", "1"]
    result = run(*words)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "pairs: 2 train, 1 val, 1 test pairs (4 made now)\n"
    rows = [json.loads(line) for line in Path("pairs/train/metadata.jsonl").read_text().splitlines()]
    assert len(rows) == 2 and rows[0]["teacher"] == "grade"
    assert run(*words).stderr == "pairs: 2 train, 1 val, 1 test pairs (0 made now)\n"
    assert run(*words, "-q").stderr == ""


def test_distill_tells_which_photos_are_left_out(run: Run, teacher: Path, data: Path) -> None:
    (data / "train" / "broken.jpg").write_text("no photo")
    result = run("distill", "grade", "--data", data, "-o", "pairs", "--size", "32", "--workers", "1")
    assert result.exit_code == 0
    note, summary = result.stderr.splitlines()
    assert note.startswith("note: train/broken.jpg: left out: ") and summary.startswith("pairs: 2 train")


def test_options_are_numbers_flags_or_text(run: Run, monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    seen: dict[str, Any] = {}

    def write_pairs(data: Path, out: Path, teacher: str, options: dict[str, Any], **rest: Any) -> SimpleNamespace:
        seen.update(options)
        return SimpleNamespace(skipped={}, counts={}, made=0)

    monkeypatch.setattr("e2gan.training.pairs.write_pairs", write_pairs)
    texts = ["style=19", "radius=0.5", "sharp=true", "name=dusk", "painting=a=b.jpg", "list=[1]", "none=null", "empty="]
    assert run("distill", "t", "--data", data, "-o", "p", *(w for t in texts for w in ("-O", t))).exit_code == 0
    assert seen == {
        "style": 19,
        "radius": 0.5,
        "sharp": True,
        "name": "dusk",
        "painting": "a=b.jpg",
        "list": "[1]",
        "none": "null",
        "empty": "",
    }
    for text in ("style", "=19"):
        result = run("distill", "t", "--data", data, "-o", "p", "-O", text)
        assert (result.exit_code, f"'{text}' is no NAME=VALUE" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["grad"], "error: no teacher 'grad'\nhint: did you mean 'grade'?\n"),
        (["grade", "-O", "colour=red"], "error: the teacher 'grade'"),
        (["grade", "--data", "nowhere"], "error: nowhere: no such folder of photos\n"),
    ],
)
def test_distill_that_cannot_be(run: Run, teacher: Path, data: Path, words: list[str], error: str) -> None:
    result = run("distill", "--data", data, "-o", "pairs", "--workers", "1", *words)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(error)
    assert not Path("pairs").exists()


def test_distill_in_several_processes(teacher: Path, data: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    """Each worker imports the program's main module again: that must not run the command again."""
    path = f"{environment['PYTHONPATH']}:{teacher}"
    done = subprocess.run(
        [sys.executable, "-m", "e2gan", "distill", "grade", "--data", data, "-o", "pairs", "--workers", "2"],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": path, "E2GAN_LOAD_PLUGINS": "e2gan-negatives"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "pairs: 2 train, 1 val, 1 test pairs (4 made now)\n")


# train and train-base


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Calls of the two trainings, which only report a little progress."""
    made: list[tuple[Any, ...]] = []

    def training(*words: Any, progress: Progress, **options: Any) -> SimpleNamespace:
        progress.stage("train on 2 pairs")
        progress.advance(1, 2, {"l1": 0.5})
        made.append((*words, options))
        return SimpleNamespace(path=words[0])

    monkeypatch.setattr("e2gan.training.concept.train_concept", training)
    monkeypatch.setattr("e2gan.training.base.train_base", training)
    return made


def test_train(run: Run, base: Base, calls: list[tuple[Any, ...]]) -> None:
    write_tiny_concept(Path("noon"), base, trained=False)
    result = run("train", "noon", "--data", "photos")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "train on 2 pairs\nwrote noon\n")
    options = {"work": Path("runs/noon"), "preview": None, "workers": None, "device": None}
    assert calls == [(Path("noon"), Path("photos"), options)]
    words = ["--work", "w", "--preview", "p.jpg", "--workers", "2", "--device", "cpu", "-q"]
    assert run("train", "noon", "--data", "photos", *words).stderr == ""
    assert calls[1][2] == {"work": Path("w"), "preview": Path("p.jpg"), "workers": 2, "device": "cpu"}


def test_train_what_is_no_concept(run: Run, calls: list[tuple[Any, ...]]) -> None:
    result = run("train", "nowhere", "--data", "photos")
    assert (result.exit_code, calls) == (1, [])
    assert result.stderr.startswith("error: nowhere: holds no concept.toml\n")


RECIPE = """
id = "sea"
title = "Sea"
version = "1.0.0"
license = "apache-2.0"
[choice]
concepts = 1
[[candidate]]
id = "negative"
prompt = "a negative"
teacher = "grade"
"""


def test_train_base(run: Run, calls: list[tuple[Any, ...]]) -> None:
    Path("sea").mkdir()
    Path("sea/recipe.toml").write_text(RECIPE)
    result = run("train-base", "sea/recipe.toml", "--data", "photos")
    assert (result.exit_code, result.stdout) == (0, "")
    options = {"work": Path("runs/sea"), "workers": None, "device": None}
    assert calls == [(Path("sea/recipe.toml"), Path("photos"), Path("sea"), options)]
    assert run("train-base", "sea/recipe.toml", "--data", "photos", "-o", "out", "--work", "w").exit_code == 0
    assert calls[1][2:] == (Path("out"), {**options, "work": Path("w")})


def test_train_base_without_a_recipe(run: Run, calls: list[tuple[Any, ...]]) -> None:
    result = run("train-base", "nowhere.toml", "--data", "photos")
    assert (result.exit_code, calls) == (1, [])
    assert result.stderr.startswith("error: cannot read nowhere.toml: ")


def test_a_package_that_is_missing(run: Run, base: Base, calls: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def training(*words: Any, **options: Any) -> None:
        raise ModuleNotFoundError("No module named 'peft.tuners'", name="peft.tuners")

    write_tiny_concept(Path("noon"), base, trained=False)
    monkeypatch.setattr("e2gan.training.concept.train_concept", training)
    result = run("train", "noon", "--data", "photos")
    assert result.exit_code == 1
    assert result.stderr == (
        "error: this needs the package 'peft', which is not installed\nhint: pip install 'e2gan[train]'\n"
    )


# eval


def test_eval(run: Run, teacher: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(editor: Any, concept: Concept, pairs: list[Any]) -> dict[str, Any]:
        return {"concept": concept.id, "pairs": len(pairs), "l1": {"ratio": 0.123456}, "interval": [0.1, 0.2]}

    monkeypatch.setattr("e2gan.training.concept.measure", measure)
    result = run("eval", "dusk", "--data", data, "--workers", "1")
    assert result.exit_code == 0
    assert result.stdout == "concept   dusk\npairs     1\nl1 ratio  0.1235\ninterval  0.1, 0.2\n"
    assert result.stderr == "distil with grade\nedit and measure 1 photos\n"
    result = run("eval", "dusk", "--data", data, "--workers", "1", "--split", "train", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout)["pairs"] == 2
    assert Path("runs/dusk/pairs/test").is_dir()
