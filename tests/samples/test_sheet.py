"""The comparison sheet that ``make demo`` writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from tests.editor.tiny import photo

CONCEPTS = ("dusk", "ukiyoe")


def sheet(repository: Path, folder: Path, *photos: str) -> Image.Image:
    """By the shipped base and two shipped concepts, which nothing else here tests from end to end."""
    for name, size in zip(photos, ((96, 64), (64, 64)), strict=False):
        Image.fromarray(photo(*size)).save(folder / name)
    bundles = [str(next(repository.glob(f"concepts/{name}/*/bundle"))) for name in CONCEPTS]
    command = [sys.executable, repository / "samples/sheet.py", *photos, "--concepts", *bundles, "-o", "out"]
    subprocess.run(command, cwd=folder, check=True)
    return Image.open(folder / "out/sheet.jpg")


def varied(page: Image.Image, *places: tuple[int, int]) -> bool:
    """Whether there is a picture at each of these places."""
    return all(np.asarray(page.crop((x, y, x + 200, y + 200))).std() > 5 for x, y in places)


def test_photo_and_edits_stand_side_by_side(repository: Path, tmp_path: Path) -> None:
    page = sheet(repository, tmp_path, "photo.png")
    edits = [np.asarray(Image.open(tmp_path / "out" / f"photo-{name}.jpg")).astype(int) for name in CONCEPTS]
    assert edits[0].shape == edits[1].shape == (64, 96, 3)
    assert np.abs(edits[0] - edits[1]).mean() > 10
    assert page.width > 1600
    assert varied(page, (300, 300), (1100, 300), (300, 1000))


def test_several_photos_have_a_row_each(repository: Path, tmp_path: Path) -> None:
    page = sheet(repository, tmp_path, "a.png", "b.png")
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "sheet.jpg",
        *(f"{photo}-{concept}.jpg" for photo in "ab" for concept in CONCEPTS),
    }
    assert varied(page, *((x, y) for x in (300, 1100, 1900) for y in (300, 1100)))


def test_two_photos_of_one_name_are_refused(repository: Path, tmp_path: Path) -> None:
    command = [sys.executable, repository / "samples/sheet.py", "a/x.png", "b/x.jpg", "--concepts", "dusk", "-o", "out"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (ended.returncode, "two photos are named x" in ended.stderr) == (2, True)
    assert not (tmp_path / "out").exists()
