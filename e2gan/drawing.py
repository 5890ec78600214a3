"""Drawing: pictures side by side on one sheet under titles, contact sheets of pairs, and charts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont, ImageOps

from e2gan.errors import DataError
from e2gan.files import atomic_path

__all__ = ["Cell", "Section", "chart", "cut", "draw_contact_sheet", "draw_sheet", "picture_grid"]

PAPER, INK = "white", "#222222"

COLUMNS, SIDE = 4, 144
"""Pairs in a row of a contact sheet, and the side of each of their two pictures, in pixels."""
GAP, MARGIN, CAPTION = 16, 24, 34
BLACK, GREY, RED = (28, 28, 30), (110, 110, 115), (200, 30, 30)


def picture_grid(
    pictures: Sequence[Image.Image],
    columns: int,
    *,
    titles: Sequence[str] = (),
    heading: str = "",
    cell: tuple[int, int] | None = None,
    gap: int = 8,
) -> Image.Image:
    """Pictures in rows of ``columns``, each scaled to fit its cell, on white.

    Args:
        pictures: of any size and mode, row by row; the last row may be short.
        columns: pictures in a row.
        titles: for each picture the line above it, "" for no line; may be shorter than ``pictures``.  A row
            without titles takes no room for them, so titles for the first row alone head the columns.
        heading: a line above everything.
        cell: maximum width and height of a picture in pixels; by default those of the first.
        gap: pixels between pictures and around them.

    Returns:
        RGB.

    Raises:
        DataError: there are no pictures.
    """
    if not pictures:
        raise DataError("a sheet needs pictures")
    cell = cell or pictures[0].size
    width, _ = cell
    scaled = [ImageOps.contain(picture.convert("RGB"), cell, Image.Resampling.LANCZOS) for picture in pictures]
    titles = [*titles, *[""] * (len(scaled) - len(titles))]
    small, large = min(max(width / 20, 11), 40), min(max(width / 12, 14), 56)
    font, heading_font = ImageFont.load_default(small), ImageFont.load_default(large)
    head = round(2 * small)

    rows = range(0, len(scaled), columns)
    bars = [head if any(titles[row : row + columns]) else 0 for row in rows]
    heights = [max(picture.height for picture in scaled[row : row + columns]) for row in rows]
    top = gap + (round(2 * large) if heading else 0)
    size = (min(columns, len(scaled)) * (width + gap) + gap, top + sum(bars) + sum(heights) + gap * len(heights))
    page = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(page)
    if heading:
        draw.text((gap, top / 2), cut(heading, heading_font, size[0] - 2 * gap), INK, heading_font, "lm")
    for row, bar, tallest in zip(rows, bars, heights):
        for column, picture in enumerate(scaled[row : row + columns]):
            left = gap + column * (width + gap)
            draw.text((left, top + bar / 2), cut(titles[row + column], font, width), INK, font, "lm")
            page.paste(picture, (left + (width - picture.width) // 2, top + bar))
        top += bar + tallest + gap
    return page


def draw_sheet(
    rows: Sequence[Sequence[Image.Image]],
    path: str | os.PathLike[str],
    titles: Sequence[str] = ("photo", "teacher", "ours"),
    *,
    captions: Sequence[str] = (),
    heading: str = "",
) -> None:
    """Write a PNG with a row for each photo: by default photo, teacher's picture, ours, as large as the first photo.

    Args:
        rows: the pictures, one for each title.
        path: the file.
        titles: the columns' heads.
        captions: for each row a line above it.
        heading: a line above everything.

    Raises:
        DataError: there are no rows, or one does not have a picture for each title.
        E2GANError: the file cannot be written.
    """
    if not rows or any(len(row) != len(titles) for row in rows):
        raise DataError(f"a sheet needs rows of {len(titles)} pictures: {', '.join(titles)}")
    lines = [*titles, *[""] * (len(rows) - 1) * len(titles)]
    for number, caption in enumerate(captions):
        first = number * len(titles)
        lines[first] = ": ".join(filter(None, (lines[first], caption)))
    pictures = [picture for row in rows for picture in row]
    page = picture_grid(pictures, len(titles), titles=lines, heading=heading)
    with atomic_path(path) as temporary:
        page.save(temporary, format="PNG")


def cut(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> str:
    """``text`` on one line, cut with an ellipsis where it is wider than ``width`` pixels."""
    text = " ".join(text.split())
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text.rstrip()}…" if text else ""


@dataclass(frozen=True)
class Cell:
    """A pair and its captions."""

    photo: Path
    edit: Path
    title: str
    """For example the photo's name."""
    note: str = ""
    """For example why it was left out."""


@dataclass(frozen=True)
class Section:
    """Pairs under a heading."""

    heading: str
    cells: Sequence[Cell]
    left_out: bool = False
    """Drawn with a red edge."""


def draw_contact_sheet(
    path: str | os.PathLike[str], sections: Sequence[Section], read: Callable[[Path], Image.Image]
) -> None:
    """Write a JPEG with the sections one below the other; sections without pairs are only headings.

    ``read`` opens a picture as RGB; its exceptions propagate.

    Raises:
        E2GANError: the file cannot be written.
    """
    large, small = ImageFont.load_default(20), ImageFont.load_default(12)
    width = 2 * MARGIN + COLUMNS * 2 * SIDE + (COLUMNS - 1) * GAP
    heights = [48 + -(-len(section.cells) // COLUMNS) * (SIDE + CAPTION + GAP) for section in sections]
    sheet = Image.new("RGB", (width, 2 * MARGIN + sum(heights)), "white")
    draw = ImageDraw.Draw(sheet)
    top = MARGIN
    for section, height in zip(sections, heights):
        draw.text((MARGIN, top + 16), section.heading, BLACK, large, "lm")
        for number, cell in enumerate(section.cells):
            row, column = divmod(number, COLUMNS)
            x, y = (
                MARGIN + column * (2 * SIDE + GAP),
                top + 44 + row * (SIDE + CAPTION + GAP),
            )
            for place, file in enumerate((cell.photo, cell.edit)):
                picture = ImageOps.contain(read(file), (SIDE, SIDE), Image.Resampling.LANCZOS)
                left, down = (SIDE - picture.width) // 2, (SIDE - picture.height) // 2
                sheet.paste(picture, (x + place * SIDE + left, y + down))
            if section.left_out:
                draw.rectangle((x - 3, y - 3, x + 2 * SIDE + 2, y + SIDE + 2), outline=RED, width=3)
            draw.text((x, y + SIDE + 12), cut(cell.title, small, 2 * SIDE), BLACK, small, "lm")
            colour = RED if section.left_out else GREY
            draw.text((x, y + SIDE + 27), cut(cell.note, small, 2 * SIDE), colour, small, "lm")
        top += height
    with atomic_path(path) as temporary:
        sheet.save(temporary, format="JPEG", quality=88)


@contextmanager
def chart(path: str | os.PathLike[str], width: float, height: float) -> Iterator[Any]:
    """A matplotlib Figure of ``width`` by ``height`` inches to draw in; afterwards it is written as a PNG.

    Raises:
        E2GANError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    yield figure
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")
