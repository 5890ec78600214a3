"""``eval``: what it writes besides printing figures."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from e2gan.base import Base
from e2gan.concept import Concept
from e2gan.data.pairs import Pair, Pairs
from e2gan.evaluation.measure import Example, Measurement
from tests.cli.conftest import Run
from tests.editor.tiny import photo, write_tiny_concept

figures: dict[str, Any] = {}
"""What is measured besides."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Two test pairs, and an evaluation that only notes what it was asked for."""
    calls: list[dict[str, Any]] = []
    figures.clear()
    pair = Pair(Path("a.jpg"), Path("b.jpg"))

    def examine(
        editor: Any, concept: Concept, pairs: list[Pair], *, progress: Any, training_flops: None, **options: Any
    ) -> Measurement:
        calls.append({"concept": concept.id, "pairs": len(pairs), **options})
        picture = Image.fromarray(photo())
        quality = {"pictures": 2, "photographs": 2, "l1": 0.125, "intervals": "none", **figures}
        return Measurement(
            quality, [Example(picture, picture, picture, "a.jpg", 0.1, "best")], unmeasured={"LPIPS": "not here"}
        )

    monkeypatch.setattr("e2gan.evaluation.measure.examine", examine)
    monkeypatch.setattr(
        "e2gan.data.make_pairs.distilled_pairs", lambda *words, **options: Pairs(Path(), {"test": (pair, pair)})
    )
    return calls


def test_the_report_is_written_and_what_is_left_out_said(run: Run, asked: list[dict[str, Any]]) -> None:
    result = run("eval", "dusk", "--data", "photos", "-o", "report")
    assert result.exit_code == 0
    assert "edit and measure 2 photos\n" in result.stderr
    assert result.stderr.endswith("wrote report/report.html\nnote: not measured: LPIPS: not here\n")
    assert "l1           0.125\n" in result.stdout
    assert {file.name for file in Path("report").iterdir()} == {"report.html", "sheet.png"}
    assert "not here" in Path("report/report.html").read_text(encoding="utf-8")
    assert run("eval", "dusk", "--data", "photos", "-q").stderr == ""
    assert json.loads(run("eval", "dusk", "--data", "photos", "--json").stdout)["l1"] == 0.125


def test_on_another_base(run: Run, asked: list[dict[str, Any]], two_bases: tuple[Base, Base], tmp_path: Path) -> None:
    for base, name in zip(two_bases, ("bundle", "bundle-lite"), strict=True):
        concept = write_tiny_concept(tmp_path / "bundles" / base.id / "noon", base)
        shutil.copytree(concept.path, tmp_path / "noon" / "e2gan_concept_noon" / name)
    assert run("eval", "./noon", "--data", "photos", "--base", "lite", "--record").exit_code == 0
    first, lite = (Concept.read(folder) for folder in sorted((tmp_path / "noon" / "e2gan_concept_noon").iterdir()))
    assert (first.quality, lite.quality["l1"]) == ({}, 0.125)
    result = run("eval", "dusk", "--data", "photos", "--base", "lite")
    assert (result.exit_code, "made for the base 'tiny'" in result.stderr) == (1, True)


def test_the_main_figures_come_last_and_say_what_is_bad(run: Run, asked: list[dict[str, Any]]) -> None:
    figures["l1_ratio"] = 1.25
    result = run("eval", "dusk", "--data", "photos")
    assert result.stdout.endswith(
        "\n\nL1 ratio  1.25  0 is the teacher, 1 is doing nothing\n"
        "worse than doing nothing: L1 ratio 1.25: the unedited photos are nearer to the teacher's pictures than the "
        "edits\n  try: more steps, or a higher l1 or a lower gan in [recipe.training]; set keeps if the "
        "edit should stay a photo\n"
    )
    assert "worse" not in run("eval", "dusk", "--data", "photos", "-q").stdout
    assert json.loads(run("eval", "dusk", "--data", "photos", "--json").stdout)["l1_ratio"] == 1.25


def test_several_folders_are_passed_on(run: Run, asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    monkeypatch.setattr("e2gan.data.sources.photographs", lambda data, *words: given.append(data) or data)
    for words in ([], ["--data", "a"], ["--data", "a", "--data", "b"]):
        assert run("eval", "dusk", *words).exit_code == 0
    assert given == [None, Path("a"), (Path("a"), Path("b"))]


def test_inception_may_be_named_or_downloaded(run: Run, asked: list[dict[str, Any]]) -> None:
    assert run("eval", "dusk", "--data", "photos", "--inception", "i.pt", "--download").exit_code == 0
    assert run("eval", "dusk", "--data", "photos").exit_code == 0
    assert asked == [
        {"concept": "dusk", "pairs": 2, "inception": Path("i.pt"), "download": True, "segmenter": None},
        {"concept": "dusk", "pairs": 2, "inception": None, "download": False, "segmenter": None},
    ]


def test_figures_are_recorded_only_when_asked(run: Run, asked: list[dict[str, Any]], base: Any) -> None:
    concept = write_tiny_concept(Path("noon"), base)
    assert run("eval", "./noon", "--data", "photos").exit_code == 0
    assert Concept.read(concept.path).quality == {}
    assert run("eval", "./noon", "--data", "photos", "--record").exit_code == 0
    assert Concept.read(concept.path).quality["l1"] == 0.125


def test_a_preview_is_drawn_with_the_record_alone(run: Run, asked: list[dict[str, Any]], base: Any) -> None:
    concept = write_tiny_concept(Path("noon"), base)
    Image.fromarray(photo()).save("photo.png")
    alone = run("eval", "./noon", "--data", "photos", "--preview", "photo.png")
    assert alone.exit_code == 2
    assert "it needs --record" in alone.stderr
    missing = run("eval", "./noon", "--data", "photos", "--record", "--preview", "other.png")
    assert missing.exit_code == 1
    assert "other.png" in missing.stderr
    assert not asked
    assert run("eval", "./noon", "--data", "photos", "--record", "--preview", "photo.png").exit_code == 0
    preview = Concept.read(concept.path).preview
    assert preview is not None
    with Image.open(preview) as both:
        width, height = Image.fromarray(photo()).size
        assert both.size == (2 * width, height)
    assert "preview.webp" in (concept.path / "README.md").read_text(encoding="utf-8")
