"""Plugins for one test: `offer` puts what they register into the program, besides what is installed.

It is the one way in which tests change what is installed; the fixture `own_settings` takes it out again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from e2gan.hookspecs import hookimpl
from e2gan.plugins import Registry, use_registry

__all__ = ["offer", "offering", "plugin"]


def plugin(name: str, **hooks: Callable[..., Any]) -> Any:
    """A plugin's module of that name, with hook functions given by keyword."""
    module = ModuleType(name)
    for hook, function in hooks.items():
        setattr(module, hook, hookimpl(specname=hook)(function))
    return module


def offering(name: str = "throwaway", **kinds: Mapping[str, Callable[..., Any]]) -> Registry:
    """A registry with a plugin that offers factories by id: ``offering(teachers={"invert": lambda: ImageOps.invert})``.

    The tables are read when the program first asks for what is of that kind.
    """

    def hook(table: Mapping[str, Callable[..., Any]]) -> Callable[[Any], None]:
        def register_all(register: Callable[..., None]) -> None:
            for id, factory in table.items():
                register(id, factory)

        return register_all

    return Registry.load([plugin(name, **{f"register_{kind}": hook(table) for kind, table in kinds.items()})])


def offer(name: str = "throwaway", **kinds: Mapping[str, Callable[..., Any]]) -> Registry:
    """Make `offering` the registry of this process."""
    registry = offering(name, **kinds)
    use_registry(lambda: registry)
    return registry
