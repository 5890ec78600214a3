"""The comparison sheet that ``make demo`` writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from PIL import Image


def test_photo_and_edits_stand_side_by_side(repository: Path, tmp_path: Path) -> None:
    for name, size, colour in (("photo", (1200, 800), "red"), ("edit", (800, 1200), "blue")):
        Image.new("RGB", size, colour).save(tmp_path / f"{name}.png")
    command = [sys.executable, repository / "samples/sheet.py", "photo.png", "edit.png", "-o", "out/sheet.png"]
    subprocess.run(command, cwd=tmp_path, check=True)
    page = Image.open(tmp_path / "out/sheet.png")
    assert page.width > 1600
    assert page.getpixel((400, 400)) == (255, 0, 0)
    assert page.getpixel((1000, 400)) == (0, 0, 255)
