"""E²GAN: photo edits from small installable concepts for one pinned GAN.

    >>> import e2gan
    >>> editor = e2gan.Editor()
    >>> e2gan.save_image(editor.apply("photo.jpg", "vangogh"), "painted.jpg")

The public names are loaded when they are first used: importing the package imports no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from e2gan._version import __version__

if TYPE_CHECKING:
    from e2gan.base import Base, find_base
    from e2gan.concept import Concept
    from e2gan.editor import Editor
    from e2gan.errors import E2GANError
    from e2gan.hookspecs import hookimpl
    from e2gan.images import open_image, save_image
    from e2gan.plugins import registry

__all__ = [
    "Base",
    "Concept",
    "E2GANError",
    "Editor",
    "__version__",
    "find_base",
    "hookimpl",
    "open_image",
    "registry",
    "save_image",
]

_HOMES = {
    "Base": "base",
    "Concept": "concept",
    "E2GANError": "errors",
    "Editor": "editor",
    "find_base": "base",
    "hookimpl": "hookspecs",
    "open_image": "images",
    "registry": "plugins",
    "save_image": "images",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'e2gan' has no attribute {name!r}")
    value = getattr(import_module(f"e2gan.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
