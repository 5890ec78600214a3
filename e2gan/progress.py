"""The progress that a long job reports; the command line shows it as lines and bars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Progress"]


@dataclass(frozen=True)
class Progress:
    """Two callbacks; by default a job is silent."""

    stage: Callable[[str], None] = lambda text: None
    """Called with a line when a stage begins."""
    advance: Callable[[int, int, dict[str, float]], None] = lambda done, total, metrics: None
    """Called with (done, total, metrics) within a stage."""
    _said: set[str] = field(default_factory=set, init=False, repr=False, compare=False)

    def once(self, text: str) -> None:
        """Say a line that a job would otherwise repeat, such as for each concept that it trains on the same photos."""
        if text not in self._said:
            self._said.add(text)
            self.stage(text)
