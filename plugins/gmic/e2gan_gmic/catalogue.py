"""All looks, and the options that a recipe may set."""

from __future__ import annotations

from e2gan.options import Option
from e2gan_gmic.look import Look
from e2gan_gmic.looks.drawings import DRAWINGS
from e2gan_gmic.looks.paintings import PAINTINGS
from e2gan_gmic.looks.photographs import PHOTOGRAPHS
from e2gan_gmic.looks.prints import PRINTS

__all__ = ["GROUPS", "LOOKS", "OPTIONS"]

GROUPS: dict[str, tuple[Look, ...]] = {
    "Paintings": PAINTINGS,
    "Prints and mosaics": PRINTS,
    "Drawings": DRAWINGS,
    "Photographs": PHOTOGRAPHS,
}

LOOKS: dict[str, Look] = {look.id: look for looks in GROUPS.values() for look in looks}

OPTIONS: tuple[Option, ...] = (
    Option("filter", "text", "the look", choices=tuple(LOOKS), required=True),
    Option("scale", "number", "factor for all lengths in pixels", 1.0, 0.5, 2.0),
    *(
        Option(
            number.name,
            "whole number" if number.whole else "number",
            f"{number.help}, pixels" if number.pixels else number.help,
            number.default,
            number.low,
            number.high,
            only_with=("filter", look.id),
        )
        for look in LOOKS.values()
        for number in look.numbers
    ),
)
"""The teacher's options: each look has its own numbers in addition to two common ones."""
