"""The entry point: the command ``e2gan ssd``, and trained models as a source of photographs to distil from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import e2gan

if TYPE_CHECKING:
    import click

    from e2gan.hookspecs import Register


@e2gan.hookimpl
def register_commands(cli: click.Group) -> None:
    from e2gan_ssd.commands import ssd

    cli.add_command(ssd)


@e2gan.hookimpl
def register_photo_sources(register: Register) -> None:
    register("ssd", _write, summary="pictures of a model that e2gan ssd train trained, by its folder")


def _write(name: str, folder: Path) -> None:
    from e2gan_ssd.photos import write_photos

    write_photos(name, folder)
