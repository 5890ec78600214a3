"""Contexts for running a plugin's code: its output carries its name, and a Ctrl-C does not count as its fault."""

from __future__ import annotations

import functools
import io
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from e2gan.terminal import say

__all__ = ["named_output", "note_interrupts"]


@contextmanager
def note_interrupts(heard: list[int]) -> Iterator[None]:
    """Note each Ctrl-C in ``heard``; it still has its usual effect."""
    usual: Any = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(usual):
        yield
        return

    def note(number: int, frame: Any) -> Any:
        heard.append(number)
        return usual(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)


@contextmanager
def named_output(name: str) -> Iterator[None]:
    """Redirect what Python or native code prints to stdout to stderr, with a plugin's name."""
    usual, stdout_copy, told = sys.stdout, None, _Told(name)
    with suppress(OSError, ValueError, AttributeError):
        usual.flush()
    sys.stdout = io.TextIOWrapper(told, encoding="utf-8", errors="backslashreplace", write_through=True)
    with suppress(OSError):  # there may be no stdout
        stdout_copy = os.dup(1)
        os.dup2(_spill().fileno(), 1)
    try:
        yield
    finally:
        sys.stdout = usual
        if stdout_copy is not None:
            with suppress(OSError, ValueError, AttributeError):
                usual.flush()
            os.dup2(stdout_copy, 1)
            os.close(stdout_copy)
            told.flush()
            if _spill().tell():
                _spill().seek(0)
                told.write(_spill().read())
                _spill().seek(0)
                _spill().truncate()
        told.flush()


@functools.cache
def _spill() -> Any:
    """A file for what native code writes to stdout."""
    return tempfile.TemporaryFile(buffering=0)


class _Told(io.RawIOBase):
    """A stream that prints each line with a plugin's name; the plugin may keep it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._line = b""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        *lines, self._line = (self._line + bytes(data)).split(b"\n")
        for line in lines:
            say(f"{self._name}: {line.decode('utf-8', 'backslashreplace')}")
        return len(data)

    def flush(self) -> None:
        if self._line:
            self.write(b"\n")
