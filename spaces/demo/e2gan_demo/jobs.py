"""Long jobs: how much time is left, and stopping them when nobody waits for them any more."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from e2gan.errors import E2GANError

__all__ = ["Cancelled", "Job", "Jobs"]

MOST = 256
"""Maximum jobs remembered, running or cancelled before they began."""

MAX_NAME = 64

PRIOR = 0.3
"""Share of a new measurement in the remembered pace."""


class Cancelled(E2GANError):
    """The visitor has cancelled the job."""

    def __init__(self) -> None:
        super().__init__("cancelled")


@dataclass
class Job:
    """A job that runs, or was cancelled before it began."""

    work: float = 0.0
    """How much there is to do, in the units of `Jobs.pace`."""
    share: float = 0.0
    """How much of it is done, from 0 to 1."""
    begun: float = field(default_factory=time.monotonic)
    cancelled: bool = False

    def advance(self, share: float) -> None:
        """Note what is done; raises Cancelled if nobody wants the rest."""
        self.share = max(self.share, min(1.0, share))
        if self.cancelled:
            raise Cancelled


class Jobs:
    """The long jobs by the names that their pages gave them.  Safe for several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._clock = clock
        self._lock = threading.Lock()
        self.pace: float | None = None
        """Seconds for a unit of work, as measured; None before the first job."""

    @contextmanager
    def running(self, name: object, work: float) -> Iterator[Job]:
        """A job while it runs.

        Args:
            name: any JSON; a job without a proper name cannot be asked for.
            work: how much there is to do.

        Raises:
            Cancelled: it was cancelled before it began.
        """
        job = self._named(name) or Job()
        job.work, job.begun = work, self._clock()
        try:
            job.advance(0)
            yield job
            took = (self._clock() - job.begun) / max(work, 1e-9)
            with self._lock:
                self.pace = took if self.pace is None else PRIOR * took + (1 - PRIOR) * self.pace
        finally:
            with self._lock:
                self._jobs.pop(str(name), None)

    def left(self, name: object) -> float | None:
        """Seconds that a job still takes, as far as can be said; None if that is unknown, or the job is not running."""
        with self._lock:
            job = self._jobs.get(name) if isinstance(name, str) else None
            if job is None or not job.work:
                return None
            gone = self._clock() - job.begun
            if job.share > 0:
                return gone * (1 - job.share) / job.share
            return None if self.pace is None else max(0.0, self.pace * job.work - gone)

    def cancel(self, name: object) -> None:
        """Stop a job as soon as it can be stopped, even if it has not begun."""
        if (job := self._named(name)) is not None:
            job.cancelled = True

    def _named(self, name: object) -> Job | None:
        if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME:
            return None
        with self._lock:
            job = self._jobs.setdefault(name, Job())
            while len(self._jobs) > MOST:
                self._jobs.popitem(last=False)
            return job
