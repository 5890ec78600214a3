"""Ctrl-C: the first ends the program as soon as it can; the second ends it within seconds, whatever it is doing."""

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
"""Seconds from the second Ctrl-C until the program is killed."""


def end_at_the_second_interrupt(code: int) -> None:
    """Watch for Ctrl-C from a thread: the main thread may be inside a library that ignores it, or wait for others.

    Python handles the first.  After the second, the process has :data:`GRACE` to end by itself; then its workers and
    the process itself are killed, with the exit code ``code``.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    heard, told = socket.socketpair()
    told.setblocking(False)
    signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(heard, told, code), daemon=True).start()


def _watch(heard: socket.socket, told: socket.socket, code: int) -> None:
    # The argument ``told`` keeps the socket open.
    interrupts = 0
    while interrupts < 2 and (numbers := heard.recv(64)):
        interrupts += numbers.count(signal.SIGINT)
    time.sleep(GRACE)
    if "e2gan.processes" in sys.modules:
        from e2gan.processes import end_workers

        end_workers()
    say("interrupted")
    os._exit(code)
