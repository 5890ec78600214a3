"""The entry point: the format ``coreml`` of ``e2gan export``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import e2gan

if TYPE_CHECKING:
    import click

    from e2gan.hookspecs import Register


@e2gan.hookimpl
def register_exporters(register: Register) -> None:
    register("coreml", _command, summary="a Core ML package for iPhone, iPad and Mac")


def _command() -> click.Command:
    from e2gan_coreml.command import coreml

    return coreml
