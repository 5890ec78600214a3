"""A contact sheet: photos beside their edits, those kept and those left out, each with the reason."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from e2gan.data.reject import open_made
from e2gan.drawing import cut
from e2gan.files import atomic_path

__all__ = ["Cell", "Section", "draw_contact_sheet"]

COLUMNS = 4
SIDE = 144
"""Of a picture, in pixels; a cell has two."""
GAP, MARGIN = 16, 24
CAPTION = 34
INK, GREY, RED = (28, 28, 30), (110, 110, 115), (200, 30, 30)


@dataclass(frozen=True)
class Cell:
    """A pair and what to say of it."""

    photo: Path
    edit: Path
    title: str
    """Such as the photo's name."""
    note: str = ""
    """Such as why it was left out."""


@dataclass(frozen=True)
class Section:
    """Pairs under a heading."""

    heading: str
    cells: Sequence[Cell]
    left_out: bool = False
    """Drawn with a red edge."""


def draw_contact_sheet(path: str | os.PathLike[str], sections: Sequence[Section]) -> None:
    """Write a JPEG with the sections one below the other; those without pairs only as headings.

    Raises:
        DataError: a picture cannot be read.
        E2GANError: the file cannot be written.
    """
    large, small = ImageFont.load_default(20), ImageFont.load_default(12)
    width = 2 * MARGIN + COLUMNS * 2 * SIDE + (COLUMNS - 1) * GAP
    heights = [48 + -(-len(section.cells) // COLUMNS) * (SIDE + CAPTION + GAP) for section in sections]
    sheet = Image.new("RGB", (width, 2 * MARGIN + sum(heights)), "white")
    draw = ImageDraw.Draw(sheet)
    top = MARGIN
    for section, height in zip(sections, heights):
        draw.text((MARGIN, top + 16), section.heading, INK, large, "lm")
        for number, cell in enumerate(section.cells):
            row, column = divmod(number, COLUMNS)
            x, y = MARGIN + column * (2 * SIDE + GAP), top + 44 + row * (SIDE + CAPTION + GAP)
            for place, file in enumerate((cell.photo, cell.edit)):
                picture = ImageOps.contain(open_made(file), (SIDE, SIDE), Image.Resampling.LANCZOS)
                left, down = (SIDE - picture.width) // 2, (SIDE - picture.height) // 2
                sheet.paste(picture, (x + place * SIDE + left, y + down))
            if section.left_out:
                draw.rectangle((x - 3, y - 3, x + 2 * SIDE + 2, y + SIDE + 2), outline=RED, width=3)
            draw.text((x, y + SIDE + 12), cut(cell.title, small, 2 * SIDE), INK, small, "lm")
            colour = RED if section.left_out else GREY
            draw.text((x, y + SIDE + 27), cut(cell.note, small, 2 * SIDE), colour, small, "lm")
        top += height
    with atomic_path(path) as temporary:
        sheet.save(temporary, format="JPEG", quality=88)
