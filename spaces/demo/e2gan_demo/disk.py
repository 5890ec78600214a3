"""The page's files: a temporary folder while it runs, and limits on visitors' files."""

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
"""Seconds that a photo, a download or an added concept is kept after its last use."""

MOST_BYTES = 1_000_000_000
"""Maximum bytes of visitors' photos, clips and downloads."""

YOUNG = 120
"""Seconds after its last use during which a file is not removed to make room: a visitor may wait for an edit."""

PREFIX = "e2gan-demo-"


@contextmanager
def folder_of_its_own(parent: Path) -> Iterator[Path]:
    """A folder below ``parent`` that is deleted when the body ends; folders of killed programs are deleted now.

    A running program holds the lock beside its folder, and took it before it made the folder.
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
    """A folder of visitors' files, each in its own subfolder; the least recently used make room for new ones.

    A file's modification time is the time of its last use.  Safe for several threads.
    """

    def __init__(self, folder: Path, *, most: int = MOST_BYTES, kept: float = KEPT, young: float = YOUNG) -> None:
        self.folder = folder
        self._most = most
        self._kept = kept
        self._young = young
        self._lock = threading.Lock()
        self._making: dict[Path, int] = {}
        """The folders in which a file is being made, each with the bytes that are kept free for it."""
        self._owners: dict[Path, str] = {}
        """The folders of finished files, each with the page that they were made for."""
        folder.mkdir(exist_ok=True)

    def make_room(self, size: int) -> None:
        """Make room for more bytes; raises E2GANError if all files were used recently."""
        with self._lock:
            self._make_room(size)

    def _make_room(self, size: int) -> None:
        files = self._files()
        used = sum(file_size for _, file_size, _ in files) + sum(self._making.values())
        for when, file_size, path in files:
            if used + size <= self._most or time.time() - when < self._young:
                break
            _delete(path)
            used -= file_size
        if used + size > self._most:
            raise E2GANError("there is no room for more photos just now", hint="try again in a minute")

    @contextmanager
    def place(self, size: int, session: str = "") -> Iterator[Path]:
        """Give an empty folder, whose name cannot be guessed, and keep room for a file of so many bytes in it.

        If the body raises, the folder goes.

        Args:
            session: the page for which the file is made; it is deleted with it (`leave`).

        Raises:
            E2GANError: there is no room, or the file cannot be written.
        """
        folder = self.folder / secrets.token_hex(16)
        with self._lock:
            self._make_room(size)
            self._making[folder] = size
        try:
            folder.mkdir()
            yield folder
            with self._lock:
                self._owners[folder] = session
        except BaseException as fault:
            shutil.rmtree(folder, ignore_errors=True)
            # What is wrong with the disk is told without the file's path.
            if isinstance(fault, OSError) or (isinstance(fault, E2GANError) and str(folder) in str(fault)):
                raise E2GANError("the edit cannot be stored at the moment", hint="try again in a minute") from fault
            raise
        finally:
            with self._lock:
                del self._making[folder]

    def leave(self, session: str) -> None:
        """Delete the files that were made for a closed page."""
        with self._lock:
            for folder in [folder for folder, owner in self._owners.items() if owner == session != ""]:
                shutil.rmtree(folder, ignore_errors=True)
                del self._owners[folder]

    def sweep(self) -> None:
        """Delete files that were not used for long, and those beyond the limit."""
        with self._lock:
            for when, _, path in self._files():
                if time.time() - when > self._kept:
                    _delete(path)
            self._owners = {folder: owner for folder, owner in self._owners.items() if folder.exists()}
        with suppress(E2GANError):
            self.make_room(0)

    def _files(self) -> list[tuple[float, int, Path]]:
        """Time, size and path of each file that is not being made, the least recently used first."""
        entries = []
        for path in self.folder.rglob("*"):
            with suppress(OSError):  # deleted in the meantime
                about = path.lstat()
                if not path.is_dir() and path.parent not in self._making:
                    entries.append((about.st_mtime, about.st_size, path))
        return sorted(entries)

    def delete(self, path: Path) -> None:
        """Delete a file if it still exists."""
        with self._lock:
            _delete(path)


def _delete(path: Path) -> None:
    with suppress(OSError):  # the folder holds another file
        path.unlink(missing_ok=True)
        path.parent.rmdir()
