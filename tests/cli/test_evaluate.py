"""``eval``: what it writes besides printing figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from e2gan.concept import Concept
from e2gan.evaluation.measure import Example, Measurement
from e2gan.training.pairs import Pair, Pairs
from tests.cli.conftest import Run
from tests.editor.tiny import photo, write_tiny_concept


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Two test pairs, and an evaluation that only notes what it was asked for."""
    calls: list[dict[str, Any]] = []
    pair = Pair(Path("a.jpg"), Path("b.jpg"))

    def examine(editor: Any, concept: Concept, pairs: list[Pair], **options: Any) -> Measurement:
        calls.append({"concept": concept.id, "pairs": len(pairs), **options})
        picture = Image.fromarray(photo())
        quality = {"pictures": 2, "photographs": 2, "l1": 0.125, "intervals": "none"}
        return Measurement(quality, [Example(picture, picture, picture, "a.jpg", 0.1, "best")], {"LPIPS": "not here"})

    monkeypatch.setattr("e2gan.evaluation.measure.examine", examine)
    monkeypatch.setattr(
        "e2gan.training.pairs.distilled_pairs", lambda *words, **options: Pairs(Path(), {"test": (pair, pair)})
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
