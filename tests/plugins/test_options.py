"""The table of a teacher's options: what it says, and what it refuses."""

from __future__ import annotations

import math
from typing import Any

import pytest

from e2gan.errors import PluginError, TeacherError
from e2gan.hookspecs import hookimpl
from e2gan.options import Option, check_options, options_of
from e2gan.plugins import Registry

TABLE = (
    Option("look", "text", "which look", choices=("pen", "oil"), required=True),
    Option("width", "number", "of a stroke, pixels", 1.5, 0.5, 4, only_with=("look", "pen")),
    Option("dabs", "whole number", "how many", 8, 2, 64, only_with=("look", "oil")),
    Option("paper", "true or false", "on paper", False),
    Option("note", "text", "what to call it"),
)


@pytest.mark.parametrize(
    "given",
    [
        {"look": "pen"},
        {"look": "pen", "width": 4},
        {"look": "pen", "width": 0.5, "paper": True},
        {"look": "oil", "dabs": 2, "note": None},
        {"look": "oil", "note": "mine"},
    ],
)
def test_what_the_table_allows_passes(given: dict[str, Any]) -> None:
    check_options("painter", TABLE, given)


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ({}, "the teacher 'painter' needs the option 'look'", "look: one of pen, oil, which look"),
        ({"loook": "pen"}, "the teacher 'painter' has no option 'loook'", "did you mean 'look'?"),
        ({"look": "pen", "zzz": 1}, "has no option 'zzz'", "its options: look, paper, note"),
        ({"look": "pan"}, "must be one of pen, oil, not 'pan'", "did you mean 'pen'?"),
        ({"look": ["pen"]}, "must be one of pen, oil, not ['pen']", "look: one of pen, oil, which look"),
        ({"look": None}, "not None", None),
        ({"look": "oil", "width": 1}, "has no option 'width' with look=oil", None),
        ({"look": "pen", "width": 5}, "'width' must be a number from 0.5 to 4, not 5", None),
        ({"look": "pen", "width": math.nan}, "not nan", None),
        ({"look": "pen", "width": True}, "not True", None),
        ({"look": "pen", "width": "1"}, "not '1'", None),
        ({"look": "pen", "width": None}, "not None", None),
        ({"look": "oil", "dabs": 8.0}, "'dabs' must be a whole number from 2 to 64, not 8.0", None),
        ({"look": "oil", "dabs": 10**5000}, "not a whole number of thousands of digits", None),
        ({"look": "oil", "paper": 1}, "'paper' must be true or false, not 1", None),
        ({"look": "oil", "note": "\x1b[2J"}, None, None),
        ({"look": "pen\x1b[2J"}, r"not 'pen\x1b[2J'", "did you mean 'pen'?"),
    ],
)
def test_what_it_does_not_allow_is_one_error(given: dict[str, Any], message: str | None, hint: str | None) -> None:
    if message is None:  # a free text is the teacher's own business
        check_options("painter", TABLE, given)
        return
    with pytest.raises(TeacherError) as error:
        check_options("painter", TABLE, given)
    assert message in str(error.value) and str(error.value).isprintable()
    assert error.value.hint is not None and error.value.hint.isprintable()
    if hint is not None:
        assert error.value.hint == hint


def test_without_a_table_the_factorys_parameters_are_the_options() -> None:
    def factory(colours: int, wash: float = 0.5, paper: bool = True, title: str | None = None) -> None: ...

    assert options_of(factory, None) == (
        Option("colours", "whole number", required=True),
        Option("wash", "number", default=0.5),
        Option("paper", "true or false", default=True),
        Option("title", "any"),
    )
    assert options_of(lambda **any: None, None) is None
    assert options_of(factory, TABLE) == TABLE


def test_a_plugin_registers_a_table_with_its_teacher() -> None:
    class Plugin:
        @hookimpl
        def register_teachers(self, register: Any) -> None:
            register("painter", dict, summary="paints", options=TABLE)

    assert Registry.load([Plugin()]).get("teacher", "painter").options == TABLE


def test_a_table_of_something_else_sets_the_plugin_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    class Plugin:
        @hookimpl
        def register_teachers(self, register: Any) -> None:
            register("painter", dict, options=[{"name": "look"}])

    monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "")
    found = Registry.load([Plugin()])
    assert "must be an e2gan.options.Option" in found.problems[0].message
    with pytest.raises(TeacherError):
        found.get("teacher", "painter")
    monkeypatch.setenv("E2GAN_STRICT_PLUGINS", "1")
    with pytest.raises(PluginError, match=r"e2gan\.options\.Option"):
        _ = Registry.load([Plugin()]).all("teacher")
