"""The teacher: a look of the catalogue with checked numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from e2gan.options import check_options
from e2gan_gmic import interpreter
from e2gan_gmic.catalogue import LOOKS, OPTIONS

__all__ = ["GmicFilter", "make"]


@dataclass(frozen=True)
class GmicFilter:
    """A photo to the picture that one look makes of it; made by :func:`make`."""

    command: str
    """Of the catalogue, with a number in each of its places."""

    def __call__(self, photo: Image.Image) -> Image.Image:
        return Image.fromarray(interpreter.run(self.command, np.asarray(photo.convert("RGB"))))


def make(**options: Any) -> GmicFilter:
    """The teacher `gmic` with a recipe's options.

    Options are data from strangers: a name that is in the catalogue chooses a command that is written there, and of the
    others only numbers in their range are taken, which are written again.  No text of theirs becomes part of it.

    Raises:
        TeacherError: an option is missing, unknown, or out of range.
    """
    check_options("gmic", OPTIONS, options)
    look = LOOKS[options["filter"]]
    values = {number.name: options.get(number.name, number.default) for number in look.numbers}
    return GmicFilter(look.filled(values, float(options.get("scale", 1.0))))
