"""The commands' help: grouped by section in ``e2gan --help``, and with examples for each command."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from typing import Any

import click

__all__ = ["SECTIONS", "Command", "CommandGroup", "summary"]

SECTIONS = ("use", "make", "share", "export", "research")
"""The sections of ``e2gan --help``, in order; commands without a section come last."""


class Described(click.Command):
    """A command with a section in ``e2gan --help`` and with examples at the end of its own help."""

    def __init__(self, *args: Any, section: str = "", examples: Sequence[str] = (), **kwargs: Any) -> None:
        """Describe a command.

        Args:
            section: one of :data:`SECTIONS`.
            examples: command lines, without ``e2gan`` in front.
        """
        super().__init__(*args, **kwargs)
        self.section = section
        self.examples = tuple(examples)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        if self.examples:
            with formatter.section("Examples" if len(self.examples) > 1 else "Example"):
                formatter.write("".join(f"{' ' * formatter.current_indent}e2gan {line}\n" for line in self.examples))


class Command(Described):
    """A command: ``@click.command(cls=Command, section="use", examples=["list"])``."""


class CommandGroup(Described, click.Group):
    """A group whose help lists its commands by section, each with its full summary."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands' names, with their numbers in order: ``tab3`` before ``tab10``."""
        return sorted(
            super().list_commands(ctx),
            key=lambda name: [(p.isdigit(), int(p) if p.isdigit() else p) for p in re.split(r"(\d+)", name)],
        )

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows: dict[str, list[tuple[str, str]]] = {section: [] for section in (*SECTIONS, "")}
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                section = getattr(command, "section", "")
                rows.setdefault(section, []).append((name, summary(command)))
        width = max((len(name) for section in rows.values() for name, _ in section), default=0)
        rest = "Other" if any(rows[section] for section in SECTIONS) else "Commands"
        for section, commands in rows.items():
            if commands:
                with formatter.section(section.capitalize() or rest):
                    formatter.write_dl([(name.ljust(width), text) for name, text in commands])


def summary(command: click.Command) -> str:
    """A command's short help, or the first sentence of its help, in full."""
    text = command.short_help
    if not text:
        paragraph = " ".join(inspect.cleandoc(command.help or "").partition("\n\n")[0].split())
        text = re.split(r"(?<=[.!?:])\s", paragraph, maxsplit=1)[0]
    return text.rstrip(":.") + "."
