"""The 26 painted styles have names and are shown."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from e2gan_teachers.styles import STYLES

ROOT = Path(__file__).parents[2]


def test_each_style_has_a_name_of_its_own_and_stands_in_the_docs() -> None:
    assert len(STYLES) == len(set(STYLES)) == 26
    page = " ".join((ROOT / "docs/teachers.md").read_text(encoding="utf-8").split())
    assert "images/styles.webp" in page
    for number, name in enumerate(STYLES):
        assert f"{number} {name}" in page
    with Image.open(ROOT / "docs/images/styles.webp") as sheet:
        assert sheet.format == "WEBP" and sheet.width > 1500


def test_the_sheet_can_be_made_again(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).resize((300, 200)).save(tmp_path / "photo.png")
    command = [sys.executable, "-m", "e2gan_teachers.styles", "photo.png", "-o", "sheet.webp"]
    subprocess.run(command, cwd=tmp_path, check=True)
    with Image.open(tmp_path / "sheet.webp") as sheet:
        assert sheet.size == (1856, 1168)
