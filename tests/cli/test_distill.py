"""``distill``: the pairs it makes, what it says, and the exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from PIL import Image

from e2gan import plugins
from e2gan.base import Base
from e2gan.data.make_pairs import PairsReport
from e2gan.recipe import Framing, Recipe, Rejection
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
    plugins.reload_registry()
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Photographs: two to train on, and one each to validate and to test."""
    for seed, name in enumerate(["train/a", "train/b", "val/c", "test/d"]):
        file = tmp_path / "data" / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo(64, 64, seed)).save(file)
    return tmp_path / "data"


def test_distill(run: Run, teacher: Path, data: Path) -> None:
    words = ["distill", "grade", "--data", data, "-o", "pairs", "--size", "32", "--workers", "1"]
    result = run(*words)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "distill with grade\npairs: 2 train, 1 val, 1 test pairs (4 made now)\n"
    rows = [json.loads(line) for line in Path("pairs/train/metadata.jsonl").read_text().splitlines()]
    assert len(rows) == 2 and rows[0]["teacher"] == "grade"
    assert run(*words).stderr == "pairs: 2 train, 1 val, 1 test pairs (0 made now)\n"
    assert run(*words, "-q").stderr == ""


def test_distill_tells_which_photos_are_left_out(run: Run, teacher: Path, data: Path) -> None:
    (data / "train" / "broken.jpg").write_text("no photo")
    result = run("distill", "grade", "--data", data, "-o", "pairs", "--size", "32", "--workers", "1")
    assert result.exit_code == 0
    _, note, summary = result.stderr.splitlines()
    assert note.startswith("note: train/broken.jpg: left out: ") and summary.startswith("pairs: 2 train")


