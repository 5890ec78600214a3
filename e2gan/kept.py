"""Keep a result by what decides it: make it once, and again when any of that changes.

`folder_of` names a folder by a digest of everything that the result depends on, so whatever the folder holds is
current.  A file with a fixed name holds that digest itself, and `kept` checks it with ``sound``.
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
"""Maximum bytes of a kept file, which may name every pair."""


def digest_of(values: Mapping[str, Any]) -> str:
    """The SHA-256 of plain data."""
    return hashlib.sha256(canonical_json(values)).hexdigest()


def folder_of(stem: Path, needs: Mapping[str, Any], *, digits: int = 8) -> Path:
    """``stem-DIGEST``: the folder of a result that depends on ``needs``, plain data, and on nothing else."""
    return stem.with_name(f"{stem.name}-{digest_of(needs)[:digits]}")


def kept(
    file: Path, make: Callable[[], dict[str, Any]], *, sound: Callable[[dict[str, Any]], bool] = bool
) -> dict[str, Any]:
    """Read the result in ``file``; if it is missing, damaged or not ``sound``, make it and write it there.

    Args:
        make: gives the result, plain data; it may continue an earlier attempt.
        sound: whether a result from the file is still valid; by default any result that is not empty.

    Raises:
        E2GANError: the file cannot be written.
    """
    result = read_state(file)
    if not sound(result):
        result = make()
        atomic_write(file, json.dumps(result, indent=1))
    return result


def read_state(file: Path) -> dict[str, Any]:
    """The object in a JSON file; an empty one if the file is missing or damaged."""
    try:
        state = json.loads(read_bytes(file, limit=LIMIT))
    except (E2GANError, ValueError, RecursionError):
        return {}
    return state if isinstance(state, dict) else {}
