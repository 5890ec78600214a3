"""The entry point: registers every teacher, bundled and diffusion, with e2gan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import e2gan
from e2gan_teachers import diffusion
from e2gan_teachers.catalogue import LICENSES, TEACHERS
from e2gan_teachers.tables import OPTIONS


@e2gan.hookimpl
def register_teachers(register: Callable[..., Any]) -> None:
    for id, (factory, summary) in {**TEACHERS, **diffusion.TEACHERS}.items():
        register(id, factory, summary=summary, options=OPTIONS[id], license=LICENSES[id])
