"""Reading, editing and writing at the same time, with bounded memory.

One thread reads, the calling thread edits, and others write.  Decoders and encoders release Python's lock, so they
use the processor while the generator waits for its slowest part, and the calling thread is the one that Ctrl-C stops.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, TypeVar

__all__ = ["pipeline"]

T = TypeVar("T")
E = TypeVar("E")
W = TypeVar("W")


def pipeline(
    source: Iterable[T],
    edit: Callable[[T], E],
    write: Callable[[E], W],
    *,
    size: Callable[[T], int],
    most: int,
    writers: int = 1,
) -> Generator[W, None, None]:
    """What ``write`` returns for each item of ``source``, in the order of the items.

    Leaving the iterator early (``contextlib.closing``), an error or Ctrl-C waits for the item that is being read and
    for those that are being written, and drops the others.

    Args:
        source: iterated in a thread of its own.
        edit: called in this thread, for one item after the other.
        write: called in ``writers`` threads; with one, in the order of the items.
        size: an item's size, in any unit.
        most: items are read while those under way, from reading to writing, add up to less than this.

    Raises:
        Exception: whatever one of the three raises first.
    """
    room = _Room(most)
    ready: SimpleQueue[tuple[bool, Any, int]] = SimpleQueue()
    reader = threading.Thread(target=_read, args=(source, size, room, ready), name="e2gan-read")
    pool = ThreadPoolExecutor(writers, "e2gan-write")
    written: deque[Future[W]] = deque()

    def writing(result: E, taken: int) -> W:
        try:
            return write(result)
        finally:
            room.give(taken)

    try:
        reader.start()
        while True:
            more, item, taken = ready.get()
            if not more:
                if item is not None:
                    raise item
                break
            result = edit(item)
            del item
            written.append(pool.submit(writing, result, taken))
            del result
            while written and written[0].done():
                yield written.popleft().result()
        while written:
            yield written.popleft().result()
    finally:
        room.close()
        pool.shutdown(wait=True, cancel_futures=True)
        reader.join()


def _read(
    source: Iterable[T], size: Callable[[T], int], room: _Room, ready: SimpleQueue[tuple[bool, Any, int]]
) -> None:
    try:
        items = iter(source)
        while room.wait():
            try:
                item = next(items)
            except StopIteration:
                ready.put((False, None, 0))
                return
            taken = size(item)
            room.take(taken)
            ready.put((True, item, taken))
            del item
    except BaseException as fault:  # the calling thread raises it
        ready.put((False, fault, 0))


class _Room:
    """How much is under way."""

    def __init__(self, most: int) -> None:
        self._most, self._taken, self._closed = most, 0, False
        self._changed = threading.Condition()

    def wait(self) -> bool:
        """Wait until there is room for more; False if no more is wanted."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._taken < self._most)
            return not self._closed

    def take(self, amount: int) -> None:
        with self._changed:
            self._taken += amount

    def give(self, amount: int) -> None:
        with self._changed:
            self._taken -= amount
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
