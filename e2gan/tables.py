"""Strict reading of TOML tables: the reader asks for every key by name, type and range, and refuses all others.

A fault is one error that names the file, the key and what is wrong with it; a
misspelt key gets the closest valid key as its hint.
"""

from __future__ import annotations

import datetime
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from e2gan.errors import E2GANError

__all__ = [
    "ID_PATTERN",
    "Table",
    "canonical_json",
    "closest",
    "did_you_mean",
    "flat_rows",
    "options_line",
    "readable",
    "shown",
]

ID_PATTERN = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
"""The form of an id of a concept, base, teacher, …; use ``fullmatch``."""

_DIGEST_PATTERN = re.compile(r"[0-9a-f]{64}")
_VERSION_PATTERN = re.compile(r"[0-9][0-9A-Za-z.+-]{0,31}")
_LICENSE_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+() -]{0,99}")

_REQUIRED: Any = object()
T = TypeVar("T", bound=str)


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """A hint with the known word closest to ``word``, or None if no word is close."""
    near = closest(word, known)
    return f"did you mean '{near}'?" if near else None


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word closest to ``word``, or None if no word is close."""
    import difflib  # only errors need it

    return next(iter(difflib.get_close_matches(word[:100], list(known), n=1)), None)


def shown(value: object) -> str:
    """An outside value for an error message: on one line, escaped and short."""
    try:
        text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    except ValueError:  # Python does not print whole numbers of thousands of digits
        text = "a whole number of thousands of digits"
    return text if len(text) <= 60 else text[:57] + "..."


class Table:
    """One table of a file; ``where`` names both in errors, for example ``vangogh/concept.toml: [recipe]``.

    Each method takes a key and returns its checked value, or the default if the
    key is missing; without a default, the key is required.  Ranges are inclusive.
    :meth:`done` raises for keys that no method asked for.
    """

    def __init__(self, data: Mapping[str, Any], where: str, error: type[E2GANError]) -> None:
        self.data = data
        self.where = where
        self.error = error
        self._known: list[str] = []

    def fault(self, text: str, hint: str | None = None) -> E2GANError:
        """The error to raise for ``text``."""
        return self.error(f"{self.where}: {text}", hint=hint)

    def done(self) -> None:
        """Raise for the first key that no method asked for."""
        for key in self.data:
            if key not in self._known:
                hint = did_you_mean(key, self._known) or f"the keys allowed here are {', '.join(self._known)}"
                raise self.fault(f"unknown key {shown(key)}", hint)

    def _get(self, key: str, default: Any) -> Any:
        self._known.append(key)
        if key in self.data:
            return self.data[key]
        if default is _REQUIRED:
            # The likely reason is a misspelling of this very key.
            raise self.fault(f"{key} is missing", _misspelt(key, self.data))
        return default

    def text(self, key: str, default: str = _REQUIRED, *, limit: int = 200, lines: bool = False) -> str:
        """Printable text of 1 to ``limit`` characters (a default may be empty), of one line unless ``lines``."""
        value = self._get(key, default)
        if key not in self.data:
            return value
        if not isinstance(value, str):
            raise self.fault(f"{key} must be text, not {shown(value)}")
        if not value.strip():
            raise self.fault(f"{key} must not be empty")
        if len(value) > limit:
            raise self.fault(f"{key} has {len(value):,} characters; at most {limit:,} are allowed")
        # Control characters could rewrite the terminal of whoever lists the file.
        if not (value.replace("\n", " ") if lines else value).isprintable():
            raise self.fault(f"{key} holds characters that cannot be printed: {shown(value)}")
        return value

    def texts(self, key: str, default: tuple[str, ...] = _REQUIRED, *, most: int = 32) -> tuple[str, ...]:
        """At most ``most`` lines of text."""
        value = self._get(key, default)
        if not isinstance(value, (list, tuple)) or len(value) > most:
            raise self.fault(f"{key} must be a list of at most {most} texts")
        items = Table({f"{key}[{i}]": item for i, item in enumerate(value)}, self.where, self.error)
        return tuple(items.text(name) for name in items.data)

    def id(self, key: str, default: str = _REQUIRED) -> str:
        """An id: lower-case letters, digits and hyphens, never a path."""
        return self._matching(key, default, ID_PATTERN, "1 to 64 lower-case letters, digits and hyphens")

    def digest(self, key: str, default: str = _REQUIRED) -> str:
        """A SHA-256 in hexadecimal."""
        return self._matching(key, default, _DIGEST_PATTERN, "a SHA-256 of 64 lower-case hexadecimal digits")

    def version(self, key: str) -> str:
        return self._matching(key, _REQUIRED, _VERSION_PATTERN, "a version such as '1.0.0'")

    def license(self, key: str) -> str:
        return self._matching(key, _REQUIRED, _LICENSE_PATTERN, "an SPDX expression such as 'apache-2.0'")

    def _matching(self, key: str, default: str, pattern: re.Pattern[str], what: str) -> str:
        value = self._get(key, default)
        if key in self.data and not (isinstance(value, str) and pattern.fullmatch(value)):
            raise self.fault(f"{key} must be {what}, not {shown(value)}")
        return value

    def choice(self, key: str, options: Iterable[T], default: T = _REQUIRED) -> T:
        """One of the ``options``."""
        options = list(options)
        value = self._get(key, default)
        if not isinstance(value, str) or value not in options:
            hint = did_you_mean(value, options) if isinstance(value, str) else None
            raise self.fault(f"{key} must be {' or '.join(map(repr, options))}, not {shown(value)}", hint)
        return options[options.index(value)]  # type: ignore[arg-type]

    def whole(self, key: str, default: int = _REQUIRED, *, low: int, high: int) -> int:
        """A whole number."""
        value = self._get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.fault(f"{key} must be a whole number from {low} to {high}, not {shown(value)}")
        return value

    def number(self, key: str, default: float = _REQUIRED, *, low: float, high: float) -> float:
        """A finite number."""
        value = self._get(key, default)
        good = isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high  # NaN fails
        if not good:
            raise self.fault(f"{key} must be a number from {low:g} to {high:g}, not {shown(value)}")
        return float(value)

    def numbers(self, key: str, default: tuple[float, ...], *, low: float, high: float) -> tuple[float, ...]:
        """As many finite numbers as the default has."""
        value = self._get(key, default)
        if not isinstance(value, (list, tuple)) or len(value) != len(default):
            raise self.fault(f"{key} must be a list of {len(default)} numbers, not {shown(value)}")
        items = Table({f"{key}[{i}]": item for i, item in enumerate(value)}, self.where, self.error)
        return tuple(items.number(name, low=low, high=high) for name in items.data)

    def flag(self, key: str, default: bool = _REQUIRED) -> bool:
        value = self._get(key, default)
        if not isinstance(value, bool):
            raise self.fault(f"{key} must be true or false, not {shown(value)}")
        return value

    def sub(self, key: str, default: Mapping[str, Any] = _REQUIRED) -> Table:
        """The table under ``key``, for reading in the same strict way."""
        value = self._get(key, default)
        if not isinstance(value, Mapping):
            raise self.fault(f"{key} must be a table, not {shown(value)}")
        file, _, table = self.where.partition(": [")
        if table and not table.endswith("]"):  # one of an array
            return Table(value, f"{self.where}: [{key}]", self.error)
        return Table(value, f"{file}: [{table[:-1] + '.' if table else ''}{key}]", self.error)

    def tables(self, key: str) -> list[Table]:
        """The array of tables under ``key``, at least one."""
        value = self._get(key, _REQUIRED)
        if not isinstance(value, list) or not value or not all(isinstance(item, Mapping) for item in value):
            raise self.fault(f"{key} must be an array of tables, [[{key}]]")
        return [Table(item, f"{self.where}: [[{key}]] number {i}", self.error) for i, item in enumerate(value, 1)]

    def plain(self, key: str) -> dict[str, Any]:
        """The free table under ``key``, empty if missing: text, finite numbers, flags, lists and tables."""
        table = self.sub(key, {})
        todo: list[Any] = [table.data]
        while todo:
            value = todo.pop()
            if isinstance(value, Mapping):
                if not all(isinstance(name, str) for name in value):
                    raise table.fault("keys must be text")
                todo.extend(value.values())
            elif isinstance(value, (list, tuple)):
                todo.extend(value)
            elif isinstance(value, (datetime.date, datetime.time)):
                raise table.fault(f"dates must be written as text: '{value}'")
            elif isinstance(value, float) and not math.isfinite(value):
                raise table.fault(f"numbers must be finite, not {value}")
            elif isinstance(value, int) and not -(2**63) <= value < 2**63:
                raise table.fault("whole numbers must have at most 64 bits")
            elif not isinstance(value, (str, int, float)):
                raise table.fault(f"must hold plain values, not {shown(value)}")
        return dict(table.data)


def canonical_json(data: Mapping[str, Any]) -> bytes:
    """The one JSON text for plain data: sorted keys, no spaces, ASCII."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def flat_rows(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested tables as rows to print: ``{"training": {"l1_weight": 50}}`` gives ``("training l1 weight", 50)``.

    The tables of an array are numbered from 1; the values of other arrays stay together.
    """
    for key, value in table.items():
        name = f"{prefix}{key.replace('_', ' ')}"
        if isinstance(value, (list, tuple)) and value and all(isinstance(item, Mapping) for item in value):
            value = {str(number): item for number, item in enumerate(value, start=1)}
        if isinstance(value, Mapping):
            yield from flat_rows(value, f"{name} ")
        else:
            yield name, value


def readable(value: Any) -> str:
    """A plain value for people: numbers to four digits, flags as in TOML, lists and tables without brackets."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(readable, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{name} = {readable(item)}" for name, item in value.items())
    return str(value)


def options_line(options: Mapping[str, Any]) -> str:
    """Options on one line as in TOML, but with text unquoted: ``style = 19, colours = [red, blue], dark = true``."""
    return ", ".join(f"{name} = {_option(value)}" for name, value in options.items())


def _option(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_option, value))}]"
    if isinstance(value, Mapping):
        return f"{{{options_line(value)}}}"
    return str(value)


def _misspelt(key: str, data: Mapping[str, Any]) -> str | None:
    """A hint when ``data`` holds something that looks like ``key`` misspelt."""
    import difflib

    near = difflib.get_close_matches(key, [k[:100] for k in data if isinstance(k, str)], n=1, cutoff=0.75)
    return f"is {shown(near[0])} a misspelling of it?" if near else None
