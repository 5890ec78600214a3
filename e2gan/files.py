"""Files: writing them whole or not at all, and reading them within a limit.

Every failure raises one :class:`~e2gan.errors.E2GANError` that names the file.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from e2gan.errors import ConceptError, E2GANError
from e2gan.leftovers import NEW, PLAN, SWAP, kind, sweep_once, temporary_name, writer

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]

__all__ = [
    "FULL",
    "FULL_DISK",
    "TOML_LIMIT",
    "atomic_folder",
    "atomic_path",
    "atomic_write",
    "exchanged",
    "finished",
    "interrupted",
    "parse_json",
    "read_bytes",
    "read_toml",
    "recover",
    "sha256_file",
    "temporary_folder",
]

TOML_LIMIT = 64 * 1024
"""Maximum bytes of a TOML file."""

TOML_LINE_LIMIT = 4096
"""Maximum length of a line: the parser's time grows with the square of a dotted key's length."""

FULL = "free some disk space and run it again; finished work is kept"
"""The hint for a full disk."""

FULL_DISK = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))

LEAST_FREE = 64 * 1024
"""Bytes: if fewer are free, a write that failed without a reason failed because the disk is full."""

DEPTH_LIMIT = 16
"""Maximum nesting: dotted keys can nest deeper than recursive code can follow."""

PLAN_LIMIT = 64 * 1024**2
"""Maximum bytes of the plan of an exchange, which names every file."""


def atomic_write(path: str | os.PathLike[str], data: bytes | str) -> None:
    """Write ``data`` (text as UTF-8) to ``path``, completely or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a path beside ``path``, with its suffix, to write to; then move the written file to ``path``.

    If the body raises, ``path`` stays as it was and nothing else is left behind; what killed processes left in the
    folder is removed (`e2gan.leftovers`).
    """
    target = Path(path)
    temporary = target.with_name(temporary_name(target.suffix))
    try:
        with _failures_name(target, temporary):
            target.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            _flush(temporary)
            os.replace(temporary, target)
    finally:
        with suppress(OSError):  # it may never have existed, nor its folder
            temporary.unlink()
    sweep_once(os.path.abspath(target.parent))


@contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give an empty folder beside ``path`` to fill; then replace everything in ``path`` with its content.

    If the body raises, ``path`` stays as it was and nothing else is left behind.  An exchange of ``path`` that a
    killed process left half done is finished first, and other leftovers of killed processes beside it are removed.
    """
    target = Path(path)
    # The folder's real path: "." has no neighbours by name, and neither has a link.
    place = Path(os.path.realpath(target))
    recover(place)
    temporary = place.with_name(temporary_name())
    try:
        with _failures_name(target, temporary):
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
    sweep_once(str(place.parent))


@contextmanager
def temporary_folder(*, for_libraries: bool = False) -> Iterator[Path]:
    """Give an empty folder among the system's temporary files; it goes with the body, or after a kill with the next.

    Args:
        for_libraries: whether files that libraries create with `tempfile` meanwhile go there too.
    """
    there = tempfile.gettempdir()
    folder = Path(there, temporary_name())
    folder.mkdir(mode=0o700)
    try:
        if for_libraries:
            tempfile.tempdir = str(folder)
        yield folder
    finally:
        if for_libraries:
            tempfile.tempdir = there
        shutil.rmtree(folder, ignore_errors=True)
    sweep_once(there)


OLD, WAS = "old", "was"
"""The other folders of an exchange: for what is being moved out, and for what has been moved out."""


def _exchange(place: Path, temporary: Path) -> None:
    """Replace the content of ``place`` with that of ``temporary``, completely or not at all.

    The folder itself stays, because it may be somebody's working directory.  So its entries move one by one, and a
    folder beside it records how far a killed exchange got: with ``old``, the old content is being moved out; with
    ``was``, the new content is being moved in; without a plan, the exchange is over.
    """
    swap = temporary.with_suffix(f".{SWAP}")
    swap.mkdir()
    plan = {"folder": place.name, "old": sorted(os.listdir(place)), "new": sorted(os.listdir(temporary))}
    try:
        (swap / PLAN).write_text(json.dumps(plan), "ascii")
        _flush(swap / PLAN)
        os.replace(temporary, swap / NEW)
        _carry_out(place, swap, plan)
    except BaseException:
        # Keep it if it still holds old content, which could not be put back.
        if not any(entry.name in (OLD, WAS) for entry in swap.iterdir()):
            shutil.rmtree(swap, ignore_errors=True)
        raise


