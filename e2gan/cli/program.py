"""The program around the commands: plugins' commands, errors as lines, exit codes."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from e2gan._version import __version__
from e2gan.cli.help import CommandGroup
from e2gan.cli.interrupts import end_at_the_second_interrupt
from e2gan.cli.output import Output
from e2gan.errors import E2GANError, MissingExtraError
from e2gan.files import FULL, FULL_DISK
from e2gan.shield import make_environment_safe
from e2gan.terminal import one_line, say

if TYPE_CHECKING:
    pass

__all__ = [
    "EXIT_ERROR",
    "cli",
    "main",
    "needs_extra",
    "report",
]

T = TypeVar("T")

EXIT_ERROR, EXIT_INTERRUPTED = 1, 130


class Program(CommandGroup):
    """The core's commands, and the plugins' commands, which are loaded when a name or the help needs them."""

    _plugins_loaded = False

    def list_commands(self, ctx: click.Context) -> list[str]:
        self._load_plugins()
        return super().list_commands(ctx)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.commands:
            self._load_plugins()
        return super().get_command(ctx, name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            ctx.fail(self._why_missing(name))
        return super().resolve_command(ctx, args)

    def _why_missing(self, name: str) -> str:
        """What to tell people who ask for a command that is not there."""
        from e2gan.installing import install_command
        from e2gan.plugins import OFFERED_BY, registry
        from e2gan.tables import did_you_mean

        package = OFFERED_BY.get(("command", name))
        if package is None:
            near = did_you_mean(name, [*self.commands, *(id for kind, id in OFFERED_BY if kind == "command")])
            broken = any(plugin.status == "broken" for plugin in registry().plugins)
            also = " A plugin is broken, which may offer it: e2gan plugins" if broken and not near else ""
            return f"no command '{name}'" + (f": {near}" if near else ".") + also
        for plugin in registry().plugins:
            if plugin.distribution == package:
                why = "E2GAN_LOAD_PLUGINS leaves it out" if plugin.status == "skipped" else "see: e2gan plugins"
                return f"the command '{name}' comes with {package}, which is installed but not in use: {why}"
        how = install_command(package)
        return f"the command '{name}' comes with {package}, which is not installed; install it with: {how}"

    def invoke(self, ctx: click.Context) -> Any:
        from e2gan.distributions import tolerate_damage

        tolerate_damage()  # before torch is imported
        return super().invoke(ctx)

    def _load_plugins(self) -> None:
        from importlib.metadata import entry_points

        from e2gan.distributions import tolerate_damage

        tolerate_damage()
        if self._plugins_loaded or not entry_points(group="e2gan"):
            return
        self._plugins_loaded = True
        from e2gan.plugins import register_commands

        register_commands(self)

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Run a command line, and exit: 0, 1 for a known error, 2 for misuse, 130 when interrupted."""
        run: Callable[..., Any] = super().main
        if not standalone_mode:
            return run(*args, standalone_mode=False, **extra)
        try:
            with Output().warnings():
                code = run(*args, standalone_mode=False, **extra)
        except click.ClickException as error:
            _report_misuse(error)
            sys.exit(error.exit_code)
        except click.Abort:
            _exit_interrupted()
        except BrokenPipeError:
            # The reader of the output has gone, so the rest of it cannot be flushed at exit either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(EXIT_ERROR)
        except E2GANError as error:
            report(error)
            sys.exit(EXIT_ERROR)
        except OSError as error:
            if error.errno not in FULL_DISK:
                raise
            where = f"{error.filename}: " if error.filename else ""
            report(E2GANError(f"{where}{error.strerror}", hint=FULL))
            sys.exit(EXIT_ERROR)
        sys.exit(code if isinstance(code, int) else 0)


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="e2gan", message="%(prog)s %(version)s")
def cli() -> None:
    """Edit photos with small installable concepts.

    \b
    e2gan list                                    list the installed concepts
    e2gan apply vangogh photo.jpg -o edited.jpg   edit a photo
    e2gan COMMAND --help                          explain a command
    """


def main() -> None:
    """The program's entry point."""
    make_environment_safe()
    end_at_the_second_interrupt(EXIT_INTERRUPTED)
    try:
        cli.main(prog_name="e2gan")
    except KeyboardInterrupt:  # where click does not catch it
        _exit_interrupted()
    except Exception:
        import traceback

        say(traceback.format_exc().rstrip())
        say("error: this is a bug in e2gan; please report it with the lines above")
        sys.exit(EXIT_ERROR)


def _exit_interrupted() -> NoReturn:
    say("interrupted")
    sys.exit(EXIT_INTERRUPTED)


def _report_misuse(error: click.ClickException) -> None:
    """Like click's own ``show``, with unprintable characters escaped."""
    text = io.StringIO()
    error.show(file=text)
    say(text.getvalue().rstrip("\n"))


def report(error: E2GANError) -> None:
    """Print a known error: a line, its hint, and the traceback with ``E2GAN_DEBUG=1``."""
    if os.environ.get("E2GAN_DEBUG", "") not in ("", "0"):
        import traceback

        say("".join(traceback.format_exception(error)).rstrip())
    say(f"error: {one_line(error)}")
    if error.hint:
        say(f"hint: {one_line(error.hint)}")


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Turn a missing package into an error that names the extra to install."""
    try:
        yield
    except ModuleNotFoundError as fault:
        package = (fault.name or "").partition(".")[0]
        if package in ("", "e2gan"):
            raise
        raise MissingExtraError(package, extra) from fault