def test_options_are_numbers_flags_or_text(run: Run, monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    seen: dict[str, Any] = {}

    def write_pairs(data: Path, out: Path, recipe: Recipe, **rest: Any) -> PairsReport:
        seen.update(recipe.teachers[0].options)
        return PairsReport(out, {}, 0, 0, {}, {}, {}, "")

    monkeypatch.setattr("e2gan.data.make_pairs.write_pairs", write_pairs)
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
        assert (result.exit_code, f"'{text}' is not NAME=VALUE" in result.stderr) == (2, True)


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
    said = "distill with grade\npairs: 2 train, 1 val, 1 test pairs (4 made now)\n"
    assert (done.returncode, done.stderr) == (0, said)


SEVERAL = """
[recipe]
rejection = {}

[[recipe.teachers]]
id = "grade"

[[recipe.teachers]]
id = "grade"
options = { radius = 3 }
"""


@pytest.fixture
def concept(base: Base) -> Path:
    """The folder of a concept with two teachers, which rejects bad pairs."""
    manifest = write_tiny_concept(Path("noon"), base, trained=False).path / "concept.toml"
    table = tomlkit.parse(manifest.read_text(encoding="utf-8"))
    table["recipe"] = {**tomlkit.parse(SEVERAL)["recipe"], "training": table["recipe"].get("training", {})}  # type: ignore
    manifest.write_text(tomlkit.dumps(table), encoding="utf-8")
    return manifest.parent


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What would have been made, which is not made."""
    calls: list[dict[str, Any]] = []

    def write_pairs(data: Path, out: Path, recipe: Recipe, *, progress: Any, **rest: Any) -> PairsReport:
        calls.append({"recipe": recipe, **rest})
        counts = {"train": 5, "val": 0, "test": 0}
        return PairsReport(out, counts, 9, 3, {}, {"broken": 1, "unchanged": 2}, {"a": 4, "b (x = 1)": 1}, "CLIP here")

    monkeypatch.setattr("e2gan.data.make_pairs.write_pairs", write_pairs)
    return calls


def test_the_recipe_of_a_concept_is_followed(run: Run, asked: list[dict[str, Any]], concept: Path) -> None:
    result = run("distill", "./noon", "--data", "photos", "-o", "pairs")
    assert result.exit_code == 0, result.stderr
    assert result.stderr == (
        "pairs: 5 train, 0 val, 0 test pairs (9 made now; rejected: 1 broken, 2 unchanged)\n"
        "compared by CLIP here: 4 of a, 1 of b (x = 1)\n"
    )
    (call,) = asked
    assert [str(teacher) for teacher in call["recipe"].teachers] == ["grade", "grade (radius = 3)"]
    assert call["recipe"].rejection == Rejection()
    assert call["prompt"] == "in the style of noon"
    assert run("distill", "./noon", "--data", "photos", "-o", "pairs", "-q").stderr == ""


def test_reject_and_ray_are_passed_on(run: Run, asked: list[dict[str, Any]]) -> None:
    assert run("distill", "t", "--data", "photos", "-o", "pairs").exit_code == 0
    assert run("distill", "t", "--data", "photos", "-o", "pairs", "--reject", "--ray", "--workers", "3").exit_code == 0
    assert [call["recipe"].rejection for call in asked] == [None, Rejection()]
    assert [(call["ray"], call["workers"]) for call in asked] == [(False, None), (True, 3)]


def test_whole_photos_and_their_size(run: Run, asked: list[dict[str, Any]], concept: Path) -> None:
    words = ["--data", "photos", "-o", "pairs"]
    manifest = next(Path("noon").rglob("concept.toml"))
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text + "\n[recipe.pictures]\nside = 432\nquality = 90\n", encoding="utf-8")
    for more in ([], ["--whole"], ["--whole", "--size", "128"]):
        assert run("distill", "t", *words, *more).exit_code == 0
        assert run("distill", "./noon", *words, *more).exit_code == 0
    assert [call["recipe"].pictures for call in asked] == [
        *(Framing(), Framing(432, quality=90)),
        *(Framing(whole=True), Framing(432, True, 90)),
        *(Framing(128, True), Framing(128, True, 90)),
    ]
    assert run("distill", "t", *words, "--size", "16").exit_code == 2


def test_pairs_of_whole_photos_of_two_folders(run: Run, teacher: Path, data: Path) -> None:
    Path("more/train").mkdir(parents=True)
    Image.new("RGB", (100, 60), "teal").save("more/train/wide.png")
    words = ["--data", data, "--data", "more", "-o", "pairs", "--size", "32", "--whole", "--workers", "1"]
    result = run("distill", "grade", *words)
    assert result.stderr == "distill with grade\npairs: 3 train, 1 val, 1 test pairs (5 made now)\n"
    rows = [json.loads(line) for line in Path("pairs/train/metadata.jsonl").read_text().splitlines()]
    assert rows[-1]["source"] == "more/train/wide.png"
    assert Image.open(Path("pairs/train", rows[-1]["input_file_name"])).size == (48, 32)


def test_a_concepts_teachers_take_no_options_here(run: Run, concept: Path) -> None:
    result = run("distill", "./noon", "--data", "photos", "-o", "pairs", "-O", "radius=2")
    assert (result.exit_code, "-O goes with a teacher's id" in result.stderr) == (2, True)


def test_the_folder_of_a_concept_is_named_with_a_slash(run: Run, data: Path, concept: Path) -> None:
    result = run("distill", "noon", "--data", data, "-o", "pairs")
    assert (result.exit_code, "hint: to use the folder of that name, write ./noon\n" in result.stderr) == (1, True)
    result = run("distill", "./nowhere", "--data", data, "-o", "pairs")
    assert result.stderr.startswith("error: nowhere: holds no concept.toml\n")


def test_what_is_bad_is_left_out(run: Run, teacher: Path, data: Path) -> None:
    Image.new("RGB", (64, 64), "grey").save(data / "train" / "flat.png")
    result = run("distill", "grade", "--data", data, "-o", "pairs", "--size", "64", "--workers", "1", "--reject")
    assert result.exit_code == 0
    assert result.stderr.endswith("pairs: 2 train, 1 val, 1 test pairs (5 made now; rejected: 1 broken)\n")
    assert Path("pairs/contact-sheet.jpg").is_file()


def test_photos_of_which_none_is_one(run: Run, teacher: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    words = ["distill", "grade", "--data", "data", "-o", "pairs", "--workers", "1"]
    assert run(*words).stderr.startswith("error: data: no photos here\nhint: looked for .")
    (tmp_path / "data" / "a.jpg").write_text("no photo")
    result = run(*words)
    assert "error: data: none of the 1 photos gave a pair; the first fault: a.jpg: " in result.stderr
    assert not Path("pairs").exists()