def _carry_out(place: Path, swap: Path, plan: dict[str, Any]) -> None:
    """Complete an exchange, or put everything back where it was before the call."""
    new, old, was = swap / NEW, swap / OLD, swap / WAS
    moved: list[tuple[Path, Path]] = []

    def move(source: Path, destination: Path) -> None:
        os.replace(source, destination)
        moved.append((source, destination))

    begun = old.is_dir()
    try:
        if not was.is_dir():
            old.mkdir(exist_ok=True)
            for name in plan["old"]:
                if os.path.lexists(place / name):
                    move(place / name, old / name)
            move(old, was)
        for name in os.listdir(new):
            move(new / name, place / name)
    except BaseException:
        for before, after in reversed(moved):
            os.replace(after, before)
        if not begun and old.is_dir():
            old.rmdir()
        raise
    (swap / PLAN).unlink()  # first: a folder without a plan is rubbish
    shutil.rmtree(swap, ignore_errors=True)


def recover(folder: str | os.PathLike[str]) -> None:
    """Finish the exchange of ``folder``'s content that a killed process began, if there is one.

    For callers that are about to read and write the folder and have checked everything else, because a command that
    fails must leave nothing behind.

    Raises:
        E2GANError: the files cannot be moved.
    """
    place = Path(os.path.realpath(folder))
    for swap in interrupted(place):
        claimed = place.with_name(temporary_name()).with_suffix(f".{SWAP}")
        with _failures_name(place, claimed):
            try:
                os.rename(swap, claimed)  # only one of several processes succeeds
            except FileNotFoundError:
                continue
            plan = _plan(claimed)
            assert plan is not None
            if place.is_dir():
                _carry_out(place, claimed, plan)
            else:  # the folder was removed meanwhile: restore the complete one of the two
                os.replace(claimed / (WAS if (claimed / WAS).is_dir() else NEW), place)
                shutil.rmtree(claimed, ignore_errors=True)


@contextmanager
def finished(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """``folder``, or if an exchange of its content was interrupted, a copy of what it will hold; only for reading."""
    place = Path(os.path.realpath(folder))
    swaps = interrupted(place)
    if not swaps:
        yield Path(folder)
        return
    with temporary_folder() as alone, _failures_name(alone, alone):
        copy = alone / place.name
        for part in (swaps[0] / NEW, *([place] if (swaps[0] / WAS).is_dir() and place.is_dir() else [])):
            shutil.copytree(part, copy, dirs_exist_ok=True)
        yield copy


def interrupted(folder: str | os.PathLike[str]) -> list[Path]:
    """The exchanges of ``folder``'s content that killed processes left half done and that can be finished.

    An exchange can be finished if the folder and the files beside it are still as the killed process left them.
    """
    place = Path(os.path.realpath(folder))
    try:
        beside = sorted(os.listdir(place.parent))
    except OSError:
        return []
    swaps = [place.with_name(name) for name in beside if kind(name) == SWAP and writer(name) == "gone"]
    return [swap for swap in swaps if exchanged(swap) == place and _can_be_finished(place, swap)]


def exchanged(swap: Path) -> Path | None:
    """The folder whose content is being exchanged; None if the exchange had not begun or is over."""
    plan = _plan(swap)
    return None if plan is None else swap.with_name(plan["folder"])


def _plan(swap: Path) -> dict[str, Any] | None:
    """The plan of an exchange; None if there is nothing to do, or somebody else made the plan."""
    if not (swap / NEW).is_dir():
        return None
    try:
        if hasattr(os, "geteuid") and swap.stat().st_uid != os.geteuid():
            return None
        plan = parse_json(read_bytes(swap / PLAN, limit=PLAN_LIMIT))
    except (OSError, E2GANError, ValueError):
        return None
    sound = isinstance(plan, dict) and plan.keys() == {"folder", "old", "new"}
    if not sound or not all(isinstance(plan[key], list) for key in ("old", "new")):
        return None
    names = [plan["folder"], *plan["old"], *plan["new"]]
    if not all(isinstance(name, str) and name not in ("", ".", "..") and name == Path(name).name for name in names):
        return None
    return plan


def _can_be_finished(place: Path, swap: Path) -> bool:
    plan = _plan(swap)
    if plan is None:
        return False
    here, new, old = (_names(folder) for folder in (place, swap / NEW, swap / OLD))
    if (swap / WAS).is_dir():
        going, gone = new, here
        wanted = set(plan["new"])
    else:
        if new != set(plan["new"]) or here & new - set(plan["old"]):
            return False
        going, gone, wanted = here & set(plan["old"]), old, set(plan["old"])
    if not place.exists():
        return True
    return place.is_dir() and not going & gone and wanted <= going | gone


def _names(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))
    except OSError:
        return set()


