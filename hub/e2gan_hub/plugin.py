"""The entry point: pulled concepts, the source ``hub:``, and the commands."""

from __future__ import annotations

import functools
import warnings
from typing import TYPE_CHECKING

import e2gan
from e2gan.errors import E2GANError, E2GANWarning
from e2gan_hub import store

if TYPE_CHECKING:
    import click

    from e2gan.concept import Concept
    from e2gan.hookspecs import Register, RegisterConcept, RegisterFolder


@e2gan.hookimpl
def register_concepts(register: RegisterConcept) -> None:
    for record in store.records():
        if isinstance(record, E2GANError):
            warnings.warn(E2GANWarning(f"{record}; the concept pulled from there is not used"), stacklevel=2)
            continue
        if record.pulled:
            register(
                store.bundle_folder(record.repo, record.pulled),
                source=f"hub:{record.repo}@{record.pulled}",
                name=f"hub:{record.repo}",
                by_id=record.pulled == record.listed,
            )


@e2gan.hookimpl
def register_sources(register: Register) -> None:
    register("hub", _concept, summary="the Hugging Face Hub: hub:OWNER/NAME@REVISION")
    for scheme in ("https", "http"):
        register(scheme, functools.partial(_concept_at, scheme), summary="the address of a concept's page on the Hub")


def _concept(name: str) -> Concept:
    from e2gan_hub.pull import concept_from

    return concept_from(name)


def _concept_at(scheme: str, rest: str) -> Concept:
    return _concept(f"{scheme}:{rest}")


@e2gan.hookimpl
def register_folders(register: RegisterFolder) -> None:
    from e2gan_hub.index import index_path

    register(store.home(), store.unfinished)
    register(index_path().parent)


@e2gan.hookimpl
def register_commands(cli: click.Group) -> None:
    from e2gan_hub.commands import COMMANDS

    for command in COMMANDS:
        cli.add_command(command)
