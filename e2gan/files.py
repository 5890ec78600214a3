"""Files: written whole or not at all, read within a limit.

Every failure is one :class:`~e2gan.errors.E2GANError` that names the file.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import re
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from e2gan.errors import ConceptError, E2GANError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]

__all__ = [
    "TOML_LIMIT",
    "atomic_folder",
    "atomic_path",
    "atomic_write",
    "mend",
    "read_bytes",
    "read_toml",
    "sha256_file",
]

TOML_LIMIT = 64 * 1024
"""Most bytes a TOML file may have."""

TOML_LINE_LIMIT = 4096
"""Longest line: the parser's time grows with the square of a dotted key's length."""

FULL = "make room on the disk and run it again: what is done is kept"
"""The hint for a full disk."""

TOML_DEPTH_LIMIT = 16
"""Deepest nesting: dotted keys can nest further than anything that walks the result could follow."""


def atomic_write(path: str | os.PathLike[str], data: bytes | str) -> None:
    """Write ``data`` (text as UTF-8) to ``path``: the whole of it, or nothing."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a path beside ``path``, with its suffix, to write to; then put what was written in its place.

    If the body raises, ``path`` is left as it was and nothing else stays behind.
    """
    target = Path(path)
    token = secrets.token_hex(6)
    temporary = target.with_name(f".{token}.tmp{target.suffix}")
    try:
        with _failures_name(target, token):
            target.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            _flush(temporary)
            os.replace(temporary, target)
    finally:
        with suppress(OSError):  # it may never have come to be, nor its folder
            temporary.unlink()


@contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give an empty folder beside ``path`` to fill; then put what it holds in the place of all that ``path`` held.

    If the body raises, ``path`` is left as it was and nothing else stays behind.
    """
    target = Path(path)
    # Where the folder really is: "." has no neighbours by name, nor has a link.
    place = Path(os.path.realpath(target))
    token = secrets.token_hex(6)
    temporary = place.with_name(f".{place.name}.{token}.tmp")
    try:
        with _failures_name(target, token):
            temporary.mkdir(parents=True)
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    _flush(file)
            if place.is_dir():
                _exchange(place, temporary)
            else:
                os.replace(temporary, place)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _exchange(place: Path, temporary: Path) -> None:
    """Put what ``temporary`` holds in the place of what ``place`` holds: all of it, or nothing.

    The folder itself stays, for it may be somebody's working directory.  Which of the folders are there tells how
    far a killed exchange came: ``new`` alone or with ``old``, what there was is being moved away; ``new`` with
    ``was``, what there is now is being moved in.
    """
    new, old, was = (temporary.with_suffix(suffix) for suffix in (".new", ".old", ".was"))
    moved: list[tuple[Path, Path]] = []

    def move(source: Path, destination: Path) -> None:
        os.replace(source, destination)
        moved.append((source, destination))

    try:
        if not new.is_dir():
            move(temporary, new)
        if not was.is_dir():
            old.mkdir(exist_ok=True)
            for entry in list(place.iterdir()):
                move(entry, old / entry.name)
            move(old, was)
        for entry in list(new.iterdir()):
            move(entry, place / entry.name)
    except BaseException:
        for before, after in reversed(moved):
            os.replace(after, before)
        shutil.rmtree(old, ignore_errors=True)
        raise
    new.rmdir()
    shutil.rmtree(was, ignore_errors=True)


def mend(folder: str | os.PathLike[str]) -> None:
    """Finish the exchange of ``folder`` that a killed process began, and remove the temporary files it left there.

    For who is about to write there; nobody else may be writing at the time.
    """
    place = Path(os.path.realpath(folder))
    ours = f".{glob.escape(place.name)}.*"
    for new in place.parent.glob(f"{ours}.new"):
        _exchange(place, new.with_suffix(".tmp"))
    left = [file for suffix in ("tmp", "old", "was") for file in place.parent.glob(f"{ours}.{suffix}")]
    left += [file for file in place.glob(".*.tmp*") if re.fullmatch(r"\.[0-9a-f]{12}\.tmp(\..*)?", file.name)]
    for file in left:
        if file.is_dir():
            shutil.rmtree(file, ignore_errors=True)
        else:
            file.unlink(missing_ok=True)


@contextmanager
def _failures_name(target: Path, token: str) -> Iterator[None]:
    """Turn a failed write into an error that names ``target``; other files' failures (no ``token``) pass."""
    try:
        yield
    except OSError as error:
        named = error.filename if isinstance(error.filename, str) else token
        ours = token in f"{named} {error.filename2}" or Path(named) in (target, *target.parents)
        if not ours:
            raise
        hint = FULL if error.errno == errno.ENOSPC else None
        raise E2GANError(f"cannot write {target}: {error.strerror or error}", hint=hint) from error


def _flush(path: Path) -> None:
    """Have the file on the disk before its name is: a power cut must not leave an empty file."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def read_bytes(
    path: str | os.PathLike[str], *, limit: int, error: type[E2GANError] = E2GANError, hint: str | None = None
) -> bytes:
    """The bytes of a regular file of at most ``limit`` bytes; anything else raises ``error``."""
    try:
        # Non-blocking, so that a named pipe answers at once and is refused.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise error(f"{path}: not a regular file", hint=hint)
            data = file.read(limit + 1)
    except (OSError, ValueError) as fault:  # ValueError: a null byte in the path
        raise error(f"cannot read {path}: {getattr(fault, 'strerror', None) or fault}", hint=hint) from fault
    if len(data) > limit:
        raise error(f"{path}: larger than the {limit:,} bytes allowed", hint=hint)
    return data


def read_toml(
    path: str | os.PathLike[str], *, limit: int = TOML_LIMIT, error: type[E2GANError] = ConceptError
) -> dict[str, Any]:
    """The table a TOML file holds: at most ``limit`` bytes of UTF-8, or one ``error`` that names the file."""
    data = read_bytes(path, limit=limit, error=error)
    try:
        text = data.decode()
    except UnicodeDecodeError as fault:
        raise error(f"{path}: not UTF-8 text (byte {fault.start})") from None
    if any(len(line) > TOML_LINE_LIMIT for line in text.split("\n")):
        raise error(f"{path}: a line is longer than {TOML_LINE_LIMIT:,} characters")
    try:
        table = tomllib.loads(text)
    except ValueError as fault:
        raise error(f"{path}: not valid TOML: {str(fault)[:200]}") from None
    except RecursionError:
        raise error(f"{path}: nested too deeply") from None
    level: list[Any] = [table]
    for _ in range(TOML_DEPTH_LIMIT):
        level = [child for node in level for child in (node.values() if isinstance(node, dict) else node)]
        level = [node for node in level if isinstance(node, (dict, list))]
    if level:
        raise error(f"{path}: nested too deeply")
    return table


def sha256_file(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file's bytes, as 64 lower-case hexadecimal digits."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as fault:
        raise E2GANError(f"cannot read {path}: {fault.strerror or fault}") from fault
    return digest.hexdigest()
