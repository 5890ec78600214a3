"""``e2gan export coreml``: what it writes, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from e2gan import plugins
from e2gan.base import Base
from e2gan.concept import Concept
from e2gan_coreml import check
from e2gan_coreml.program import MODEL, Program
from tests.cli.conftest import Run
from tests.editor.tiny import photo, write_tiny_concept

pytest.importorskip("coremltools", reason="there is no coremltools for this Python")


@pytest.fixture(autouse=True)
def exporter(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "e2gan-dusk,e2gan-dawn,e2gan-coreml")
    plugins.reload_registry()


@pytest.fixture
def picture(tmp_path: Path) -> str:
    Image.fromarray(photo(80, 64)).save(tmp_path / "photo.png")
    return "photo.png"


def left(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()} - {"photo.png"}


def test_a_concept_is_exported_and_checked(run: Run, picture: str, tmp_path: Path) -> None:
    words = ("export", "coreml", "dusk", "-o", "Dusk.mlpackage", "--size", "64x48", "--photo", picture)
    result = run(*words)
    assert result.exit_code == 0, result.stderr
    assert left(tmp_path) == {"Dusk.mlpackage"}
    assert result.stderr.startswith("dusk: converting") and "wrote Dusk.mlpackage" in result.stderr
    table = [line.split() for line in result.stdout.splitlines()]
    assert [row[0] for row in table if row] == ["part", "dusk", "description", "total", "concept", "dusk"]
    assert table[-1][1] == "interpreter"
    assert Program(tmp_path / "Dusk.mlpackage").functions == ("main",)

    again = run(*words[:3], "dawn", *words[3:], "--json", "-q")
    assert again.exit_code == 0, again.stderr
    assert again.stderr == ""
    report = json.loads(again.stdout)
    assert list(report["bytes"]) == ["shared", "dusk", "dawn", "rest"]
    assert [each["concept"] for each in report["likeness"]] == ["dusk", "dawn"]
    assert left(tmp_path) == {"Dusk.mlpackage"}
    assert Program(tmp_path / "Dusk.mlpackage").functions == ("dusk", "dawn")


def test_a_package_that_is_too_far_off_is_not_written(
    run: Run, picture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(check.LEAST, None, 200.0)
    words = ("export", "coreml", "dusk", "-o", "Dusk.mlpackage", "--size", "32x32", "--photo", picture)
    result = run(*words)
    assert result.exit_code == 1
    assert "error: dusk: its edits differ too much from the editor's" in result.stderr
    assert left(tmp_path) == set()
    assert run(*words[:-2], "--no-check", "-q").exit_code == 0
    assert (tmp_path / "Dusk.mlpackage" / MODEL).is_file()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("dusk", "-o", "Dusk.mlmodel"), "Dusk.mlmodel: a Core ML package's name ends in .mlpackage"),
        (("dusk", "-o", "D.mlpackage", "--target", "iOS15"), "'iOS15' is not one of 'iOS17', 'iOS18'"),
        (("dusk", "dawn", "-o", "D.mlpackage", "--target", "iOS17"), "several concepts needs --target iOS18"),
        (("dusk", "dusk", "-o", "D.mlpackage"), "the concept 'dusk' appears twice"),
        (("dusk", "-o", "D.mlpackage", "--size", "250x256"), "250x256: width and height must be multiples of 8"),
        (("dusk", "-o", "D.mlpackage", "--size", "2048x2048"), "a megapixel at most"),
        (("dusk", "-o", "D.mlpackage", "--size", "large"), "'large' is not a size such as 256x256"),
    ],
)
def test_misuse_is_said_at_once(run: Run, tmp_path: Path, words: tuple[str, ...], complaint: str) -> None:
    result = run("export", "coreml", *words)
    assert result.exit_code == 2
    assert complaint in " ".join(result.stderr.split())
    assert left(tmp_path) == set()


def refused(run: Run, folder: Path, *words: str | Path) -> str:
    """The error line of an export that fails and leaves everything as it was."""
    before = left(folder)
    result = run("export", "coreml", *words)
    assert result.exit_code == 1, result.output
    assert left(folder) == before
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("error: "))
    return line


def test_what_is_no_package_is_not_written_over(run: Run, tmp_path: Path) -> None:
    (tmp_path / "Mine.mlpackage").mkdir()
    (tmp_path / "Mine.mlpackage" / "diary.txt").write_text("dear diary")
    assert "exists and is not a Core ML package" in refused(run, tmp_path, "dusk", "-o", "Mine.mlpackage")
    assert (tmp_path / "Mine.mlpackage" / "diary.txt").read_text() == "dear diary"


def test_a_place_that_cannot_be_written_to_is_named(run: Run, picture: str, tmp_path: Path) -> None:
    line = refused(run, tmp_path, "dusk", "-o", "photo.png/D.mlpackage", "--no-check")
    assert "cannot write photo.png/D.mlpackage" in line


def test_a_concept_for_another_base_is_refused(run: Run, tmp_path: Path, base: Base) -> None:
    foreign = write_tiny_concept(tmp_path / "foreign", replace(base, sha256="0" * 64))
    line = refused(run, tmp_path, "dusk", foreign.path, "-o", "D.mlpackage", "--no-check")
    assert "made for the base 'tiny' (000000000000…), not for 'tiny'" in line


def test_without_a_photo_to_check_with_the_error_says_so(run: Run, tmp_path: Path) -> None:
    assert "the concept has no preview" in refused(run, tmp_path, "dusk", "-o", "D.mlpackage")


def test_the_previews_unedited_half_is_the_photo_to_check_with(base: Base, tmp_path: Path) -> None:
    concept = write_tiny_concept(tmp_path / "shown", base)
    both = Image.new("RGB", (80, 32), "red")
    both.paste("blue", (40, 0, 80, 32))
    both.save(concept.path / "preview.webp", lossless=True)
    (half,) = check.photos_for([Concept.read(concept.path)], [])
    assert half.size == (40, 32)
    assert half.getcolors() == [(40 * 32, (255, 0, 0))]