@contextmanager
def _failures_name(target: Path, temporary: Path) -> Iterator[None]:
    """Turn a failed write into an error that names ``target``; failures of other files pass through.

    A library may have its own error for a full disk, or give no reason: then the free space decides.
    """
    try:
        yield
    except OSError as error:
        named = error.filename if isinstance(error.filename, str) else temporary.name
        token = temporary.name.split(".")[1]
        concerned = target in Path(named).parents or Path(named) in (target, *target.parents)
        ours = concerned or token in f"{named} {error.filename2}"
        if not ours:
            raise
        hint = FULL if error.errno in FULL_DISK else None
        raise E2GANError(f"cannot write {target}: {error.strerror or error}", hint=hint) from error
    except E2GANError:
        raise
    except Exception as error:
        if _free(temporary.parent) >= LEAST_FREE:
            raise
        raise E2GANError(f"cannot write {target}: {os.strerror(errno.ENOSPC)}", hint=FULL) from error


def _free(folder: Path) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return LEAST_FREE


def _flush(path: Path) -> None:
    """Flush the file to the disk before it gets its name: a power cut must not leave an empty file."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def read_bytes(
    path: str | os.PathLike[str], *, limit: int, error: type[E2GANError] = E2GANError, hint: str | None = None
) -> bytes:
    """The bytes of a regular file of at most ``limit`` bytes; anything else raises ``error``."""
    try:
        # Non-blocking, so that opening a named pipe returns at once and the pipe is refused.
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
    except RecursionError:
        raise error(f"{path}: nested too deeply") from None
    except ValueError as fault:
        raise error(f"{path}: not valid TOML: {str(fault)[:200]}") from None
    try:
        check_values(table, finite=False)  # `e2gan.tables.Table` reports those more exactly
    except ValueError as fault:
        raise error(f"{path}: {fault}") from None
    return table


def parse_json(data: bytes | str, *, check: bool = True) -> Any:
    """Parse JSON from outside.

    Args:
        check: whether to apply :func:`check_values`; False if the caller checks every value anyway.

    Raises:
        ValueError: it is not JSON, a key appears twice in one object, or a value is not allowed.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) != len(pairs):
            raise ValueError("a key appears twice in one object")
        return table

    def never(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not a number")

    try:
        if isinstance(data, bytes):
            data = data.decode()
        value = json.loads(data, object_pairs_hook=once, parse_constant=never)
    except UnicodeDecodeError:
        raise ValueError("not UTF-8 text") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if check:
        check_values(value)
    return value


def check_values(found: object, *, finite: bool = True) -> None:
    """Check values that were read from outside.

    Raises:
        ValueError: they are nested more than :data:`DEPTH_LIMIT` deep, or hold a whole number of more than 64 bits,
            which most programs cannot hold, or, if ``finite``, a number that is not finite.
    """
    level: list[tuple[str, Any]] = [("", found)]
    for depth in range(DEPTH_LIMIT + 1):
        for name, value in level:
            if isinstance(value, int) and not -(2**63) <= value < 2**63:
                raise ValueError(f"{name or 'it'} must be a whole number of at most 64 bits")
            if finite and isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{name or 'it'} must be a finite number, not {value}")
            if depth == DEPTH_LIMIT and isinstance(value, (dict, list)):
                raise ValueError("nested too deeply")
        level = [child for name, node in level for child in _children(name, node)]


def _children(name: str, node: object) -> Iterator[tuple[str, Any]]:
    """The values in a table or a list, each with its full name."""
    if isinstance(node, dict):
        yield from ((f"{name}.{key}"[:100].lstrip("."), value) for key, value in node.items())
    elif isinstance(node, list):
        yield from ((f"{name}[{number}]"[:100], value) for number, value in enumerate(node))


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
