"""Tolerating damaged metadata of an installed distribution.

Python gives up on all entry points when one distribution's ``entry_points.txt`` is malformed, and torch, peft, gradio
and others ask for entry points when they are imported.
"""

from __future__ import annotations

import importlib.metadata
from typing import Any

__all__ = ["damaged", "tolerate_damage"]

_usual: Any = None

_faults: dict[str, str] = {}


def tolerate_damage() -> None:
    """From now on, have Python treat a distribution with unreadable entry points as one without entry points."""
    global _usual
    if _usual is None:
        _usual = importlib.metadata.Distribution.entry_points
        importlib.metadata.Distribution.entry_points = property(_entry_points)  # type: ignore[assignment,method-assign]


def damaged() -> dict[str, str]:
    """The distributions whose entry points could not be read since then, each with the reason."""
    return dict(_faults)


def _entry_points(distribution: importlib.metadata.Distribution) -> Any:
    try:
        return _usual.__get__(distribution)
    except Exception as fault:
        place = getattr(distribution, "_path", None)
        _faults[str(place or distribution)] = f"{type(fault).__name__}: {fault}"
        return importlib.metadata.EntryPoints(())
