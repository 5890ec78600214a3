"""Options that several commands share, the plugins' among them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from e2gan.backends import PRECISIONS

__all__ = [
    "MemorySize",
    "PictureSize",
    "base_option",
    "data_option",
    "device_option",
    "editor_options",
    "folder",
    "photos_option",
    "ray_option",
    "settings_option",
    "teacher_options",
    "work_option",
    "workers_option",
]

F = TypeVar("F", bound=Callable[..., Any])

folder = click.Path(file_okay=False, path_type=Path)


class MemorySize(click.ParamType):
    """``1.5GB``: bytes."""

    name = "SIZE"

    least = 1_200_000_000
    """What the command takes for an edit of a megapixel."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from e2gan.memory import parse

        try:
            size = value if isinstance(value, int) else parse(value)
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)
        if size < self.least:
            self.fail(f"{value} is too little: an edit takes up to {self.least / 1e9:g} GB.", param, ctx)
        return size


class PictureSize(click.ParamType):
    """``256x256``: width and height in pixels, of a model that takes pictures of one size."""

    name = "WxH"

    def __init__(self, multiple: int = 1) -> None:
        """``multiple``: what width and height must be multiples of."""
        self.multiple = multiple

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        from e2gan.editor import MAX_PIXELS, MIN_SIDE

        if isinstance(value, tuple):
            return cast("tuple[int, int]", value)
        match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", value)
        if not match:
            self.fail(f"{value!r} is not a size such as 256x256.", param, ctx)
        width, height = int(match[1]), int(match[2])
        uneven = width % self.multiple or height % self.multiple
        if min(width, height) < MIN_SIDE or uneven or width * height > MAX_PIXELS:
            multiples = f"multiples of {self.multiple}, " if self.multiple > 1 else ""
            self.fail(
                f"{value}: width and height must be {multiples}at least {MIN_SIDE}, and a megapixel at most.",
                param,
                ctx,
            )
        return width, height


def _one_or_several(ctx: click.Context, option: click.Parameter, given: tuple[Path, ...]) -> Any:
    return given if len(given) > 1 else given[0] if given else None


data_option = click.option(
    "--data",
    type=folder,
    required=True,
    multiple=True,
    callback=_one_or_several,
    metavar="DIR",
    help="Photographs, in folders train, val and test, or else split by their names; pairs if the teacher is 'given'. "
    "May be repeated.",
)
photos_option = click.option(
    "--data",
    type=folder,
    multiple=True,
    callback=_one_or_several,
    metavar="DIR",
    help="Photographs, in folders train, val and test, or else split by their names; by default those that the "
    "recipe's source generates, if it can. May be repeated.",
)
work_option = click.option(
    "--work",
    type=folder,
    metavar="DIR",
    help="The folder of pairs and checkpoints, where a second run continues; by default runs/ID.",
)
workers_option = click.option(
    "--workers", type=click.IntRange(1), metavar="N", help="Processes that make pairs; by default one for each core."
)


def settings_option(help: str) -> Callable[[F], F]:
    """``-O NAME=VALUE``, which may be repeated; the command receives them as ``options``, a dict."""
    return click.option("-O", "--option", "options", multiple=True, callback=_settings, metavar="NAME=VALUE", help=help)


def _settings(ctx: click.Context, option: click.Parameter, given: tuple[str, ...]) -> dict[str, Any]:
    return dict(_setting(text) for text in given)


def _setting(text: str) -> tuple[str, Any]:
    """``style=19`` as ("style", 19): numbers, true and false are read as such, everything else as text."""
    name, separator, value = text.partition("=")
    if not name or not separator:
        raise click.BadParameter(f"'{text}' is not NAME=VALUE", param_hint="-O")
    try:
        plain = json.loads(value)
    except ValueError:
        return name, value
    return name, plain if isinstance(plain, (bool, int, float)) else value


teacher_options = settings_option("One of the teacher's options, such as style=19.")
ray_option = click.option("--ray", is_flag=True, help="Make pairs with the workers of a Ray cluster.")
base_option = click.option(
    "--base", metavar="BASE", help="A base's id or folder; by default the one the concept names, or E2GAN_BASE."
)
device_option = click.option("--device", metavar="DEVICE", help="cpu, cuda or mps; by default the best available.")


def editor_options(command: F) -> F:
    """``--device``, ``--threads``, ``--backend`` and ``--precision``, for a command that edits with an `Editor`."""
    for option in (
        click.option(
            "--precision",
            type=click.Choice(PRECISIONS),
            help="Arithmetic precision of the edit; by default half precision, if the processor computes in it. Only "
            "OpenVINO computes in int8.",
        ),
        click.option(
            "--backend",
            metavar="BACKEND",
            help="What computes the edit; by default the first backend that e2gan plugins lists.",
        ),
        click.option("--threads", type=click.IntRange(1), metavar="N", help="CPU threads."),
        click.option(
            "--device",
            metavar="DEVICE",
            help="cpu, cuda or mps, or a device of the backend's; by default the best available.",
        ),
    ):
        command = option(command)
    return command
