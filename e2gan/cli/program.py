"""The program around the commands: plugins' commands, errors as lines, exit codes, progress."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from e2gan._version import __version__
from e2gan.cli.help import CommandGroup
from e2gan.cli.interrupts import end_at_the_second_interrupt
from e2gan.errors import E2GANError, E2GANWarning, MissingExtraError
from e2gan.files import FULL, FULL_DISK
from e2gan.shield import make_environment_safe
from e2gan.terminal import echo, one_line, printable, say, stdout_for_results

if TYPE_CHECKING:
    from e2gan.progress import Progress

__all__ = [
    "EXIT_ERROR",
    "cli",
    "echo",
    "main",
    "needs_extra",
    "notes",
    "print_flat",
    "print_json",
    "print_table",
    "progress",
    "report",
    "say",
    "stdout_for_results",
    "with_bar",
]

T = TypeVar("T")

EXIT_ERROR, EXIT_INTERRUPTED = 1, 130


class Program(CommandGroup):
    """The core's commands, and those of the plugins, which are loaded when a name or the help asks for them."""

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
        from e2gan.tables import did_you_mean

        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            near = did_you_mean(args[0], self.commands)
            ctx.fail(f"no command '{args[0]}'" + (f": {near}" if near else "."))
        return super().resolve_command(ctx, args)

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
            with notes(quiet=False):
                code = run(*args, standalone_mode=False, **extra)
        except click.ClickException as error:
            _report_misuse(error)
            sys.exit(error.exit_code)
        except click.Abort:
            _exit_interrupted()
        except BrokenPipeError:
            # Whoever read the output has gone; nor can what is left of it be flushed at exit.
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
    except KeyboardInterrupt:  # outside of click's own reach
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
    """As click's own ``show``, but for what may not be printed as it is."""
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
def notes(quiet: bool) -> Iterator[None]:
    """Print our own warnings, such as what a picture loses on its way, as lines; with ``quiet``, not."""
    with warnings.catch_warnings():

        def show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
            if issubclass(category, E2GANWarning):
                say(f"note: {one_line(message)}")
            else:
                say(warnings.formatwarning(message, category, *rest[:2]).rstrip())

        warnings.simplefilter("ignore" if quiet else "always", E2GANWarning)
        warnings.showwarning = show
        yield


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Turn a package that is missing into the error that names the extra to install."""
    try:
        yield
    except ModuleNotFoundError as fault:
        package = (fault.name or "").partition(".")[0]
        if package in ("", "e2gan"):
            raise
        raise MissingExtraError(package, extra) from fault


def print_json(data: object) -> None:
    echo(json.dumps(data, indent=2))


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as what they hold."""
    rows = [tuple(map(_cell, row)) for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def print_flat(data: Mapping[str, Any]) -> None:
    """A line for each value, nested or not: ``{"l1": {"ratio": 0.5}}`` is printed as ``l1 ratio  0.5``."""
    from e2gan.tables import flat_rows, readable

    rows = [(_cell(name), _cell(readable(value))) for name, value in flat_rows(data)]
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        echo(f"{name.ljust(width)}  {value}")


def _cell(text: str) -> str:
    return printable(text.replace("\n", " ").replace("\t", " "))


def with_bar(items: Sequence[T], unit: str, *, shown: bool) -> Iterable[T]:
    """The items one by one, with a bar on a terminal."""
    from tqdm import tqdm

    return tqdm(items, unit=unit, disable=None if shown else True, dynamic_ncols=True)


BAR = 64
"""Columns that a progress bar takes with its counts and times: with fewer, nothing is left of the bar itself."""


def _fitting(metrics: Mapping[str, float], columns: int) -> str:
    """As many of the figures, the first ones, as a bar leaves room for on a terminal so wide."""
    text = ""
    for name, value in metrics.items():
        longer = f"{text}, " * bool(text) + f"{name}={value:.3g}"
        if BAR + len(longer) > columns:
            break
        text = longer
    return text


@contextmanager
def progress(quiet: bool) -> Iterator[Progress]:
    """Stages as lines and steps as bars, on stderr; bars only on a terminal."""
    from tqdm import tqdm

    from e2gan.progress import Progress

    if quiet:
        with stdout_for_results():
            yield Progress()
        return
    bar: tqdm[Any] | None = None

    def stage(text: str) -> None:
        nonlocal bar
        if bar is not None:
            bar.close()
        bar = None
        say(text)

    def advance(done: int, total: int, metrics: dict[str, float]) -> None:
        nonlocal bar
        if bar is None or bar.total != total:
            bar = tqdm(total=total, initial=done, disable=None, dynamic_ncols=True)
        bar.set_postfix_str(_fitting(metrics, shutil.get_terminal_size().columns), refresh=False)
        bar.update(done - bar.n)

    try:
        with stdout_for_results():
            yield Progress(stage, advance)
    finally:
        if bar is not None:
            bar.close()
