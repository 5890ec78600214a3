"""``import``: what it says, what it writes, and the exit code."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from e2gan.data.pairs import Pairs
from tests.cli.conftest import Run


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Six pairs of one's own."""
    for home, colour in (("before", "red"), ("after", "blue")):
        for split, count in (("train", 4), ("val", 1), ("test", 1)):
            (tmp_path / "data" / home / split).mkdir(parents=True)
            for n in range(count):
                Image.new("RGB", (64, 64), colour).save(tmp_path / "data" / home / split / f"{n}.png")
    return tmp_path / "data"


def test_import(run: Run, data: Path) -> None:
    words = ["import", "pairs", data, "-o", "pairs", "--size", "32"]
    result = run(*words)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "import 6 pairs\npairs: 4 train, 1 val, 1 test (6 made now)\n"
    assert len(Pairs.open("pairs").split("train")) == 4
    assert run(*words, "-q").stderr == ""
    assert run(*words).stderr.endswith("(0 made now)\n")


def test_what_is_left_out_is_said_in_a_line(run: Run, data: Path) -> None:
    for n in (1, 2):
        (data / "after" / "train" / f"{n}.png").write_text("no picture")
    result = run("import", "pairs", data, "-o", "pairs", "--size", "32")
    assert result.exit_code == 0
    for n in (1, 2):
        assert f"note: train/{n}: left out: {n}.png: not a picture" in result.stderr


def test_limits(run: Run, data: Path) -> None:
    result = run("import", "pairs", data, "-o", "one", "--limit", "1")
    assert result.stderr.endswith("one: 1 train, 1 val, 1 test (3 made now)\n")
    result = run("import", "pairs", data, "-o", "three", "--limit", "3,1,1")
    assert result.stderr.endswith("three: 3 train, 1 val, 1 test (5 made now)\n")
    for wrong in ("0", "1,2", "many", "1,2,-3", ""):
        assert run("import", "pairs", data, "-o", "four", "--limit", wrong).exit_code == 2
    assert not Path("four").exists()


def test_known_errors(run: Run, data: Path) -> None:
    result = run("import", "facades", data, "-o", "out")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {data}: this is not Facades\nhint: it should hold folders train")
    assert run("import", "fhq", data, "-o", "out").stderr.endswith("hint: did you mean 'ffhq'?\n")
    assert run("import", "pairs", data).exit_code == 2
