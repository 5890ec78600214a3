"""Common parts of all teachers here: late imports, and checks of a recipe's options."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

from e2gan.errors import TeacherError

__all__ = ["lazy", "number_in"]


def lazy(target: str) -> Callable[..., Any]:
    """A factory for the class at "module:name" that imports the module when first called.

    The factory can be pickled, so a worker process can make the same teacher.
    """
    return functools.partial(_make, target)


def _make(target: str, /, **options: Any) -> Any:
    module, _, name = target.partition(":")
    teacher = getattr(importlib.import_module(module), name)
    try:
        return teacher(**options)
    except TypeError:
        accepted = ", ".join(teacher.__dataclass_fields__) or "none"
        given = ", ".join(sorted(options)) or "none"
        raise TeacherError(
            f"this teacher does not take these options: {given}", hint=f"the options it takes: {accepted}"
        ) from None


def number_in(name: str, value: Any, low: float, high: float, *, kind: type = float) -> None:
    """Raise TeacherError unless `value` is a number (an integer, if `kind` is int) in [low, high]."""
    fits = isinstance(value, int if kind is int else (int, float)) and not isinstance(value, bool)
    if not fits or not low <= value <= high:
        wanted = "a whole number" if kind is int else "a number"
        raise TeacherError(f"the option '{name}' must be {wanted} from {low} to {high}, not {value!r}")
