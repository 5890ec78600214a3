"""A safe environment for starting other Python processes, by us or by a library.

This module imports almost nothing, because the program calls it before anything else.
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
"""The variables that name nothing to import; all others are only for this process, which has read them."""


def make_environment_safe() -> None:
    """Keep Pythons started from now on from importing from the current folder or by this process's variables."""
    for name in [name for name in os.environ if name.startswith("PYTHON") and name not in HARMLESS]:
        del os.environ[name]
    os.environ["PYTHONSAFEPATH"] = "1"  # supported since Python 3.11


@contextmanager
def safe_environment() -> Iterator[None]:
    """Apply :func:`make_environment_safe` within the context."""
    before = {name: value for name, value in os.environ.items() if name.startswith("PYTHON")}
    make_environment_safe()
    try:
        yield
    finally:
        del os.environ["PYTHONSAFEPATH"]
        os.environ.update(before)
