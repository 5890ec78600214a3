"""What a plugin may register: it is an installed module with any of these functions under ``@e2gan.hookimpl``.

An entry point of the group ``e2gan`` names the module::

    [project.entry-points.e2gan]
    vangogh = "e2gan_concept_vangogh"

A plugin may add its own hook for other plugins under ``@e2gan.hookspecs.hookspec``, named ``register_KINDs``;
``e2gan.registry().all("KIND")`` then returns what they offer.

Keep the module light: the program imports it whenever it starts, so import torch and
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

__all__ = [
    "Register",
    "RegisterBackend",
    "RegisterConcept",
    "RegisterFolder",
    "RegisterTeacher",
    "hookimpl",
    "hookspec",
]

hookspec = HookspecMarker("e2gan")
hookimpl = HookimplMarker("e2gan")
"""Marks a plugin's function as the hook of its name: ``@e2gan.hookimpl``."""


class Register(Protocol):
    """The argument of every hook except those for backends, concepts, teachers, folders and commands."""

    def __call__(self, id: str, factory: Callable[..., Any], summary: str = "") -> None:
        """Offer ``factory`` under ``id``; ``summary`` is one line for lists.

        Raises PluginError for an invalid id, or a factory that is not callable.
        """


class RegisterTeacher(Protocol):
    """The argument of the hook for teachers."""

    def __call__(
        self,
        id: str,
        factory: Callable[..., Any],
        summary: str = "",
        options: Sequence[Option] | None = None,
        license: str = "",
    ) -> None:
        """Like :class:`Register`; ``options`` are the teacher's options, which are checked before it is made.

        ``license`` is the licence of the teacher's weights or program, which concepts made from it state.

        Without them, the parameters of ``factory`` are its options, with kinds and defaults but without ranges or help.
        """


class RegisterBackend(Protocol):
    """The argument of the hook for backends."""

    def __call__(self, id: str, factory: Callable[..., Any], summary: str = "", speed: float | None = None) -> None:
        """Like :class:`Register`; ``speed`` is how many times as fast as PyTorch an edit is on a CPU of this kind.

        With a speed above 1, and pictures at least as near to float32's as PyTorch's in bfloat16, the backend is one
        that the editor takes by default.  Without a speed it is only used on request.
        """


class RegisterConcept(Protocol):
    """The argument of the hook for concepts."""

    def __call__(
        self,
        folder: str | os.PathLike[str],
        source: str | None = None,
        name: str | None = None,
        by_id: bool = True,
    ) -> None:
        """Offer the bundle in ``folder``; ``source`` says where it came from, if not from the plugin's distribution.

        ``name`` is another name for it, with a colon, such as ``hub:OWNER/NAME``.  It is listed under that name, not
        its id, if ``by_id`` is false, or if several distributions claim the id.
        """


class RegisterFolder(Protocol):
    """The argument of the hook for folders."""

    def __call__(self, folder: str | os.PathLike[str], unfinished: Callable[[], Iterable[Path]] | None = None) -> None:
        """Name a folder; ``unfinished()`` returns what killed runs left in it besides the program's temporary files.

        It must return only files that nobody uses or needs, because they are removed.
        """


@hookspec
def register_concepts(register: RegisterConcept) -> None:
    """Offer concepts: ``register(folder)`` for each bundle's folder.

    Bundles of one plugin that have the same id and different bases are one concept; the first is its default.
    """


@hookspec
def register_sources(register: Register) -> None:
    """Offer sources of concepts: ``factory(name)`` returns the Concept that ``id:name`` means.

    It may also return a :class:`e2gan.blend.Blend`, such as an ``OtherModel``, which is applied like a concept.
    """


@hookspec
def register_teachers(register: RegisterTeacher) -> None:
    """Offer teachers: ``factory(**teacher_options)`` returns a callable from an RGB picture to an edit of its size."""


@hookspec
def register_photo_sources(register: Register) -> None:
    """Offer photographs to distil from: ``factory(name, folder)`` fills ``folder`` with those that ``id:name`` means.

    The folder must hold exactly those, the same ones every time; a recipe names them as its ``source``.
    """


@hookspec
def register_exporters(register: Register) -> None:
    """Offer formats to export to: ``factory()`` returns the click command that ``e2gan export id`` runs."""


@hookspec
def register_embedders(register: Register) -> None:
    """Offer embedders: ``factory()`` returns a callable from a list of pictures to an (N, D) float32 array."""


@hookspec
def register_backends(register: RegisterBackend) -> None:
    """Offer runtimes for the editor; ``factory(base, device, precision, threads)`` returns `e2gan.backends.Backend`.

    All but the base are given by name, and each may be None, for the runtime's own choice.  The factory raises
    E2GANError if it cannot serve them.
    """


@hookspec
def register_folders(register: RegisterFolder) -> None:
    """Name a plugin's private folders, such as a store or a cache: ``e2gan clean`` looks for leftovers there."""


@hookspec
def register_commands(cli: click.Group) -> None:
    """Add commands to the ``e2gan`` program with ``@cli.command()``."""
