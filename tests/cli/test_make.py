"""``select``, ``train`` and ``train-base``: what they call, what they say, and the exit code."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from e2gan.installing import install_command
from e2gan.progress import Progress
from tests.cli.conftest import Run

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


DEFAULTS = {
    "work": None,
    "until": "card",
    "base": None,
    "preview": None,
    "workers": None,
    "ray": False,
    "device": None,
}


def test_train(run: Run, calls: list[tuple[Any, ...]]) -> None:
    result = run("train", "noon", "--data", "photos")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "train on 2 pairs\n")
    assert calls == [(Path("noon"), Path("photos"), DEFAULTS)]
    words = ["--work", "w", "--preview", "p.jpg", "--workers", "2", "--device", "cpu", "--step", "eval", "--ray", "-q"]
    assert run("train", "noon", "--data", "photos", "--base", "lite", *words).stderr == ""
    asked = {"work": Path("w"), "preview": Path("p.jpg"), "workers": 2, "device": "cpu", "until": "eval", "ray": True}
    asked["base"] = "lite"
    assert calls[1][2] == asked
    assert run("train", "noon", "--data", "photos", "--step", "everything").exit_code == 2


def test_several_folders_of_photos(run: Run, calls: list[tuple[Any, ...]]) -> None:
    folders = (Path("photos"), Path("more"))
    words = ["--data", "photos", "--data", "more"]
    Path("sea.toml").write_text(RECIPE)
    for command in (["train", "noon"], ["select", "noon"], ["train-base", "sea.toml"]):
        assert run(*command, *words).exit_code == 0
    assert [call[1] for call in calls] == [folders] * 3
    assert run("train", "noon").exit_code == 0
    assert calls[3][1] is None
    assert "Missing option '--data'" in run("train-base", "sea.toml").stderr


def test_every_step_can_be_named(run: Run, calls: list[tuple[Any, ...]]) -> None:
    from e2gan.training.concept import STEPS

    for step in STEPS:
        assert run("train", "noon", "--data", "photos", "--step", step).exit_code == 0
    assert [call[2]["until"] for call in calls] == list(STEPS)


def test_select(run: Run, calls: list[tuple[Any, ...]]) -> None:
    result = run("select", "noon", "--data", "photos", "--work", "w", "--workers", "1")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "train on 2 pairs\n")
    asked = {"work": Path("w"), "workers": 1, "ray": False, "until": "select"}
    assert calls == [(Path("noon"), Path("photos"), asked)]


def test_train_what_is_no_concept(run: Run) -> None:
    result = run("train", "nowhere", "--data", "photos", "--device", "cpu")
    assert result.exit_code == 1
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


def test_a_package_that_is_missing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def training(*words: Any, **options: Any) -> None:
        raise ModuleNotFoundError("No module named 'peft.tuners'", name="peft.tuners")

    monkeypatch.setattr("e2gan.training.concept.train_concept", training)
    result = run("train", "noon", "--data", "photos")
    assert result.exit_code == 1
    assert result.stderr == (
        f"error: this needs the package 'peft', which is not installed\nhint: {install_command('e2gan[train]')}\n"
    )
