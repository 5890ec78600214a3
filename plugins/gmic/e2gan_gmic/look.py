"""Looks: commands of G'MIC written in this package, with placeholders for bounded numbers."""

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
    """If it is an int, the number must be whole."""
    low: int | float
    high: int | float
    """The range, inclusive: values that G'MIC accepts and that still look like the look."""
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
    """A prompt for a concept that learns it."""
    kind: Literal["redraws", "keeps lines", "photograph"]
    """What happens to the photo's structure.  A concept that keeps lines or stays a photograph needs skips, so that the
    photo's detail bypasses the generator's bottleneck; one that redraws everything does not."""
    keeps: Literal["nothing", "light", "colour", "detail"]
    """What a concept that learns it should keep of the photo."""
    command: str
    """In G'MIC's language.  `<name>` stands for a number, `<name*2>` for twice the number, `<3px>` a length of three
    pixels at scale 1.  It takes one RGB image and returns one of the same size."""
    numbers: tuple[Number, ...] = ()
    whole: bool = False
    """Whether the edit of a crop differs from the crop of the edit, because the filter depends on the whole photo."""

    def filled(self, values: Mapping[str, int | float], scale: float) -> str:
        """The command with its placeholders filled in; the caller has checked the numbers."""
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
    """A number in G'MIC's notation: digits, at most one sign and one point."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def fine(command: str) -> str:
    """`command` on the picture at twice its size, scaled back: lines come out half as wide, and smooth.

    Its lengths are in half pixels.  The border is extended by 16 of them, and cropped afterwards.
    """
    return f"r 200%,200%,1,100%,5 c 0,255 expand_xy 16,1 {command} shrink_xy 16 r 50%,50%,1,100%,2"
