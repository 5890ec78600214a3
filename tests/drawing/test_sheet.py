from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from e2gan.drawing import draw_sheet, picture_grid
from e2gan.errors import DataError, E2GANError

WHITE, RED, LIME, BLUE = (255, 255, 255), (255, 0, 0), (0, 255, 0), (0, 0, 255)


def plain(colour: str, width: int = 60, height: int = 40) -> Image.Image:
    return Image.new("RGB", (width, height), colour)


def test_pictures_stand_in_rows() -> None:
    page = picture_grid([plain("red"), plain("lime"), plain("blue")], 2, gap=4)
    assert (page.mode, page.size) == ("RGB", (4 + 2 * 64, 4 + 2 * 44))
    places = [(34, 24), (98, 24), (34, 68), (98, 68), (2, 2), (66, 24)]
    assert [page.getpixel(place) for place in places] == [RED, LIME, BLUE, WHITE, WHITE, WHITE]


def test_a_picture_is_scaled_to_fit_and_keeps_its_shape() -> None:
    page = picture_grid([plain("red"), plain("blue", 10, 40), plain("lime", 600, 400)], 3, gap=0)
    assert page.size == (180, 40)
    blue = [x for x in range(180) if page.getpixel((x, 20)) == BLUE]
    assert blue == list(range(85, 95))  # in the middle of its cell
    assert page.getpixel((121, 20)) == page.getpixel((178, 20)) == LIME


def test_only_rows_with_titles_have_room_for_them() -> None:
    four = [plain("red")] * 4
    bare, first, both = (picture_grid(four, 2, titles=titles).height for titles in ((), ["a"], ["a", "", "", "b"]))
    assert bare < first < both
    assert both - first == first - bare
    assert picture_grid(four, 2, heading="All of them").height > bare


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1"])
def test_any_mode_is_shown(mode: str) -> None:
    assert picture_grid([plain("white").convert(mode)], 1, gap=0).getpixel((30, 20)) == WHITE


@given(st.text(max_size=200))
def test_any_title_stays_in_its_column(title: str) -> None:
    page = picture_grid([plain("white"), plain("white")], 2, titles=[title], gap=0)
    right = page.crop((62, 0, page.width, page.height))
    assert right.getextrema() == ((255, 255),) * 3


def test_a_sheet_needs_pictures() -> None:
    with pytest.raises(DataError, match="needs pictures"):
        picture_grid([], 2)


def test_a_sheet_has_a_row_for_each_photo(tmp_path: Path) -> None:
    rows = [
        (plain("red"), plain("lime"), plain("blue")),
        (plain("blue"), plain("red", 30, 20), plain("lime").convert("RGBA")),
    ]
    draw_sheet(rows, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert (sheet.format, sheet.width) == ("PNG", 8 + 3 * 68)
        bottom = sheet.height - 8
        middles = [sheet.getpixel((x, y)) for y in (bottom - 68, bottom - 20) for x in (38, 106, 174)]
    assert middles == [RED, LIME, BLUE, BLUE, RED, LIME]
    draw_sheet(rows, tmp_path / "captions.png", captions=["best", "worst"], heading="Van Gogh")
    with Image.open(tmp_path / "captions.png") as captions:
        assert captions.height > bottom + 8
    assert {file.name for file in tmp_path.iterdir()} == {"sheet.png", "captions.png"}


def test_a_sheet_that_cannot_be_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="rows of 3 pictures"):
        draw_sheet([(plain("red"), plain("red"))], tmp_path / "sheet.png")
    with pytest.raises(DataError, match="rows of 3 pictures"):
        draw_sheet([], tmp_path / "sheet.png")
    (tmp_path / "file").touch()
    with pytest.raises(E2GANError, match="cannot write"):
        draw_sheet([(plain("red"),) * 3], tmp_path / "file" / "sheet.png")
