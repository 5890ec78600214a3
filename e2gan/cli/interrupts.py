"""Ctrl-C: the first ends the program when it next can, the second ends it within seconds, whatever it does."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time

from e2gan.terminal import say

__all__ = ["end_at_the_second_interrupt"]

GRACE = 3.0
"""Seconds from the second Ctrl-C until the program is ended where it is."""


def end_at_the_second_interrupt(code: int) -> None:
    """Watch for Ctrl-C from a thread: the main one may be in a library that does not listen, or wait for others.

    The first is left to Python.  After a second the process gets :data:`GRACE` to end by itself; then its workers and
    itself are ended, with ``code``.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    heard, told = socket.socketpair()
    told.setblocking(False)
    signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(heard, told, code), daemon=True).start()


def _watch(heard: socket.socket, told: socket.socket, code: int) -> None:
    # ``told`` is held here, for it must stay open.
    interrupts = 0
    while interrupts < 2 and (numbers := heard.recv(64)):
        interrupts += numbers.count(signal.SIGINT)
    time.sleep(GRACE)
    if "e2gan.processes" in sys.modules:
        from e2gan.processes import end_workers

        end_workers()
    say("interrupted")
    os._exit(code)
