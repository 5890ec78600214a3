"""The entry point: the command ``e2gan reproduce``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import e2gan

if TYPE_CHECKING:
    import click


@e2gan.hookimpl
def register_commands(cli: click.Group) -> None:
    from e2gan_reproduce.commands import reproduce

    cli.add_command(reproduce)
