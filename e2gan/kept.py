"""Results that are kept by what decides them: made once, and made again when any of that changes.

A result lies in a folder whose name ends with a digest of all that it depends on (`folder_of`), so that what is there
is right; or, where one file serves for ever, it holds that digest itself and is checked for it (``sound``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from e2gan.errors import E2GANError
from e2gan.files import atomic_write, read_bytes
from e2gan.tables import canonical_json

__all__ = ["digest_of", "folder_of", "kept", "read_state"]

LIMIT = 64 * 1024 * 1024
"""Most bytes of a file that is kept: it may name every pair."""


def digest_of(values: Mapping[str, Any]) -> str:
    """The SHA-256 of plain data."""
    return hashlib.sha256(canonical_json(values)).hexdigest()


def folder_of(stem: Path, needs: Mapping[str, Any], *, digits: int = 8) -> Path:
    """``stem-DIGEST``: where the result is kept that depends on ``needs``, plain data, and on nothing else."""
    return stem.with_name(f"{stem.name}-{digest_of(needs)[:digits]}")


def kept(
    file: Path, make: Callable[[], dict[str, Any]], *, sound: Callable[[dict[str, Any]], bool] = bool
) -> dict[str, Any]:
    """The result in ``file``; where that is missing, damaged or not ``sound``, what ``make`` gives, which is kept then.

    Args:
        make: gives the result, plain data; it may go on where it was stopped.
        sound: whether a result that was kept still holds; by default any does that is not empty.

    Raises:
        E2GANError: the file cannot be written.
    """
    result = read_state(file)
    if not sound(result):
        result = make()
        atomic_write(file, json.dumps(result, indent=1))
    return result


def read_state(file: Path) -> dict[str, Any]:
    """The object in a JSON file; an empty one where that is not there or damaged."""
    try:
        state = json.loads(read_bytes(file, limit=LIMIT))
    except (E2GANError, ValueError, RecursionError):
        return {}
    return state if isinstance(state, dict) else {}
