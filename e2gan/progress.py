"""What a long job says of itself while it runs; the command line turns it into lines and bars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Progress"]


@dataclass(frozen=True)
class Progress:
    """Two callbacks; by default a job is silent."""

    stage: Callable[[str], None] = lambda text: None
    """Called with a line when a stage begins."""
    advance: Callable[[int, int, dict[str, float]], None] = lambda done, total, metrics: None
    """Called with (done, total, metrics) within a stage."""
