"""Where the photographs come from: a folder that is given, or what the recipe's source makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from e2gan.data.sources import photographs
from e2gan.errors import DataError
from e2gan.installing import install_command
from e2gan.progress import Progress
from e2gan.recipe import Recipe, TeacherChoice
from e2gan.training.concept import train_concept
from tests import throwaway
from tests.training import concepts


def studio(name: str, folder: Path) -> None:
    """A source of photographs."""
    if not folder.exists():
        concepts.photos(folder, int(name))


@pytest.fixture(autouse=True)
def offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "")
    throwaway.offer("studio", photo_sources={"studio": studio})


def recipe(source: str) -> Recipe:
    return Recipe((TeacherChoice("edit"),), source)


def test_a_folder_that_is_given_is_it(tmp_path: Path) -> None:
    assert photographs(str(tmp_path), recipe("studio:64"), tmp_path / "work", Progress()) == tmp_path
    assert not (tmp_path / "work").exists()


def test_else_what_the_source_makes(tmp_path: Path) -> None:
    made = photographs(None, recipe("studio:64"), tmp_path, Progress())
    assert made == tmp_path / "photos"
    assert len([*made.rglob("*.jpg")]) == 9


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        ("", "no folder of photographs is given, and the recipe names no source", "give --data DIR"),
        (
            "photos of mine",
            "no folder of photographs is given, and no plugin offers the recipe's source 'photos of mine'",
            None,
        ),
        (
            "attic: a box",
            "no folder of photographs is given, and no plugin offers the recipe's source 'attic: a box'",
            None,
        ),
        ("ssd:dogs", "'ssd:dogs': these photographs need the package 'e2gan-ssd'", install_command("e2gan-ssd")),
    ],
)
def test_or_else_one_error(tmp_path: Path, source: str, message: str, hint: str | None) -> None:
    with pytest.raises(DataError) as caught:
        photographs(None, recipe(source), tmp_path, Progress())
    assert str(caught.value).startswith(message)
    assert caught.value.hint == (hint or "give --data DIR")


def test_a_concept_is_trained_on_what_its_source_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    concepts.stand_in(monkeypatch.setattr)
    concepts.install(concepts.EDITS, photo_sources={"studio": studio})
    base = concepts.tiny_base(tmp_path / "tiny")
    bundle = concepts.distribution(tmp_path / "negative")
    text = (bundle / "concept.toml").read_text().replace('teacher = "edit"', 'teacher = "edit"\nsource = "studio:64"')
    (bundle / "concept.toml").write_text(text)
    told: Any = Progress()
    options: Any = {"work": tmp_path / "work", "base": base.path, "workers": 1, "device": "cpu", "progress": told}
    assert not train_concept(bundle, until="select", **options).trained
    assert len([*(tmp_path / "work/photos").rglob("*.jpg")]) == 9
    assert len([*(tmp_path / "work/pairs").rglob("output/*.jpg")]) == 9
