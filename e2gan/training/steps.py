"""The steps of a longer job: each is run when what it depends on has changed, and its time is kept.

```
{"select": {"done":  {"digest": …, "seconds": …, "result": {…}},
            "begun": {"digest": …, "seconds": …}}, …}
```

`digest` is of what a step depends on.  `begun` is there while a step runs and after it was stopped, so that the
time it took in all is known in the end.
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
"""Seconds between notes of the time a running step has taken: what a killed one loses at most."""


class Steps:
    """The steps kept in ``file``; one that cannot be read is as good as none: every step is then run again."""

    def __init__(self, file: Path, progress: Progress, *, writes: bool = True) -> None:
        """``writes``: whether this process is the one, of several, that keeps the file."""
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
        """The result of the step: the kept one if nothing has changed, or else what ``work`` gives.

        Args:
            needs: all that the result depends on, as plain data.
            work: does the step and gives its result, plain data; it may go on where it was stopped.
            there: whether what the result speaks of is still there.
        """
        if self.unchanged(name, needs, there):
            return self.kept(name) or {}
        return self.do(name, needs, work)

    def unchanged(
        self, name: str, needs: Mapping[str, Any], there: Callable[[dict[str, Any]], bool] = lambda result: True
    ) -> bool:
        """Whether the step need not be done again; says so."""
        done = self._record(name, "done")
        same = done.get("digest") == digest_of(needs) and there(done["result"])
        if same:
            self.progress.stage(f"{name}: unchanged")
        return same

    def do(self, name: str, needs: Mapping[str, Any], work: Callable[[Progress], dict[str, Any]]) -> dict[str, Any]:
        """Do the step, whatever is kept, and keep its result."""
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
        except OSError as error:  # of what is not written by `e2gan.files`, which names the file itself
            place = error.filename or self.file.parent
            hint = FULL if error.errno == errno.ENOSPC else None
            raise E2GANError(f"{place}: {error.strerror or error}", hint=hint) from error
        done = self._record(name, "done")
        # What gives the same again was only looked at: its time stays that of making it.
        same = done.get("digest") == digest and done["result"] == result
        self._write(name, done=done if same else {"digest": digest, "seconds": seconds(), "result": result}, begun=None)
        return result

    def kept(self, name: str) -> dict[str, Any] | None:
        """The last result of a step, whether it still holds or not; None where it was never done."""
        return self._record(name, "done").get("result")

    @property
    def times(self) -> dict[str, float]:
        """Seconds of each step that was done."""
        return {name: done["seconds"] for name in read_state(self.file) if (done := self._record(name, "done"))}

    def _record(self, name: str, which: str) -> dict[str, Any]:
        """``done`` or ``begun`` of a step with all its keys, or an empty table."""
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
