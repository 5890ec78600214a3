"""The comparison sheet that ``make demo`` writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from tests.editor.tiny import photo


def test_photo_and_edits_stand_side_by_side(repository: Path, tmp_path: Path) -> None:
    """By the shipped base and two shipped concepts, which nothing else here tests from end to end."""
    Image.fromarray(photo(96, 64)).save(tmp_path / "photo.png")
    concepts = [str(next(repository.glob(f"concepts/{name}/*/bundle"))) for name in ("dusk", "ukiyoe")]
    command = [sys.executable, repository / "samples/sheet.py", "photo.png", *concepts, "-o", "out"]
    subprocess.run(command, cwd=tmp_path, check=True)
    edits = [np.asarray(Image.open(tmp_path / "out" / f"{name}.jpg")).astype(int) for name in ("dusk", "ukiyoe")]
    assert edits[0].shape == edits[1].shape == (64, 96, 3)
    assert np.abs(edits[0] - edits[1]).mean() > 10
    page = Image.open(tmp_path / "out/sheet.jpg")
    assert page.width > 1600
    cells = [page.crop((x, y, x + 400, y + 200)) for x, y in ((200, 200), (1000, 200), (200, 800))]
    assert all(np.asarray(cell).std() > 5 for cell in cells)
