"""What a plugin may register: an installed module with any of these functions under ``@e2gan.hookimpl``.

The module is named by an entry point of the group ``e2gan``::

    [project.entry-points.e2gan]
    vangogh = "e2gan_concept_vangogh"

A plugin that others plug into adds a hook of its own under ``@e2gan.hookspecs.hookspec``, named ``register_KINDs``:
what is offered there is ``e2gan.registry().all("KIND")``.

Keep it light: it is imported whenever the program starts, so it imports torch and
the like inside its factories.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pluggy import HookimplMarker, HookspecMarker

if TYPE_CHECKING:
    import click

    from e2gan.options import Option

__all__ = ["Register", "RegisterConcept", "RegisterFolder", "RegisterTeacher", "hookimpl", "hookspec"]

hookspec = HookspecMarker("e2gan")
hookimpl = HookimplMarker("e2gan")
"""Marks a plugin's function as the hook of its name: ``@e2gan.hookimpl``."""


class Register(Protocol):
    """What hooks are given, except those for concepts, teachers, folders and commands."""

    def __call__(self, id: str, factory: Callable[..., Any], summary: str = "") -> None:
        """Offer ``factory`` under ``id``; ``summary`` is one line for lists.

        Raises PluginError for an invalid id, or a factory that cannot be called.
        """


class RegisterTeacher(Protocol):
    """What the hook for teachers is given."""

    def __call__(
        self, id: str, factory: Callable[..., Any], summary: str = "", options: Sequence[Option] | None = None
    ) -> None:
        """As :class:`Register`; ``options`` is what the teacher can be given, which is checked before it is made.

        Left out, the parameters of ``factory`` are its options, with kinds and defaults, but no ranges and no help.
        """


class RegisterConcept(Protocol):
    """What the hook for concepts is given."""

    def __call__(self, folder: str | os.PathLike[str], source: str | None = None) -> None:
        """Offer the bundle in ``folder``; ``source`` says where it was got, if not with the plugin's distribution."""


class RegisterFolder(Protocol):
    """What the hook for folders is given."""

    def __call__(self, folder: str | os.PathLike[str], unfinished: Callable[[], Iterable[Path]] | None = None) -> None:
        """Name a folder; ``unfinished()`` gives what killed runs left in it besides the program's temporary files.

        Only what nobody works on, and what nobody misses: it is removed.
        """


@hookspec
def register_concepts(register: RegisterConcept) -> None:
    """Offer concepts: ``register(folder)`` for each bundle's folder."""


@hookspec
def register_sources(register: Register) -> None:
    """Offer places to get concepts from: ``factory(name)`` gives the Concept that is meant by ``id:name``.

    Or a :class:`e2gan.blend.Blend`, such as an ``OtherModel``, which is applied as a concept is.
    """


@hookspec
def register_teachers(register: RegisterTeacher) -> None:
    """Offer teachers: ``factory(**teacher_options)`` gives a callable from an RGB picture to its edit, as large."""


@hookspec
def register_photo_sources(register: Register) -> None:
    """Offer photographs to distil from: ``factory(name, folder)`` makes ``folder`` hold those that ``id:name`` means.

    Those and no others, the same ones every time; a recipe names them as its ``source``.
    """


@hookspec
def register_exporters(register: Register) -> None:
    """Offer formats to export to: ``factory()`` gives the click command that ``e2gan export id`` runs."""


@hookspec
def register_embedders(register: Register) -> None:
    """Offer embedders: ``factory()`` gives a callable from a list of pictures to an (N, D) float32 array."""


@hookspec
def register_backends(register: Register) -> None:
    """Offer what the editor may compute with: ``factory(base, threads)`` gives an :class:`e2gan.editor.Backend`."""


@hookspec
def register_folders(register: RegisterFolder) -> None:
    """Name the folders a plugin keeps to itself, a store or a cache: ``e2gan clean`` looks for leftovers there."""


@hookspec
def register_commands(cli: click.Group) -> None:
    """Add commands to the ``e2gan`` program with ``@cli.command()``."""
