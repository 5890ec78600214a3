"""``e2gan export``: a command for each format that a plugin offers."""

from __future__ import annotations

import click

from e2gan.cli.help import CommandGroup
from e2gan.errors import PluginError

__all__ = ["export"]

KNOWN = {"coreml": "e2gan-coreml", "onnx": "e2gan-onnx"}
"""Formats by the distributions that offer them, for whoever has not installed these."""


class Formats(CommandGroup):
    """The installed exporters as commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        from e2gan.plugins import registry

        return sorted(registry().all("exporter"))

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        from e2gan.plugins import registry

        if name in KNOWN and name not in registry().all("exporter"):
            raise PluginError(f"nothing installed exports to {name}", hint=f"pip install {KNOWN[name]}")
        command = registry().get("exporter", name).factory()
        if not isinstance(command, click.Command):
            raise PluginError(f"the exporter '{name}' gives {type(command).__name__}, not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """A line for each format, without loading what exports to it."""
        from e2gan.plugins import registry

        with formatter.section("Formats"):
            entries = registry().all("exporter")
            missing = [(name, f"not installed: pip install {KNOWN[name]}") for name in KNOWN if name not in entries]
            formatter.write_dl([*((name, entry.summary) for name, entry in entries.items()), *missing])


@click.group(
    cls=Formats,
    section="export",
    examples=["export onnx vangogh -o vangogh.onnx", "export coreml vangogh -o VanGogh.mlpackage"],
    subcommand_metavar="FORMAT [ARGS]...",
)
def export() -> None:
    """Export concepts to another runtime: ONNX, Core ML."""
