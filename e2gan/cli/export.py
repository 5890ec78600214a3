"""``e2gan export``: a command for each format that a plugin offers."""

from __future__ import annotations

import click

from e2gan.cli.help import CommandGroup
from e2gan.errors import PluginError

__all__ = ["export"]


class Formats(CommandGroup):
    """The installed exporters as commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        from e2gan.plugins import registry

        return sorted(registry().all("exporter"))

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        from e2gan.plugins import registry

        command = registry().get("exporter", name).factory()
        if not isinstance(command, click.Command):
            raise PluginError(f"the exporter '{name}' gives {type(command).__name__}, not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """A line for each format, without loading what exports to it."""
        from e2gan.installing import install_command
        from e2gan.plugins import OFFERED_BY, registry

        with formatter.section("Formats"):
            entries = registry().all("exporter")
            missing = [
                (id, f"not installed: {install_command(distribution)}")
                for (kind, id), distribution in OFFERED_BY.items()
                if kind == "exporter" and id not in entries
            ]
            formatter.write_dl([*((name, entry.summary) for name, entry in entries.items()), *missing])


@click.group(
    cls=Formats,
    section="export",
    examples=["export onnx vangogh -o vangogh.onnx", "export coreml vangogh -o VanGogh.mlpackage"],
    subcommand_metavar="FORMAT [ARGS]...",
)
def export() -> None:
    """Export concepts as models for apps and other runtimes."""
