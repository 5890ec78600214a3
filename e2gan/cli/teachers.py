"""Listing the teachers: ``teachers``."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import click

from e2gan.cli.help import Command
from e2gan.cli.output import Output, output_options
from e2gan.terminal import say

if TYPE_CHECKING:
    from e2gan.options import Option
    from e2gan.plugins import Entry

__all__ = ["teachers"]


@click.command(cls=Command, section="make", examples=["teachers", "teachers gmic"])
@click.argument("teacher", required=False)
@output_options(quiet=False)
def teachers(teacher: str | None, out: Output) -> None:
    """List the teachers and their options.

    With TEACHER, the command explains each option: its values, its default, what it does. Set options with -O of
    distill and new, or in [recipe.teacher_options].
    """
    from e2gan.installing import install_command
    from e2gan.plugins import registry

    entries = [registry().get("teacher", teacher)] if teacher is not None else list(registry().all("teacher").values())
    out.data([_described(entry) for entry in entries])
    for entry in entries:
        out.line(f"{entry.id}  ({entry.distribution})")
        if entry.summary:
            out.line(f"  {entry.summary}")
        if teacher is None:
            out.line(_wrapped("  options: ", _names(entry)))
        else:
            if entry.license:
                out.line(f"  licence: {entry.license}")
            _print_options(out, entry)
        out.line("")
    if teacher is None:
        out.note("what the options of one mean: e2gan teachers TEACHER; * must be given")
    if all(entry.distribution == "e2gan" for entry in entries):  # the one that edits nothing
        say(f"no other teachers are installed; try: {install_command('e2gan-teachers')}")
    if problems := len(registry().problems):
        thing = "is 1 problem" if problems == 1 else f"are {problems} problems"
        say(f"note: there {thing} with plugins; see: e2gan plugins")


def _names(entry: Entry) -> str:
    """The names of a teacher's options, without those that depend on the value of another."""
    if entry.options is None:
        return "its plugin does not say"
    names = [option.name + "*" * option.required for option in entry.options if option.only_with is None]
    more = [
        f"others by {name}" for name in sorted({option.only_with[0] for option in entry.options if option.only_with})
    ]
    return ", ".join([*names, *more]) or "none"


def _print_options(out: Output, entry: Entry) -> None:
    if entry.options is None:
        out.line("  its plugin does not say which options it takes")
        return
    always = [option for option in entry.options if option.only_with is None]
    others: dict[tuple[str, str], list[Option]] = {}
    for option in entry.options:
        if option.only_with is not None:
            others.setdefault(option.only_with, []).append(option)
    _print_rows(out, always, "  ")
    if not always:
        out.line("  no options")
    for (name, value), some in others.items():
        out.line(f"  with {name}={value}")
        _print_rows(out, some, "    ")


def _print_rows(out: Output, options: list[Option], indent: str) -> None:
    rows = [(option.name, option.values, _default(option), option.help) for option in options]
    # A list of seventy names would push the rest out of sight, so only short cells widen a column.
    widths = [max((len(cell) for cell in column if len(cell) <= 40), default=0) for column in zip(*rows)]
    for name, values, *rest in rows:
        if len(values) > 40:  # in lines of its own, below what is said of it
            out.line(indent + "  ".join([name.ljust(widths[0]), *rest]))
            out.line(_wrapped(indent + "  ", values))
        else:
            cells = (name, values, *rest)
            out.line((indent + "  ".join(cell.ljust(width) for cell, width in zip(cells, widths))).rstrip())


def _wrapped(begin: str, text: str) -> str:
    """Text in lines of a page's width, of which all but the first are indented as far as ``begin`` is long."""
    return textwrap.fill(
        text,
        100,
        initial_indent=begin,
        subsequent_indent=" " * len(begin),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _default(option: Option) -> str:
    if option.required:
        return "required"
    if option.default is None:
        return "may be left out"
    text = str(option.default).lower() if isinstance(option.default, bool) else option.default
    return f"default {text}" if text != "" else "default empty"


def _described(entry: Entry) -> dict[str, Any]:
    options = entry.options
    return {
        "id": entry.id,
        "summary": entry.summary,
        "distribution": entry.distribution,
        "license": entry.license or None,
        "options": None if options is None else [_row(option) for option in options],
    }


def _row(option: Option) -> dict[str, Any]:
    """An option as JSON, without the keys that do not apply to it."""
    row = {
        "name": option.name,
        "kind": option.kind,
        "help": option.help or None,
        "required": option.required,
        "default": option.default,
        "low": option.low,
        "high": option.high,
        "choices": list(option.choices) or None,
        "only_with": dict([option.only_with]) if option.only_with else None,
    }
    return {key: value for key, value in row.items() if value is not None}
