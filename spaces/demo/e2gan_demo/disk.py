"""What the page keeps on disk: a folder of its own for as long as it runs, and bounds on what visitors put there."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from e2gan.errors import E2GANError

__all__ = ["KEPT", "Disk", "folder_of_its_own"]

KEPT = 30 * 60
"""Seconds for which a photo, a download or an added concept is kept after it was last used."""

MOST_BYTES = 1_000_000_000
"""Most bytes of visitors' photos and downloads."""

YOUNG = 60
"""Seconds in which what was used is not pushed out by others."""

PREFIX = "e2gan-demo-"


@contextmanager
def folder_of_its_own(parent: Path) -> Iterator[Path]:
    """A folder below ``parent`` that goes when the body ends; those of programs that were killed go now.

    Who is alive holds the lock beside its folder, and had it first.
    """
    parent.mkdir(parents=True, exist_ok=True)
    _clean(parent)
    folder = parent.resolve() / f"{PREFIX}{secrets.token_hex(8)}"
    lock = FileLock(_lock_of(folder))
    try:
        lock.acquire()
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()
        _lock_of(folder).unlink(missing_ok=True)


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


def _clean(parent: Path) -> None:
    """Delete the folders of this user whose programs have ended."""
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError, Timeout):
            about = folder.lstat()
            if stat.S_ISDIR(about.st_mode) and (not hasattr(os, "getuid") or about.st_uid == os.getuid()):
                with FileLock(_lock_of(folder), timeout=0):
                    shutil.rmtree(folder, ignore_errors=True)
                _lock_of(folder).unlink(missing_ok=True)


class Disk:
    """A folder of visitors' files, each alone in a folder below: what was used longest ago makes room for the new.

    A file's time of change says when it was used.  May be used from several threads.
    """

    def __init__(self, folder: Path, *, most: int = MOST_BYTES, kept: float = KEPT, young: float = YOUNG) -> None:
        self.folder = folder
        self._most = most
        self._kept = kept
        self._young = young
        self._lock = threading.Lock()
        folder.mkdir(exist_ok=True)

    def make_room(self, size: int) -> None:
        """Have room for so many bytes more; raises E2GANError if all that is here was used just now."""
        with self._lock:
            files = self._files()
            used = sum(file_size for _, file_size, _ in files)
            for when, file_size, path in files:
                if used + size <= self._most or time.time() - when < self._young:
                    break
                _delete(path)
                used -= file_size
        if used + size > self._most:
            raise E2GANError("there is no room for more photos just now", hint="try again in a minute")

    def sweep(self) -> None:
        """Delete what was not used for long, and what is too much."""
        with self._lock:
            for when, _, path in self._files():
                if time.time() - when > self._kept:
                    _delete(path)
        with suppress(E2GANError):
            self.make_room(0)

    def _files(self) -> list[tuple[float, int, Path]]:
        """Time, size and path of each file, the one used longest ago first."""
        entries = []
        for path in self.folder.rglob("*"):
            with suppress(OSError):  # deleted meanwhile
                about = path.lstat()
                if not path.is_dir():
                    entries.append((about.st_mtime, about.st_size, path))
        return sorted(entries)

    def delete(self, path: Path) -> None:
        """Delete a file, if it is still here."""
        with self._lock:
            _delete(path)


def _delete(path: Path) -> None:
    with suppress(OSError):  # of the folder: there is another file in it
        path.unlink(missing_ok=True)
        path.parent.rmdir()
