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
    """Applies one look to a photo; made by :func:`make`."""

    command: str
    """A command of the catalogue, its placeholders filled in."""

    def __call__(self, photo: Image.Image) -> Image.Image:
        return Image.fromarray(interpreter.run(self.command, np.asarray(photo.convert("RGB"))))


def make(**options: Any) -> GmicFilter:
    """The teacher `gmic` with a recipe's options.

    Options are untrusted data.  The filter's name only selects a command from the catalogue; the other options must be
    numbers in their range, and are formatted again.  No text from the options becomes part of a command.

    Raises:
        TeacherError: an option is missing, unknown, or out of range.
    """
    check_options("gmic", OPTIONS, options)
    look = LOOKS[options["filter"]]
    values = {number.name: options.get(number.name, number.default) for number in look.numbers}
    return GmicFilter(look.filled(values, float(options.get("scale", 1.0))))
