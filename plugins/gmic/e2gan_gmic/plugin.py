"""The entry point: registers the teacher with e2gan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import e2gan


def make(**options: Any) -> Any:
    """The teacher `gmic`; its modules are imported when it is made."""
    from e2gan_gmic import teacher

    return teacher.make(**options)


@e2gan.hookimpl
def register_teachers(register: Callable[..., Any]) -> None:
    from e2gan_gmic.catalogue import LOOKS, OPTIONS

    register(
        "gmic",
        make,
        summary=f"{len(LOOKS)} filters of G'MIC: paintings, prints, drawings, films",
        options=OPTIONS,
        license="CECILL-2.1",
    )
