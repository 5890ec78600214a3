"""The steps of a longer job: each runs when what it depends on has changed, and its time is kept.

```
{"select": {"done":  {"digest": …, "seconds": …, "result": {…}},
            "begun": {"digest": …, "seconds": …}}, …}
```

`digest` covers what a step depends on.  `begun` exists while a step runs and after it was stopped, so that the
total time is known in the end.
"""

from __future__ import annotations

import errno
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from e2gan.errors import E2GANError
from e2gan.files import FULL, atomic_write
from e2gan.kept import digest_of, read_state
from e2gan.progress import Progress

__all__ = ["Steps"]

EVERY = 10.0
"""Seconds between records of a running step's time, of which a kill loses at most this much."""


class Steps:
    """The steps kept in ``file``; if it cannot be read, every step runs again."""

    def __init__(self, file: Path, progress: Progress, *, writes: bool = True) -> None:
        """``writes``: whether this process, of several, is the one that writes the file."""
        self.file = file
        self.progress = progress
        self.writes = writes

    def run(
        self,
        name: str,
        needs: Mapping[str, Any],
        work: Callable[[Progress], dict[str, Any]],
        there: Callable[[dict[str, Any]], bool] = lambda result: True,
    ) -> dict[str, Any]:
        """The result of the step: the kept one if nothing has changed, otherwise that of ``work``.

        Args:
            needs: everything that the result depends on, as plain data.
            work: does the step and returns its result, plain data; it may continue where it was stopped.
            there: whether the files that the result names still exist.
        """
        if self.unchanged(name, needs, there):
            return self.kept(name) or {}
        return self.do(name, needs, work)

    def unchanged(
        self, name: str, needs: Mapping[str, Any], there: Callable[[dict[str, Any]], bool] = lambda result: True
    ) -> bool:
        """Whether the step can be skipped; if so, it reports that."""
        done = self._record(name, "done")
        same = done.get("digest") == digest_of(needs) and there(done["result"])
        if same:
            self.progress.stage(f"{name}: unchanged")
        return same

    def do(self, name: str, needs: Mapping[str, Any], work: Callable[[Progress], dict[str, Any]]) -> dict[str, Any]:
        """Do the step, even if a result is kept, and keep its new result."""
        digest = digest_of(needs)
        begun = self._record(name, "begun")
        before = begun["seconds"] if begun.get("digest") == digest else 0.0
        started = noted = time.monotonic()

        def seconds() -> float:
            return round(before + time.monotonic() - started, 1)

        def advance(done: int, total: int, metrics: dict[str, float]) -> None:
            nonlocal noted
            self.progress.advance(done, total, metrics)
            if time.monotonic() - noted > EVERY:
                self._write(name, begun={"digest": digest, "seconds": seconds()})
                noted = time.monotonic()

        self._write(name, begun={"digest": digest, "seconds": before})
        try:
            result = work(Progress(self.progress.stage, advance))
        except OSError as error:  # from writes outside `e2gan.files`, whose errors name the file
            place = error.filename or self.file.parent
            hint = FULL if error.errno == errno.ENOSPC else None
            raise E2GANError(f"{place}: {error.strerror or error}", hint=hint) from error
        done = self._record(name, "done")
        # If the result is the same again, the step only checked it, so its time stays that of making it.
        same = done.get("digest") == digest and done["result"] == result
        self._write(name, done=done if same else {"digest": digest, "seconds": seconds(), "result": result}, begun=None)
        return result

    def kept(self, name: str) -> dict[str, Any] | None:
        """The last result of a step, valid or not; None if it was never done."""
        return self._record(name, "done").get("result")

    @property
    def times(self) -> dict[str, float]:
        """Seconds that each finished step took."""
        return {name: done["seconds"] for name in read_state(self.file) if (done := self._record(name, "done"))}

    def _record(self, name: str, which: str) -> dict[str, Any]:
        """The record ``done`` or ``begun`` of a step with all its keys, or an empty table."""
        step = read_state(self.file).get(name)
        record = step.get(which) if isinstance(step, dict) else None
        kinds: dict[str, Any] = {"digest": str, "seconds": (int, float)} | ({"result": dict} if which == "done" else {})
        sound = isinstance(record, dict) and all(isinstance(record.get(key), kind) for key, kind in kinds.items())
        return record if sound and record is not None else {}

    def _write(self, name: str, **records: dict[str, Any] | None) -> None:
        if not self.writes:
            return
        state = read_state(self.file)
        step = state.get(name)
        step = {**(step if isinstance(step, dict) else {}), **records}
        state[name] = {which: record for which, record in step.items() if record is not None}
        atomic_write(self.file, json.dumps(state, indent=1))
