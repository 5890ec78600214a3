"""The entry point: the format ``litert`` of ``e2gan export``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import e2gan

if TYPE_CHECKING:
    import click

    from e2gan.hookspecs import Register


@e2gan.hookimpl
def register_exporters(register: Register) -> None:
    register("litert", _command, summary="a LiteRT model (TensorFlow Lite) for Android: float32, float16 or 8 bits")


def _command() -> click.Command:
    from e2gan_litert.command import litert

    return litert
