"""The entry point: the command ``catalogue``."""

from __future__ import annotations

import click

import e2gan

__all__ = ["register_commands"]


@e2gan.hookimpl
def register_commands(cli: click.Group) -> None:
    from e2gan_catalogue.command import catalogue

    cli.add_command(catalogue)
