"""The command line, from photos to figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from e2gan.cli import cli
from e2gan_ssd.commands import ssd


class MeanColour:
    """In the place of a network: three numbers a picture."""

    size = 96

    def __call__(self, images: Sequence[Image.Image]) -> np.ndarray:
        return np.stack([np.asarray(image, np.float32).mean((0, 1)) for image in images])


def run(*words: object) -> Result:
    return CliRunner().invoke(ssd, [str(word) for word in words])


def test_it_is_a_command_of_the_program() -> None:
    assert "interpolate" in CliRunner().invoke(cli, ["ssd", "--help"]).output


def test_train(folder: Path, tmp_path: Path) -> None:
    words = ("train", folder, "-o", tmp_path / "run", "--epochs", 1, "--batch-size", 6, "--model", "dcgan")
    first, second = run(*words), run(*words)
    assert first.exit_code == second.exit_code == 0, first.output
    assert "train: unchanged" in second.stderr
    assert Image.open(tmp_path / "run/samples.png").size[0] > 6 * 128


def test_sample_into_a_folder_that_a_teacher_can_edit(model: Path, tmp_path: Path) -> None:
    assert run("sample", model, "-o", tmp_path / "made", "-n", 3, "--seed", 8).exit_code == 0
    assert [file.name for file in sorted((tmp_path / "made").iterdir())] == ["000008.png", "000009.png", "000010.png"]
    assert Image.open(tmp_path / "made/000008.png").size == (64, 64)


def test_sample_into_a_sheet(model: Path, tmp_path: Path) -> None:
    assert run("sample", model, "-o", tmp_path / "sheet.png", "-n", 4).exit_code == 0
    assert Image.open(tmp_path / "sheet.png").size[0] == 2 * 128 + 3 * 4


def test_interpolate_into_a_sheet_and_an_animation(model: Path, tmp_path: Path) -> None:
    assert run("interpolate", model, "-o", tmp_path / "way.png", "--steps", 3).exit_code == 0
    assert Image.open(tmp_path / "way.png").size == (3 * 132 + 4, 3 * 132 + 4)
    words = ("--seed", 1, "--seed", 2, "--minus", 3, "--plus", 4, "--steps", 5)
    assert run("interpolate", model, "-o", tmp_path / "way.gif", *words).exit_code == 0
    with Image.open(tmp_path / "way.gif") as animation:
        assert animation.size == (2 * 128, 128)
        assert animation.n_frames == 8  # there, and back without its ends


def test_misuse(model: Path, tmp_path: Path) -> None:
    assert run("interpolate", model, "-o", tmp_path / "way.jpg").exit_code == 2
    assert run("interpolate", model, "-o", tmp_path / "way.png", "--seed", 1).exit_code == 2


def test_eval(model: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("e2gan_ssd.measuring.find_inception", lambda file: None)
    monkeypatch.setattr("e2gan_ssd.measuring.EfficientNetLite0", MeanColour)
    result = run("eval", model, "--data", folder, "--json", "-q")
    figures = json.loads(result.stdout)
    assert figures["pictures"] == 12
    assert "not comparable" in figures["features"]
    assert figures["clean_fid"] > 0
