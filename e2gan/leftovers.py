"""The names of the program's temporary files, and whether their writer still runs.

::

    .e2gan-MACHINE-BOOT-SPACE-PID-START-RANDOM.tmp[.SUFFIX]   a file or a folder that is being written
    .e2gan-MACHINE-BOOT-SPACE-PID-START-RANDOM.swap           a folder whose content is being exchanged

A killed process leaves them behind.  The name alone identifies the writer: the machine, its boot, the process
namespace (a container's), the process and its start time, so that a reused number is not mistaken for the writer,
and files of other machines in a shared folder are left alone.  Any other file belongs to somebody else.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

__all__ = [
    "NEW",
    "PLAN",
    "SWAP",
    "TEMPORARY",
    "find",
    "is_rubbish",
    "kind",
    "names",
    "remove",
    "sweep",
    "sweep_once",
    "temporary_name",
    "writer",
]

TEMPORARY, SWAP = "tmp", "swap"

PLAN, NEW = "plan.json", "new"
"""The content of an exchange's folder while it is under way: the plan, and the new content."""

_NAME = re.compile(
    r"\.e2gan-(?P<machine>[0-9a-f]{8})-(?P<boot>[0-9a-f]{8})-(?P<space>[0-9a-f]{8})-(?P<pid>[0-9]{1,10})"
    r"-(?P<start>[0-9]{1,20})-[0-9a-f]{12}\.(?:(?P<kind>tmp)(?:\.[^/]*)?|(?P<swap>swap))",
    re.DOTALL,
)

LONGEST_SUFFIX = 32
"""Longer suffixes are dropped: the whole name must be short enough for file systems."""


def temporary_name(suffix: str = "") -> str:
    """A unique name for what this process is about to write; ``suffix`` as in ``.png``."""
    place = "-".join(_place())
    pid = os.getpid()
    token = f"{place}-{pid}-{_start(pid) or 0}-{secrets.token_hex(6)}"
    return f".e2gan-{token}.{TEMPORARY}{suffix if len(suffix.encode(errors='replace')) <= LONGEST_SUFFIX else ''}"


def kind(name: str) -> str | None:
    """:data:`TEMPORARY` or :data:`SWAP`; None for a name that the program did not give."""
    match = _NAME.fullmatch(name)
    return match and (match["kind"] or match["swap"])


def writer(name: str) -> Literal["gone", "running", "unknown"] | None:
    """The state of the process that gave a file its name; None for a name that the program did not give.

    ``unknown`` means a writer on another machine or in another container.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    machine, boot, space = _place()
    if match["machine"] != machine:
        return "unknown"
    if match["boot"] != boot:
        return "gone"
    if match["space"] != space:
        return "unknown"
    pid, start = int(match["pid"]), int(match["start"])
    try:
        began = _start(pid)
    except NotImplementedError:
        return "unknown"
    # If the system does not tell when a process began, a process with that number counts as the writer.
    return "gone" if began is None or (start and began and began != start) else "running"


def is_rubbish(path: Path) -> bool:
    """Whether the file is the program's, its writer is gone, and nobody needs it.

    An exchange that was under way is not: it holds the old content, and `e2gan.files.recover` finishes it.
    """
    if writer(path.name) != "gone":
        return False
    return kind(path.name) == TEMPORARY or not (path / PLAN).exists() or not (path / NEW).exists()


def sweep(folder: str | os.PathLike[str]) -> None:
    """Remove the :func:`rubbish <is_rubbish>` directly in ``folder``; what cannot be removed stays."""
    with suppress(OSError), os.scandir(folder) as entries:
        for path in [Path(entry.path) for entry in entries if kind(entry.name)]:
            if is_rubbish(path):
                remove(path)


@functools.cache
def sweep_once(folder: str) -> None:
    """:func:`sweep`, but only once for each folder, for callers that write many files into it."""
    sweep(folder)


def remove(path: Path) -> None:
    """Remove a file, or a folder with its content, as far as possible; never what a link points to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def names(folder: str | os.PathLike[str]) -> list[str]:
    """The sorted names in ``folder``, without the program's temporary files.

    Raises:
        OSError: the folder cannot be listed.
    """
    return sorted(name for name in os.listdir(folder) if not kind(name))


def find(folder: str | os.PathLike[str], *, deep: bool = True) -> Iterator[Path]:
    """Every temporary file and folder of the program in ``folder``, or below it if ``deep``; links are not followed."""
    for place, folders, files in os.walk(folder):
        ours = [name for name in (*folders, *files) if kind(name)]
        yield from (Path(place, name) for name in sorted(ours))
        folders[:] = [name for name in folders if name not in ours] if deep else []


@functools.cache
def _place() -> tuple[str, str, str]:
    """The machine, its boot, and the process namespace, each as 8 hexadecimal digits."""
    machine_ids = "".join(_text(f"/{file}") for file in ("etc/machine-id", "var/lib/dbus/machine-id"))
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    parts = (machine_ids + platform.node(), _text("/proc/sys/kernel/random/boot_id"), space)
    machine, boot, space = (hashlib.sha256(part.encode()).hexdigest()[:8] for part in parts)
    return machine, boot, space


def _text(file: str) -> str:
    try:
        return Path(file).read_text("ascii")
    except (OSError, ValueError):
        return ""


def _start(pid: int) -> int | None:
    """When a process began, in ticks since the boot, or 0 if the system does not tell; None if it does not run.

    Raises:
        NotImplementedError: this system cannot tell.
    """
    if os.path.isdir("/proc/self"):
        with suppress(OSError):  # it does not run, or is another user's, which the system may hide
            # The fields follow the program's name, which is in brackets and may hold any character.
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
            return None if fields[0] in (b"Z", b"X") else int(fields[19])
    if pid == os.getpid():
        return 0
    if os.name != "posix":  # where signal 0 does not just test
        raise NotImplementedError
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return None
    except OSError:  # we may not signal it, so it exists
        pass
    return 0
