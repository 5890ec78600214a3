"""The page of the painted styles says what the table of styles says, and shows every one."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from e2gan_teachers.styles import STYLES
from e2gan_teachers.styles_page import PAGE, PHOTOS, PICTURES, SIDE, page

ROOT = Path(__file__).parents[2]


def test_the_page_is_the_tables() -> None:
    assert (ROOT / PAGE).read_text(encoding="utf-8") == page(), "python -m e2gan_teachers.styles_page writes it again"


@pytest.mark.parametrize("number", range(len(STYLES)))
def test_every_style_is_shown_before_and_after(number: int) -> None:
    with Image.open(ROOT / PICTURES / f"{number}.webp") as picture:
        assert picture.format == "WEBP" and picture.size == (2 * len(PHOTOS) * SIDE, SIDE)
        parts = [picture.crop((n * SIDE, 0, (n + 1) * SIDE, SIDE)).tobytes() for n in range(2 * len(PHOTOS))]
    assert len(set(parts)) == len(parts)


def test_the_pictures_are_small_and_none_is_left_over() -> None:
    found = {path.stem: path.stat().st_size for path in (ROOT / PICTURES).glob("*.webp")}
    assert found.keys() == {str(number) for number in range(len(STYLES))}
    assert sum(found.values()) < 1_500_000
