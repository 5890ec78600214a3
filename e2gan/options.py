"""The options of a teacher: their names, kinds, ranges and defaults, in one table.

The table is what ``e2gan teachers`` prints and what a recipe's options are checked against, so neither needs the
teacher itself, which may import a whole framework.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from e2gan.errors import TeacherError
from e2gan.tables import did_you_mean, shown

__all__ = ["Option", "check_options", "options_of"]

Kind = Literal["whole number", "number", "text", "true or false", "any"]

_KINDS: dict[str, Kind] = {"int": "whole number", "float": "number", "str": "text", "bool": "true or false"}


@dataclass(frozen=True)
class Option:
    """One option: ``Option("style", "whole number", "which painted style", low=0, high=25)``."""

    name: str
    kind: Kind
    help: str = ""
    """What it does and in which unit, one line."""
    default: Any = None
    """None: the option is required, or the teacher finds the value itself (see ``required``)."""
    low: float | None = None
    high: float | None = None
    """Range of a number, inclusive; None: no bound."""
    choices: tuple[str, ...] = ()
    """The values that a text may have; empty: any."""
    required: bool = False
    only_with: tuple[str, str] | None = None
    """(name, value): the option exists only if the option ``name`` has that value."""

    @property
    def values(self) -> str:
        """The values that it takes, in words: "a whole number from 0 to 25"."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        if self.kind == "any":
            return "a value"
        words = self.kind if self.kind in ("text", "true or false") else f"a {self.kind}"
        if self.low is not None and self.high is not None:
            return f"{words} from {self.low:g} to {self.high:g}"
        if self.low is not None:
            return f"{words} of at least {self.low:g}"
        return words if self.high is None else f"{words} of at most {self.high:g}"

    def fits(self, value: object) -> bool:
        """Whether the option takes this value."""
        if value is None or self.kind == "any":
            return self.kind == "any" or (not self.required and self.default is None)
        if self.kind == "true or false":
            return isinstance(value, bool)
        if self.kind == "text":
            return isinstance(value, str) and (not self.choices or value in self.choices)
        whole = self.kind == "whole number"
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            return False
        low, high = -math.inf if self.low is None else self.low, math.inf if self.high is None else self.high
        return low <= value <= high


def check_options(teacher: str, options: Sequence[Option], given: Mapping[str, Any]) -> None:
    """Raise TeacherError for the first of the ``given`` options that ``teacher`` lacks or refuses, or that is missing.

    The error quotes given values only in short, without characters that could steer a terminal.
    """
    table = {option.name: option for option in options if option.only_with is None}
    names = {option.name for option in options}
    for name in given:
        if name not in names:
            raise _unknown(teacher, name, table)
    for option in table.values():
        if option.name not in given:
            if option.required:
                raise TeacherError(f"the teacher '{teacher}' needs the option '{option.name}'", hint=_line(option))
        elif not option.fits(given[option.name]):
            raise _refused(option, given[option.name])
    where = ""
    for option in options:
        if option.only_with is not None:
            name, wanted = option.only_with
            if given.get(name, table[name].default) == wanted:
                table[option.name] = option
    ruling = {option.only_with[0] for option in options if option.only_with is not None}
    where = "".join(f" with {name}={given[name]}" for name in sorted(ruling) if name in given)
    for name, value in given.items():
        if name not in table:
            raise _unknown(teacher, name, table, where)
        if not table[name].fits(value):
            raise _refused(table[name], value)


def options_of(factory: Callable[..., Any], options: Sequence[Option] | None) -> tuple[Option, ...] | None:
    """A teacher's table: the one it was registered with, otherwise one from its factory's parameters.

    None if neither is known: any option is then passed on.
    """
    if options is not None:
        return tuple(options)
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return tuple(_from_parameter(p) for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY))


def _from_parameter(parameter: inspect.Parameter) -> Option:
    required = parameter.default is parameter.empty
    default = None if required else parameter.default
    # The annotation is text if the module has `from __future__ import annotations`.
    annotation = getattr(parameter.annotation, "__name__", parameter.annotation)
    return Option(parameter.name, _KINDS.get(annotation, "any"), default=default, required=required)


def _line(option: Option) -> str:
    """An option on one line, for a hint."""
    return f"{option.name}: {option.values}" + (f", {option.help}" if option.help else "")


def _unknown(teacher: str, name: str, table: Mapping[str, Option], where: str = "") -> TeacherError:
    hint = did_you_mean(name, table) or f"its options{where}: {', '.join(table) or 'none'}"
    return TeacherError(f"the teacher '{teacher}' has no option {_safe(name)}{where}", hint=hint)


def _refused(option: Option, value: object) -> TeacherError:
    near = did_you_mean(value, option.choices) if isinstance(value, str) else None
    # A long list goes into the hint.
    wanted = "one of its names" if len(option.values) > 120 else option.values
    return TeacherError(f"the option '{option.name}' must be {wanted}, not {_safe(value)}", hint=near or _line(option))


def _safe(value: object) -> str:
    """A value from outside, on one short line of printable characters."""
    try:
        text = shown(value)
    except ValueError:  # Python does not print integers of several thousand digits
        return f"a number of {value.bit_length()} bits" if isinstance(value, int) else f"a {type(value).__name__}"
    return text if text.isprintable() else ascii(text)[1:-1][:60]
