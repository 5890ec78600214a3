"""The teacher: a look of the catalogue with checked numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from e2gan.errors import TeacherError
from e2gan.tables import did_you_mean, shown
from e2gan_gmic import interpreter
from e2gan_gmic.catalogue import LOOKS, Parameter

__all__ = ["GmicFilter"]


@dataclass(frozen=True)
class GmicFilter:
    """A photo to the picture that one look makes of it."""

    command: str
    """Of the catalogue, its places filled with numbers that were checked."""

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> GmicFilter:
        """Check a recipe's options.  Raises TeacherError."""
        id = options.get("filter")
        look = LOOKS.get(id) if isinstance(id, str) else None
        if look is None:
            what = f"gmic has no filter {shown(id)}" if "filter" in options else "gmic needs the option 'filter'"
            hint = did_you_mean(id, LOOKS) if isinstance(id, str) else None
            raise TeacherError(what, hint=hint or f"one of {', '.join(LOOKS)}")
        known = {parameter.name: parameter for parameter in look.parameters}
        for name in options:
            if name != "filter" and name not in known:
                hint = did_you_mean(name, known) or f"its options: {', '.join(known) or 'none'}"
                raise TeacherError(f"the filter '{look.id}' of gmic has no option {shown(name)}", hint=hint)
        numbers = {name: _number(parameter, options.get(name, parameter.default)) for name, parameter in known.items()}
        return cls(re.sub(r"\{(\w+)\}", lambda place: numbers[place[1]], look.command))

    def __call__(self, photo: Image.Image) -> Image.Image:
        return Image.fromarray(interpreter.run(self.command, np.asarray(photo.convert("RGB"))))


def _number(parameter: Parameter, value: Any) -> str:
    """The value as G'MIC reads a number, if it is one and in range."""
    whole = isinstance(parameter.default, int)
    fits = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if not fits or not parameter.low <= value <= parameter.high:
        what = "a whole number" if whole else "a number"
        raise TeacherError(
            f"the option '{parameter.name}' must be {what} from {parameter.low} to {parameter.high}, not {shown(value)}"
        )
    return f"{float(value):.6f}".rstrip("0").rstrip(".")
