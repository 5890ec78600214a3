"""Docstrings name things as Sphinx does, :class:`Editor`; the reference shows them as code."""

from __future__ import annotations

import re
from typing import Any

import griffe


class Roles(griffe.Extension):
    """Sphinx's roles to Markdown."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """The event of Griffe for everything that it has read."""
        if obj.docstring:
            obj.docstring.value = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", obj.docstring.value)
