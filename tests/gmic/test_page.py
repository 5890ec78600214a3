"""The page of the catalogue says what the catalogue says, and shows every look."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from e2gan_gmic.catalogue import LOOKS
from e2gan_gmic.page import MEASURED, PAGE, PICTURES, SIDE, page

ROOT = Path(__file__).parents[2]


def test_the_page_is_the_catalogues() -> None:
    measured = json.loads((ROOT / MEASURED).read_text())
    wanted = page(measured)
    assert (ROOT / PAGE).read_text(encoding="utf-8") == wanted, "python -m e2gan_gmic.page writes it again"
    assert "not measured" not in wanted and measured["seconds"].keys() == LOOKS.keys()
    assert all(0 < seconds < 60 for seconds in measured["seconds"].values())
    assert measured["machine"]


@pytest.mark.parametrize("id", LOOKS)
def test_every_look_is_shown_before_and_after(id: str) -> None:
    with Image.open(ROOT / PICTURES / f"{id}.webp") as picture:
        assert picture.format == "WEBP" and picture.size == (2 * SIDE, SIDE)
        before, after = picture.crop((0, 0, SIDE, SIDE)), picture.crop((SIDE, 0, 2 * SIDE, SIDE))
    assert before.tobytes() != after.tobytes()


@pytest.mark.parametrize("path", ["README.md", "docs/teachers.md", "plugins/gmic/README.md"])
def test_other_pages_count_right(path: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    assert re.findall(r"(\d+) filters of \[?G'MIC", text) == [str(len(LOOKS))]


def test_the_pictures_are_small_and_none_is_left_over() -> None:
    found = {path.stem: path.stat().st_size for path in (ROOT / PICTURES).glob("*.webp")}
    assert found.keys() == LOOKS.keys()
    assert sum(found.values()) < 4_000_000
