"""Long jobs: how much time is left, stopping them when nobody waits for them any more, and one clip after the other."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

from e2gan.errors import E2GANError
from e2gan_demo.limits import EACH_WAITING, MOST_WAITING

__all__ = ["Cancelled", "Job", "Jobs", "Turns"]

MOST = 256
"""Maximum jobs remembered, running or cancelled before they began."""

MAX_NAME = 64

PRIOR = 0.3
"""Share of a slower measurement in the remembered pace; a faster one replaces it, for the first edit of a program is
slow."""

LOOK = 0.5
"""Seconds after which a job that waits for its turn looks whether it was cancelled."""


class Cancelled(E2GANError):
    """Nobody wants the job's result any more."""

    def __init__(self) -> None:
        super().__init__("cancelled")


@dataclass(eq=False)
class Job:
    """A job that runs, waits for its turn, or was cancelled before it began."""

    clock: Callable[[], float]
    session: str = ""
    """The page that it is for."""
    work: float = 0.0
    """How much there is to do, in the units of `Jobs.pace`; 0 until it runs."""
    share: float = 0.0
    """How much of it is done, from 0 to 1."""
    begun: float = 0.0
    longest: float = math.inf
    """Seconds that it may take."""
    cancelled: bool = False
    used: Callable[[], None] = lambda: None
    """Called whenever the job reports: what it needs is still in use."""

    def advance(self, share: float) -> None:
        """Note what is done.

        Raises:
            Cancelled: nobody wants the rest.
            E2GANError: it takes too long.
        """
        self.share = max(self.share, min(1.0, share))
        self.used()
        if self.cancelled:
            raise Cancelled
        if self.work and self.clock() - self.begun > self.longest:
            raise too_long()


class Jobs:
    """The long jobs, by the names that their pages gave them.  Safe for several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._running: set[Job] = set()
        self._clock = clock
        self._lock = threading.Lock()
        self._ended = threading.Condition(self._lock)
        self._closed = False
        self.pace: float | None = None
        """Seconds for a unit of work, as measured; None before the first job."""

    @contextmanager
    def running(
        self,
        name: object,
        work: float,
        *,
        session: str = "",
        longest: float = math.inf,
        turns: Turns | None = None,
        visitor: str = "",
        used: Callable[[], None] = lambda: None,
    ) -> Iterator[Job]:
        """A job while it waits for its turn and runs.

        Args:
            name: any JSON; a job without a proper name cannot be asked for.
            work: how much there is to do.
            session: the page that it is for, with which it ends.
            longest: seconds that it may take.
            turns: what it waits for before it begins.
            visitor: who asks for it, for ``turns``.
            used: called now and then while it waits and runs.

        Raises:
            Cancelled: it was cancelled before it began.
            E2GANError: too many jobs wait already.
        """
        job = self._named(name) or Job(self._clock)
        job.session, job.longest, job.used = session, longest, used
        with self._lock:
            job.cancelled |= self._closed
            self._running.add(job)
        try:
            job.advance(0)
            with turns.turn(job, visitor) if turns else nullcontext():
                job.work, job.begun = work, self._clock()
                yield job
                self.measured(work, self._clock() - job.begun)
        finally:
            with self._lock:
                self._jobs.pop(str(name), None)
                self._running.discard(job)
                self._ended.notify_all()

    def measured(self, work: float, seconds: float) -> None:
        """Learn the pace from work that is done."""
        took = seconds / max(work, 1e-9)
        with self._lock:
            self.pace = took if self.pace is None or took < self.pace else PRIOR * took + (1 - PRIOR) * self.pace

    def expected(self, work: float) -> float | None:
        """Seconds that so much work takes, as far as can be said."""
        return None if self.pace is None else self.pace * work

    def left(self, name: object) -> float | None:
        """Seconds that a job still takes, as far as can be said; None if that is unknown, or the job is not running."""
        job = self.find(name)
        if job is None or not job.work:
            return None
        gone = self._clock() - job.begun
        if job.share > 0:
            return gone * (1 - job.share) / job.share
        expected = self.expected(job.work)
        return None if expected is None else max(0.0, expected - gone)

    def find(self, name: object) -> Job | None:
        """The job of that name, if there is one."""
        with self._lock:
            return self._jobs.get(name) if isinstance(name, str) else None

    def cancel(self, name: object) -> None:
        """Stop a job as soon as it can be stopped, even if it has not begun."""
        if (job := self._named(name)) is not None:
            job.cancelled = True

    def leave(self, session: str) -> None:
        """Stop the jobs of a closed page."""
        with self._lock:
            for job in self._running:
                job.cancelled |= job.session == session != ""

    def close(self, patience: float) -> None:
        """Stop all jobs and let none begin; wait so many seconds until they have ended."""
        with self._ended:
            self._closed = True
            for job in self._running:
                job.cancelled = True
            self._ended.wait_for(lambda: not self._running, patience)

    def _named(self, name: object) -> Job | None:
        if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME:
            return None
        with self._lock:
            job = self._jobs.setdefault(name, Job(self._clock))
            while len(self._jobs) > MOST:
                self._jobs.popitem(last=False)
            return job


class Turns:
    """Lets jobs run one after the other, in the order in which they were asked for."""

    def __init__(self, most: int = MOST_WAITING, each: int = EACH_WAITING) -> None:
        """
        Args:
            most: jobs that may run or wait.
            each: those of one visitor.
        """
        self._most, self._each = most, each
        self._queue: list[tuple[Job, str]] = []
        self._changed = threading.Condition()

    @contextmanager
    def turn(self, job: Job, visitor: str) -> Iterator[None]:
        """Wait until all earlier jobs have ended.

        Raises:
            Cancelled: the job was cancelled meanwhile.
            E2GANError: too many jobs wait already.
        """
        entry = job, visitor
        with self._changed:
            wanted = [who for other, who in self._queue if not other.cancelled]
            if wanted.count(visitor) >= self._each:
                raise E2GANError(
                    f"{self._each} clips of yours are being made already", hint="wait for one of them, or cancel it"
                )
            if len(wanted) >= self._most:
                raise E2GANError("too many clips are being made here", hint="try again in a few minutes")
            self._queue.append(entry)
        try:
            with self._changed:
                while self._queue[0] is not entry:
                    job.advance(0)
                    self._changed.wait(LOOK)
            yield
        finally:
            with self._changed:
                self._queue.remove(entry)
                self._changed.notify_all()

    def ahead(self, job: Job | None) -> int:
        """How many jobs a waiting one has before it."""
        with self._changed:
            return next((number for number, (other, _) in enumerate(self._queue) if other is job), 0)


def too_long() -> E2GANError:
    """The refusal of a job that takes more time than is allowed."""
    return E2GANError("this takes longer than is allowed here", hint="make it shorter or smaller first")
