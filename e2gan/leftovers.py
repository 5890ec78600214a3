"""The names of the program's temporary files, and whether who wrote them still runs.

::

    .e2gan-MACHINE-BOOT-SPACE-PID-START-RANDOM.tmp[.SUFFIX]   a file or a folder that is being written
    .e2gan-MACHINE-BOOT-SPACE-PID-START-RANDOM.swap           a folder whose content is being exchanged

A process that is killed leaves them behind.  The name alone tells whose they are: the machine, its boot, the process
namespace (a container's), the process and when it began, so that a number used again is not mistaken for the writer,
and a folder that several machines share is left alone where nobody here can know.  Anything else is somebody's file.
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
"""What a folder for an exchange holds while there is something to do: the plan, and what comes."""

_NAME = re.compile(
    r"\.e2gan-(?P<machine>[0-9a-f]{8})-(?P<boot>[0-9a-f]{8})-(?P<space>[0-9a-f]{8})-(?P<pid>[0-9]{1,10})"
    r"-(?P<start>[0-9]{1,20})-[0-9a-f]{12}\.(?:(?P<kind>tmp)(?:\.[^/]*)?|(?P<swap>swap))",
    re.DOTALL,
)

LONGEST_SUFFIX = 32
"""Longer ones are left off: the whole name must be one that a file system takes."""


def temporary_name(suffix: str = "") -> str:
    """A name for what this process is about to write, which no other file has; ``suffix`` as in ``.png``."""
    place = "-".join(_place())
    pid = os.getpid()
    token = f"{place}-{pid}-{_start(pid) or 0}-{secrets.token_hex(6)}"
    return f".e2gan-{token}.{TEMPORARY}{suffix if len(suffix.encode(errors='replace')) <= LONGEST_SUFFIX else ''}"


def kind(name: str) -> str | None:
    """:data:`TEMPORARY` or :data:`SWAP`; None for a name that the program did not give."""
    match = _NAME.fullmatch(name)
    return match and (match["kind"] or match["swap"])


def writer(name: str) -> Literal["gone", "running", "unknown"] | None:
    """What became of the process that gave a file its name; None for a name that the program did not give.

    ``unknown`` is the writer on another machine or in another container.
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
    # Where the system does not tell when a process began, one of that number counts as the writer.
    return "gone" if began is None or (start and began and began != start) else "running"


def is_rubbish(path: Path) -> bool:
    """Whether it is the program's, its writer is gone, and nobody needs it.

    Not an exchange that was under way, which holds what there was: `e2gan.files.recover` finishes it.
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
    """:func:`sweep`, for whoever writes many files into one folder."""
    sweep(folder)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all in it, as far as that goes; never what a link points to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def names(folder: str | os.PathLike[str]) -> list[str]:
    """The names of what is in ``folder``, sorted, but for the program's temporary files.

    Raises:
        OSError: it cannot be listed.
    """
    return sorted(name for name in os.listdir(folder) if not kind(name))


def find(folder: str | os.PathLike[str], *, deep: bool = True) -> Iterator[Path]:
    """Every temporary file and folder of the program in ``folder``, and below it if ``deep``; no link is followed."""
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
    """When a process began, in ticks since the boot, or 0 where the system does not tell; None if there is none.

    Raises:
        NotImplementedError: on this system nobody can ask.
    """
    if os.path.isdir("/proc/self"):
        with suppress(OSError):  # it is not there, or somebody else's, which the system may hide
            # After the program's name, which stands in brackets and may hold anything.
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
            return None if fields[0] in (b"Z", b"X") else int(fields[19])
    if pid == os.getpid():
        return 0
    if os.name != "posix":  # where signal 0 is no question
        raise NotImplementedError
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return None
    except OSError:  # it may not be signalled, so it is there
        pass
    return 0
