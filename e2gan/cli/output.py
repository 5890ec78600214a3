"""Output of commands: one object knows whether people or programs read it, and whether to be quiet."""

from __future__ import annotations

import functools
import json
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from e2gan.errors import E2GANWarning
from e2gan.terminal import echo, one_line, printable, say, stdout_for_results

if TYPE_CHECKING:
    from e2gan.progress import Progress

__all__ = ["Output", "output_options"]

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


@dataclass(frozen=True)
class Output:
    """Prints a command's result to stdout and remarks to stderr.

    With ``--json`` the result is JSON and the text for people is left out.  With ``-q`` there are no remarks; the
    result is still printed.
    """

    as_json: bool = False
    quiet: bool = False

    # The result

    def data(self, data: object) -> None:
        """Print the result for programs; nothing without ``--json``."""
        if self.as_json:
            echo(json.dumps(data, indent=2))

    def line(self, text: str = "") -> None:
        """Print lines of the result for people.  This and the next two methods print nothing with ``--json``."""
        if not self.as_json:
            echo(text)

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print columns, each as wide as its content."""
        cells = [tuple(map(_cell, row)) for row in (header, *rows)]
        widths = [max(map(len, column)) for column in zip(*cells)]
        for row in cells:
            self.line("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())

    def figures(self, data: Mapping[str, Any]) -> None:
        """Print a line for each value, nested or not: ``{"l1": {"ratio": 0.5}}`` becomes ``l1 ratio  0.5``."""
        from e2gan.tables import flat_rows, readable

        rows = [(_cell(name), _cell(readable(value))) for name, value in flat_rows(data)]
        width = max((len(name) for name, _ in rows), default=0)
        for name, value in rows:
            self.line(f"{name.ljust(width)}  {value}")

    # Remarks

    def note(self, text: str) -> None:
        """Print a remark, such as which file was written; nothing with ``--json`` or ``-q``."""
        if not (self.as_json or self.quiet):
            say(text)

    @contextmanager
    def warnings(self) -> Iterator[None]:
        """Print our own warnings, such as what a picture loses, as lines while in the context; nothing with ``-q``."""
        with warnings.catch_warnings():

            def show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
                if issubclass(category, E2GANWarning):
                    say(f"note: {one_line(message)}")
                else:
                    say(warnings.formatwarning(message, category, *rest[:2]).rstrip())

            warnings.simplefilter("ignore" if self.quiet else "always", E2GANWarning)
            warnings.showwarning = show
            yield

    def bar(self, items: Iterable[T], unit: str, total: int) -> Iterable[T]:
        """Iterate over the ``total`` items, with a progress bar on a terminal: how many a second, and the time left.

        A single item has no bar, but a line that says what is going on until it is done.
        """
        from tqdm import tqdm

        disable = True if self.quiet or total < 1 else None
        if total == 1:
            line = f"editing the {unit}: some seconds, more for a large one"
            return tqdm(items, total=1, disable=disable, leave=False, bar_format=line)
        return tqdm(items, unit=unit, total=total, disable=disable, dynamic_ncols=True)

    @contextmanager
    def counter(self, unit: str) -> Iterator[Progress]:
        """A `Progress` whose steps move a bar on a terminal, which counts them in ``unit`` a second."""
        from tqdm import tqdm

        from e2gan.progress import Progress

        with tqdm(unit=unit, disable=True if self.quiet else None, dynamic_ncols=True) as bar:

            def advance(done: int, total: int, metrics: dict[str, float]) -> None:
                bar.total = total
                bar.update(done - bar.n)

            yield Progress(advance=advance)

    @contextmanager
    def progress(self, *, resumes: bool = False) -> Iterator[Progress]:
        """A `Progress` that prints stages as lines and steps as bars on stderr; bars appear only on a terminal.

        It prints nothing with ``--json`` or ``-q``.

        Args:
            resumes: whether the same command continues work that was interrupted; whoever interrupts it is told so.
        """
        from tqdm import tqdm

        from e2gan.progress import Progress

        if self.as_json or self.quiet:
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
        except KeyboardInterrupt:
            if bar is not None:
                bar.close()
            bar = None
            if resumes:
                say("to go on later, run the same command again: it continues where it stopped")
            raise
        finally:
            if bar is not None:
                bar.close()


def output_options(*, json: bool = True, quiet: bool = True, quiet_help: str = "Print only errors.") -> Any:
    """Give a command ``--json`` and ``-q``, or one of them, and pass it an `Output` as ``out``."""

    def decorate(command: F) -> Any:
        @functools.wraps(command)
        def with_output(*arguments: Any, as_json: bool = False, quiet: bool = False, **options: Any) -> Any:
            return command(*arguments, out=Output(as_json, quiet), **options)

        decorated: Any = with_output
        if quiet:
            decorated = click.option("-q", "--quiet", is_flag=True, help=quiet_help)(decorated)
        if json:
            decorated = click.option("--json", "as_json", is_flag=True, help="Print JSON.")(decorated)
        return decorated

    return decorate


BAR = 64
"""Columns that a progress bar needs with its counts and times; with fewer, the bar itself disappears."""


def _fitting(metrics: Mapping[str, float], columns: int) -> str:
    """The first figures, as many as fit beside a bar on a terminal of ``columns`` columns."""
    text = ""
    for name, value in metrics.items():
        longer = f"{text}, " * bool(text) + f"{name}={value:.3g}"
        if BAR + len(longer) > columns:
            break
        text = longer
    return text


def _cell(text: str) -> str:
    return printable(text.replace("\n", " ").replace("\t", " "))
