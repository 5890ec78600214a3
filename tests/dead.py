"""The names that a process of ours leaves behind when it is killed."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
from pathlib import Path

from e2gan.leftovers import temporary_name


@functools.cache
def _ended() -> tuple[int, str]:
    """The number of a process that has ended, and a name that it gave."""
    program = "import os; from e2gan.leftovers import temporary_name; print(os.getpid(), temporary_name())"
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    pid, name = done.stdout.split()
    return int(pid), name


def dead_name(suffix: str = "", *, kind: str = "tmp") -> str:
    """A name that a process gave which is gone, another one with each call."""
    random = re.search(r"-([0-9a-f]{12})\.", temporary_name())
    assert random
    return re.sub(r"-[0-9a-f]{12}\.tmp$", f"-{random[1]}.{kind}", _ended()[1]) + suffix


def foreign_name(suffix: str = "") -> str:
    """A name that another machine gave."""
    return re.sub(r"e2gan-[0-9a-f]{8}", "e2gan-" + "0" * 8, dead_name(suffix))


def own_name(suffix: str = "") -> str:
    """A name that a process gave which still runs: this one."""
    assert os.getpid()
    return temporary_name(suffix)
