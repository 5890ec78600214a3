"""What a look is: a command of G'MIC written here, with places for bounded numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["Look", "Number", "fine"]

_PLACE = re.compile(r"<(?:(?P<name>[a-z_]+)(?:\*(?P<times>[\d.]+))?|(?P<pixels>[\d.]+)px)>")


@dataclass(frozen=True)
class Number:
    """A number of a look that a recipe may set."""

    name: str
    default: int | float
    """Where it is an int, the number must be whole."""
    low: int | float
    high: int | float
    """The range, inclusive: what G'MIC takes, and what still looks like the look."""
    help: str
    pixels: bool = False
    """Whether it is a length in pixels of the photo, which the option `scale` multiplies."""

    @property
    def whole(self) -> bool:
        return isinstance(self.default, int)


@dataclass(frozen=True)
class Look:
    """One filter, or several one after the other, with settings that suit a photo of 256 to 1,024 pixels."""

    id: str
    title: str
    looks: str
    """What the picture looks like, one sentence."""
    prompt: str
    """What a concept learnt from it may have as its prompt."""
    kind: Literal["redraws", "keeps lines", "photograph"]
    """What becomes of the photo's structure: a concept of a kind that keeps lines, or stays a photograph, wants its
    photo's detail led round the generator's bottleneck; one that redraws everything does not."""
    keeps: Literal["nothing", "light", "colour", "detail"]
    """What a concept learnt from it should keep of the photo."""
    command: str
    """In G'MIC's language.  `<name>` is where a number goes, `<name*2>` twice the number, `<3px>` a length of three
    pixels at scale 1.  It takes one RGB image and leaves one of the same size."""
    numbers: tuple[Number, ...] = ()
    whole: bool = False
    """Whether the picture of a crop differs from the crop of the picture: the filter goes by all of the photo."""

    def filled(self, values: Mapping[str, int | float], scale: float) -> str:
        """The command with a number in each place; the caller has checked them."""
        numbers = {number.name: number for number in self.numbers}

        def number(place: re.Match[str]) -> str:
            if place["pixels"]:
                return _written(float(place["pixels"]) * scale)
            which = numbers[place["name"]]
            value = float(values[which.name]) * float(place["times"] or 1) * (scale if which.pixels else 1.0)
            return _written(max(round(value), 1) if which.whole and which.pixels else value)

        return _PLACE.sub(number, self.command)

    @property
    def places(self) -> set[str]:
        """The names of the numbers that the command uses."""
        return {place["name"] for place in _PLACE.finditer(self.command) if place["name"]}


def _written(value: float) -> str:
    """A number as G'MIC reads it: digits, at most one sign and one point."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def fine(command: str) -> str:
    """`command` on the picture at twice its size, scaled back: lines come out half as wide, and smooth.

    Lengths in it are half pixels.  The border is drawn out by 16 of them, and cut off again.
    """
    return f"r 200%,200%,1,100%,5 c 0,255 expand_xy 16,1 {command} shrink_xy 16 r 50%,50%,1,100%,2"
