"""Compiled networks, kept in the user's cache folder.

A file's name is a digest of all that its content depends on, so a file is never out of date, and of two processes that
write the same one, either may win.  The files are few and small enough to count when one is added.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from e2gan.errors import E2GANError
from e2gan.files import atomic_write, read_bytes
from e2gan.kept import digest_of

__all__ = ["LIMIT", "file_for", "folder", "keep", "read"]

LIMIT = 256 * 1024**2
"""Maximum bytes of all files together; the ones that were used longest ago are deleted first."""

SUFFIX = ".compiled"

DIGEST = hashlib.sha256().digest_size


def folder() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("e2gan", appauthor=False) / "openvino"


def file_for(needs: Mapping[str, Any]) -> Path:
    """The file of the network that ``needs``, plain data, determine."""
    return folder() / f"{digest_of(needs)[:32]}{SUFFIX}"


def read(file: Path) -> bytes | None:
    """A compiled network; None if it is not there, or damaged."""
    try:
        data = read_bytes(file, limit=LIMIT)
    except E2GANError:
        return None
    with suppress(OSError):  # it may be read-only, or just deleted by another process
        os.utime(file)
    digest, content = data[:DIGEST], data[DIGEST:]
    return content if hashlib.sha256(content).digest() == digest else None


def keep(file: Path, content: bytes) -> None:
    """Write a compiled network, and make room for it.

    Raises:
        E2GANError: the file cannot be written.
    """
    if DIGEST + len(content) > LIMIT:
        return
    atomic_write(file, hashlib.sha256(content).digest() + content)
    _make_room(file)


def _make_room(newest: Path) -> None:
    """Delete the files that were used longest ago, until all together are within the limit."""
    files = []
    for file in newest.parent.glob(f"*{SUFFIX}"):
        with suppress(OSError):  # deleted by another process
            status = file.stat()
            files.append((file != newest, -status.st_mtime_ns, status.st_size, file))
    total = 0
    for _, _, size, file in sorted(files):
        total += size
        if total > LIMIT:
            with suppress(OSError):
                file.unlink()
