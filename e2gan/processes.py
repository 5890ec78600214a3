"""Other processes: the one place that starts any.

What a process of ours imports is what this one would: nothing that happens to lie in the current folder, and nothing
that a ``PYTHON…`` variable names.  None of them outlives this one, and none listens to Ctrl-C: this one decides.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import multiprocessing.resource_tracker
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing import util
from typing import Any, TypeVar

from e2gan.shield import safe_environment

__all__ = ["BrokenProcessPool", "default_workers", "end_workers", "in_workers", "run_python"]

SAFE = ("-E", "-P") if sys.version_info >= (3, 11) else ("-I",)
"""Python's own switches for it; before 3.11 the only one leaves the user's packages out as well."""

T = TypeVar("T")
R = TypeVar("R")


def run_python(*arguments: str, timeout: float) -> subprocess.CompletedProcess[str]:
    """Run this interpreter with some arguments, such as ``-m``, ``pip``; gives its exit code and what it printed.

    Raises:
        OSError: it cannot be started, or took more than ``timeout`` seconds and was ended.
    """
    try:
        with safe_environment():
            return subprocess.run(
                [sys.executable, *SAFE, *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=timeout,
            )
    except subprocess.TimeoutExpired:
        raise TimeoutError(f"it took more than {timeout:g} seconds") from None


def in_workers(
    function: Callable[[T], R], items: Sequence[T], workers: int, begin: Callable[..., None], *arguments: Any
) -> Generator[R, None, None]:
    """What ``function`` makes of each item in some processes, in any order; each calls ``begin(*arguments)`` first.

    Leaving the iterator early, or Ctrl-C, drops the items not begun and waits for the others; a second Ctrl-C ends
    the processes where they are.

    Raises:
        BrokenProcessPool: a process died.
    """
    context = multiprocessing.get_context("spawn")
    with _starting():  # its locks have a process of their own
        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(begin, arguments))
    try:
        with _starting():
            futures = [pool.submit(function, item) for item in items]
        for future in as_completed(futures):
            yield future.result()
    finally:
        try:
            pool.shutdown(wait=True, cancel_futures=True)
        except BaseException:
            end_workers()
            raise


def end_workers() -> None:
    """End the processes of :func:`in_workers` where they are."""
    for process in multiprocessing.active_children():
        with suppress(OSError, ValueError):
            process.kill()


@contextmanager
def _starting() -> Iterator[None]:
    """Within, processes are started in which Ctrl-C does nothing from the first moment on, and which import safely."""
    usual = util._args_from_interpreter_flags  # type: ignore[attr-defined]
    masked = hasattr(signal, "pthread_sigmask") and threading.current_thread() is threading.main_thread()
    before = None
    util._args_from_interpreter_flags = lambda: [*usual(), *SAFE]  # type: ignore[attr-defined]
    try:
        with safe_environment():
            multiprocessing.resource_tracker.ensure_running()  # which would take the mask away
            if masked:
                # Inherited by what is started; for this process a Ctrl-C only waits.
                before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            yield
    finally:
        util._args_from_interpreter_flags = usual  # type: ignore[attr-defined]
        if before is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(begin: Callable[..., None], arguments: Sequence[Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    begin(*arguments)


def _end_with_parent() -> None:
    """A process whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def default_workers() -> int:
    """One process for each processor this program may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
