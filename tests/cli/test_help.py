"""The help: grouped, uncut, with examples that the commands understand."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from e2gan.cli import main  # noqa: F401  (its import registers the core's commands)
from e2gan.cli.help import SECTIONS, Command, CommandGroup, summary
from e2gan.cli.program import cli


def commands(group: click.Group = cli, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command of the program and the installed plugins, by how it is called."""
    with click.Context(group) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            yield f"{path}{name}", command
            if isinstance(command, click.Group):
                yield from commands(command, f"{path}{name} ")


COMMANDS = dict(commands())


def help_of(*args: str, width: int = 80) -> str:
    result = CliRunner().invoke(cli, [*args, "--help"], terminal_width=width)
    assert result.exit_code == 0, result.output
    return result.output


def test_every_command_has_its_section() -> None:
    outside = {name for name, command in COMMANDS.items() if " " not in name and command.section not in SECTIONS}
    assert not outside
    text = help_of()
    places = [text.index(f"\n{section.capitalize()}:\n") for section in SECTIONS]
    assert places == sorted(places) and "\nOther:\n" not in text


@pytest.mark.parametrize("width", [60, 80, 200])
def test_summaries_are_whole(width: int) -> None:
    text = " ".join(help_of(width=width).split())
    for name, command in COMMANDS.items():
        if " " not in name:
            assert f"{name} {summary(command)}" in text
    assert "..." not in text.partition("Use:")[2]


def test_a_plugins_plain_command_is_listed_apart() -> None:
    @click.command()
    def foreign() -> None:
        """Do something else. Slowly."""

    group = CommandGroup("tool", commands={"foreign": foreign, "own": Command("own", section="use", help="Use it.")})
    text = CliRunner().invoke(group, ["--help"]).output
    assert text.index("Use:\n  own      Use it.\n") < text.index("Other:\n  foreign  Do something else.\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_begins_with_what_the_command_does_and_ends_with_examples(name: str) -> None:
    lines = help_of(*name.split()).splitlines()
    assert lines[2].startswith("  ") and lines[2].strip()[0].isupper()
    examples = lines[max(i for i, line in enumerate(lines) if line in ("Example:", "Examples:")) + 1 :]
    assert 1 <= len(examples) <= 3
    for line in examples:
        check_example(shlex.split(line))


def check_example(words: list[str]) -> None:
    """Raise unless the program knows the command of an example, and all of its options."""
    assert words.pop(0) == "e2gan"
    command: click.Command = cli
    # With its settings: Click keeps the help option that a command has in its first context.
    context = click.Context(cli, **cli.context_settings)
    while isinstance(command, click.Group):
        found = command.get_command(context, words.pop(0))
        assert found is not None
        command, context = found, click.Context(found, parent=context)
    values, _, _ = command.make_parser(context).parse_args(list(words))
    for parameter in command.params:
        value = values.get(parameter.name or "")
        if parameter.required:
            assert isinstance(value, (str, list, tuple)) and value, f"{parameter.name} is missing"
        if isinstance(parameter.type, click.Choice) and isinstance(value, str):
            assert value in parameter.type.choices


@pytest.mark.parametrize("words", ["e2gan apply vangogh -o out.jpg", "e2gan train ./x --step distil"])
def test_an_example_that_is_wrong_is_found(words: str) -> None:
    with pytest.raises(AssertionError):
        check_example(shlex.split(words))


def test_commands_are_listed_as_a_reader_counts() -> None:
    group = CommandGroup("tables", commands=[Command(name) for name in ("tab10", "tab3", "2b", "page", "fig2")])
    assert group.list_commands(click.Context(group)) == ["2b", "fig2", "page", "tab3", "tab10"]
    whole = CommandGroup("report", commands=[Command("a", short_help="Table 1: how much? And why.")])
    assert summary(whole.commands["a"]) == "Table 1: how much? And why."
