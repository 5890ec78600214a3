"""Pictures side by side on one sheet, under titles."""

from __future__ import annotations

import os
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont, ImageOps

from e2gan.errors import DataError
from e2gan.files import atomic_path

__all__ = ["cut", "draw_sheet", "picture_grid"]

PAPER, INK = "white", "#222222"


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
        titles: for each picture the line above it, "" for none; may be shorter than ``pictures``.  A row
            without any takes no room for them, so titles of the first row alone head the columns.
        heading: a line above it all.
        cell: largest width and height of a picture in pixels; by default those of the first.
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
        captions: for each row a line that stands above it.
        heading: a line above it all.

    Raises:
        DataError: no rows, or one that has not a picture for each title.
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
