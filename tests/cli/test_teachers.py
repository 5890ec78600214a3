"""``e2gan teachers``: every teacher of every plugin, with its options."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from e2gan.cli import cli
from e2gan.hookspecs import hookimpl
from e2gan.options import Option
from e2gan.plugins import Registry, use_registry


class Plugin:
    @hookimpl
    def register_teachers(self, register) -> None:
        table = (
            Option("look", "text", "which look", choices=("pen", "oil"), required=True),
            Option("paper", "true or false", "on paper", True),
            Option("width", "number", "of a stroke, pixels", 1.5, 0.5, 4, only_with=("look", "pen")),
        )
        register("painter", dict, summary="paints", options=table)
        register("plain", make_plain)
        register("silent", lambda **options: None)


def make_plain(bits: int, mirror: bool = False, name: "str | None" = None): ...  # noqa: UP037


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "")
    use_registry(lambda: Registry.load([Plugin()]))


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli, ["teachers", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_they_are_listed_with_the_names_of_their_options():
    out = run()
    assert "painter  (Plugin)\n  paints\n  options: look*, paper, others by look\n" in out
    assert "plain  (Plugin)\n  options: bits*, mirror, name\n" in out
    assert "silent  (Plugin)\n  options: its plugin does not say\n" in out
    assert "given  (e2gan)" in out and "options: none" in out
    assert "true or false" not in out


def test_the_options_of_one_are_shown_with_kinds_ranges_defaults_and_help():
    out = run("painter")
    assert "  look   one of pen, oil  required      which look\n" in out
    assert "  paper  true or false    default true  on paper\n" in out
    assert "  bits    a whole number  required\n  mirror  true or false   default false\n" in run("plain")
    assert "silent  (Plugin)\n  its plugin does not say which options it takes\n" in run("silent")
    assert "  no options\n" in run("given")


def test_many_choices_are_wrapped_below_their_option():
    filters = [f"filter-{number}" for number in range(30)]
    table = (Option("filter", "text", "the look", choices=tuple(filters), required=True), Option("scale", "number"))

    class Many:
        @hookimpl
        def register_teachers(self, register) -> None:
            register("many", dict, options=table)

    use_registry(lambda: Registry.load([Many()]))
    lines = run("many").splitlines()
    assert lines[1] == "  filter  required  the look"
    assert lines[2].startswith("    one of filter-0, filter-1,") and max(map(len, lines)) <= 100
    assert [name for name in " ".join(lines).replace(",", "").split() if name.startswith("filter-")] == filters
    assert lines[-2].startswith("  scale   a number")


def test_one_is_shown_with_the_options_that_depend_on_others():
    out = run("painter")
    assert "  with look=pen\n    width  a number from 0.5 to 4  default 1.5  of a stroke, pixels\n" in out
    assert "plain" not in out


def test_as_json():
    found = {entry["id"]: entry for entry in json.loads(run("--json"))}
    assert {"given", "painter", "plain", "silent"} == found.keys()
    assert found["silent"]["options"] is None and found["given"]["options"] == []
    assert found["painter"]["options"][2] == {
        "name": "width",
        "kind": "number",
        "help": "of a stroke, pixels",
        "required": False,
        "default": 1.5,
        "low": 0.5,
        "high": 4,
        "only_with": {"look": "pen"},
    }
    assert [entry["id"] for entry in json.loads(run("plain", "--json"))] == ["plain"]


def test_a_teacher_that_is_not_there_is_an_error():
    result = CliRunner().invoke(cli, ["teachers", "paintre"])
    assert result.exit_code == 1
    assert "no teacher 'paintre'" in result.stderr and "did you mean 'painter'?" in result.stderr
