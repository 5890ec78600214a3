"""How much memory there is, and sizes of it in words."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

__all__ = ["left", "parse", "taken"]

UNITS = {"": 1, "K": 1e3, "KB": 1e3, "M": 1e6, "MB": 1e6, "MIB": 2**20, "G": 1e9, "GB": 1e9, "GIB": 2**30}

SYSTEM, CGROUP, PROCESS = Path("/proc/meminfo"), Path("/sys/fs/cgroup"), Path("/proc/self/statm")


def parse(text: str) -> int:
    """Bytes of ``1.5GB``, ``800 MB`` or ``2GiB``; raises ValueError."""
    match = re.fullmatch(r"\s*(\d{1,12}(?:\.\d{1,6})?)\s*([a-z]{0,3})\s*", text, re.IGNORECASE | re.ASCII)
    unit = UNITS.get(match[2].upper()) if match else None
    if match is None or unit is None:
        raise ValueError(f"{text!r} is not a size of memory such as 1.5GB")
    return int(float(match[1]) * unit)


def left() -> int | None:
    """Bytes that a program could still take here, within the limits of its container; None where that is unknown."""
    found = []
    with suppress(OSError, LookupError, ValueError):
        found.append(1024 * int(SYSTEM.read_text().split("MemAvailable:")[1].split()[0]))
    with suppress(OSError, ValueError):
        # A container's own limit; without one, the file holds "max".
        most, now = (int((CGROUP / name).read_text()) for name in ("memory.max", "memory.current"))
        found.append(max(0, most - now))
    return min(found, default=None)


def taken() -> int:
    """Bytes that this process holds now; where that is unknown, what the program holds when a base is loaded."""
    try:
        return int(PROCESS.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, LookupError, ValueError):
        return 400_000_000
