"""The progress that a long job reports; the command line shows it as lines and bars."""

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
