"""What a trained model makes as photographs to distil from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from e2gan.cli import cli
from e2gan.data.pairs import Pairs
from e2gan.errors import BaseModelError, DataError, E2GANError
from e2gan.plugins import registry
from e2gan_ssd import photos
from e2gan_ssd.models import Generator, variant
from e2gan_ssd.photos import write_photos
from e2gan_ssd.sampling import pictures, read_model, write_model


def times(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mtime_ns for file in sorted(folder.iterdir())}


def test_they_are_the_models_pictures_enlarged(model: Path, tmp_path: Path) -> None:
    write_photos(f"{model.parent}?count=3&seed=7", tmp_path)
    files = sorted(tmp_path.iterdir())
    assert [file.name[:6] for file in files] == ["000007", "000008", "000009"]
    for file, picture in zip(files, pictures(read_model(model), range(7, 10)), strict=True):
        with Image.open(file) as made:
            assert made.size == (256, 256)
            assert np.array_equal(made, picture.resize((256, 256), Image.Resampling.BICUBIC))


def test_without_a_question_mark_they_are_a_thousand(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (photos.COUNT, photos.SEED) == (1000, 0)
    monkeypatch.setattr(photos, "COUNT", 2)
    write_photos(str(model), tmp_path)
    assert [name[:6] for name in times(tmp_path)] == ["000000", "000001"]


def test_what_is_there_stays_and_what_is_not_meant_goes(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    write_photos(f"{model}?count=3", folder)
    before = times(folder)
    (folder / "mine.png").touch()
    write_photos(f"{model}?count=2&seed=1", folder)
    assert times(folder).keys() - {"mine.png"} == {*before} - {min(before)}
    write_photos(f"{model}?count=3", folder)
    after = times(folder)
    assert [name for name in before if after[name] != before[name]] == [min(before)]

    torch.manual_seed(1)
    write_model(tmp_path / "other.safetensors", "ssd", Generator(variant("ssd")).state_dict(), {})
    write_photos(f"{tmp_path / 'other.safetensors'}?count=3", folder)
    assert len(times(folder)) == 4 and not before.keys() & times(folder).keys()


def test_a_recipe_needs_no_other_photographs(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    concept = tmp_path / "crayon"
    assert CliRunner().invoke(cli, ["new", "crayon", "--teacher", "grade", "-O", "name=dusk"]).exit_code == 0
    (manifest,) = concept.glob("*/bundle/concept.toml")
    text = manifest.read_text().replace('source = "photos of mine"', f'source = "ssd:{model.as_posix()}?count=12"')
    manifest.write_text(text)
    command = ["distill", "./crayon", "-o", "pairs", "--workers", "1"]
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 0, result.stderr
    pairs = Pairs.open(tmp_path / "pairs")
    made = sorted(path.name for path in (tmp_path / "runs/crayon/photos").iterdir())
    assert sorted(pair.source for split in pairs.splits.values() for pair in split) == made
    assert len(made) == 12
    assert "(0 made now)" in CliRunner().invoke(cli, command).stderr

    model_gone = manifest.read_text().replace(model.name, "gone.safetensors")
    manifest.write_text(model_gone)
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 1
    assert "gone.safetensors: no such model" in result.stderr


def test_what_is_wrong(model: Path, tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match="no such model"):
        write_photos(str(tmp_path / "nothing"), tmp_path)
    for query in ("count=0", "count=100001", "seed=-1", "seeds=3", "count", "&"):
        with pytest.raises(DataError, match=r"ssd:.*count"):
            write_photos(f"{model}?{query}", tmp_path / "photos")
    assert not (tmp_path / "photos").exists()


@given(st.text(max_size=40))
def test_any_name_is_a_model_or_one_error(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    folder = tmp_path_factory.mktemp("any")
    with pytest.raises(E2GANError):
        write_photos(f"{folder}/{name}", folder)


def test_it_is_registered() -> None:
    assert registry().get("photo source", "ssd").distribution == "e2gan-ssd"
