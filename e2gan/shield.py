"""The environment in which other Python processes may be started, by us or by a library.

It imports next to nothing, for the program calls it before anything else.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["make_environment_safe", "safe_environment"]

HARMLESS = (
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONFAULTHANDLER",
    "PYTHONHASHSEED",
    "PYTHONIOENCODING",
    "PYTHONNOUSERSITE",
    "PYTHONUNBUFFERED",
    "PYTHONUTF8",
)
"""The variables that name nothing to import; all others were meant for this process, which has read them."""


def make_environment_safe() -> None:
    """Have no Python started from now on import from the current folder, or by a variable meant for this process."""
    for name in [name for name in os.environ if name.startswith("PYTHON") and name not in HARMLESS]:
        del os.environ[name]
    os.environ["PYTHONSAFEPATH"] = "1"  # which Python knows from 3.11 on


@contextmanager
def safe_environment() -> Iterator[None]:
    """:func:`make_environment_safe`, within."""
    before = {name: value for name, value in os.environ.items() if name.startswith("PYTHON")}
    make_environment_safe()
    try:
        yield
    finally:
        del os.environ["PYTHONSAFEPATH"]
        os.environ.update(before)
