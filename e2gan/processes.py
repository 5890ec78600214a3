"""The one place that starts other processes.

Our processes import what this one would: nothing from the current folder, and nothing
that a ``PYTHON…`` variable names.  They do not outlive this process, and ignore Ctrl-C, which this process handles.
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
"""Python's switches for this; before 3.11, the only switch leaves out the user's packages as well."""

T = TypeVar("T")
R = TypeVar("R")


def run_python(*arguments: str, timeout: float) -> subprocess.CompletedProcess[str]:
    """Run this interpreter with arguments such as ``-m``, ``pip``; return its exit code and output.

    Raises:
        OSError: it cannot be started, or took more than ``timeout`` seconds and was killed.
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
    """The results of ``function`` for the items, in any order; each worker process calls ``begin(*arguments)`` first.

    Leaving the iterator early, or Ctrl-C, drops the items not started and waits for the others; a second Ctrl-C kills
    the processes.

    Raises:
        BrokenProcessPool: a process died.
    """
    context = multiprocessing.get_context("spawn")
    with _starting():  # its locks need a process of their own
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
    """Kill the processes of :func:`in_workers`."""
    for process in multiprocessing.active_children():
        with suppress(OSError, ValueError):
            process.kill()


@contextmanager
def _starting() -> Iterator[None]:
    """Start processes, within the context, that ignore Ctrl-C from the first moment on and import safely."""
    usual = util._args_from_interpreter_flags  # type: ignore[attr-defined]
    masked = hasattr(signal, "pthread_sigmask") and threading.current_thread() is threading.main_thread()
    before = None
    util._args_from_interpreter_flags = lambda: [*usual(), *SAFE]  # type: ignore[attr-defined]
    try:
        with safe_environment():
            multiprocessing.resource_tracker.ensure_running()  # which would remove the mask
            if masked:
                # New processes inherit the mask; in this process, it only delays a Ctrl-C.
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
    """End this process with its parent: otherwise it would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def default_workers() -> int:
    """One process for each processor this program may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
