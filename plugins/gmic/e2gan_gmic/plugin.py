"""The entry point: registers the teacher with e2gan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import e2gan


def make(**options: Any) -> Any:
    """The teacher `gmic`; imported when it is made."""
    from e2gan_gmic.teacher import GmicFilter

    return GmicFilter.of(options)


@e2gan.hookimpl
def register_teachers(register: Callable[..., Any]) -> None:
    register("gmic", make, summary="a look of G'MIC's catalogue (filter=pen, oil, …)")
