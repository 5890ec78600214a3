"""The entry point: the models, the command that trains one, and the source of trained models by folder."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import e2gan
from e2gan.hookspecs import hookspec

if TYPE_CHECKING:
    import click

    from e2gan.blend import OtherModel
    from e2gan.hookspecs import Register
    from e2gan_baselines.baseline import Baseline

MODELS = {
    "pix2pix": ("pix2pix", "pix2pix with nine residual blocks, 11.4 million parameters"),
    "comodgan": ("comodgan", "Co-Mod-GAN, 79.2 million parameters"),
    "resnet-transformer": ("reproduction", "the published reproduction: a transformer on a frozen ResNet50 stem"),
}
"""Function in `e2gan_baselines.models` and summary, by id."""


@hookspec
def register_models(register: Register) -> None:
    """Register generators other than E²GAN's, which ``e2gan train-baseline`` trains and measures beside it.

    ``factory(prompt_dim, **options)`` returns an :class:`e2gan_baselines.baseline.Baseline`: fresh networks and the
    training of their paper.  ``prompt_dim`` is the width of a prompt's tokens; ``options`` come from ``-O``.  The
    factory raises TypeError or ValueError for an unknown option.
    """


@e2gan.hookimpl(specname="register_models")
def register_own_models(register: Register) -> None:
    for id, (name, summary) in MODELS.items():
        register(id, _factory(name), summary=summary)


def _factory(name: str) -> Any:
    def make(prompt_dim: int, **options: Any) -> Baseline:
        baseline: Baseline = getattr(import_module("e2gan_baselines.models"), name)(prompt_dim, **options)
        return baseline

    return make


@e2gan.hookimpl
def register_sources(register: Register) -> None:
    register("baseline", _trained, summary="a model that e2gan train-baseline trained, by its folder")


def _trained(name: str) -> OtherModel:
    from e2gan_baselines.baseline import find_baseline

    return find_baseline(Path(name).expanduser())


@e2gan.hookimpl
def register_commands(cli: click.Group) -> None:
    from e2gan_baselines.commands import train_baseline

    cli.add_command(train_baseline)
