"""The catalogue: every look says all that a maker wants to know, and bounds all that a recipe may set."""

from __future__ import annotations

import re

import pytest

from e2gan.models.layout import Keeps
from e2gan.plugins import Registry
from e2gan.tables import ID_PATTERN
from e2gan_gmic.catalogue import GROUPS, LOOKS, OPTIONS
from e2gan_gmic.look import Look, Number
from e2gan_gmic.teacher import make

each = pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)


def test_there_are_many_and_no_two_of_one_name() -> None:
    assert len(LOOKS) >= 40
    assert len(LOOKS) == sum(map(len, GROUPS.values()))
    assert len({look.command for look in LOOKS.values()}) == len(LOOKS)
    assert len({look.title for look in LOOKS.values()}) == len(LOOKS)


@each
def test_a_look_says_what_it_is(look: Look) -> None:
    assert ID_PATTERN.fullmatch(look.id)
    assert look.looks[0].isupper() and look.looks.endswith(".") and ". " not in look.looks, "one sentence"
    assert look.prompt.startswith(("a ", "an ", "clean ")) and not look.prompt.endswith(".")
    assert look.kind in ("redraws", "keeps lines", "photograph")
    assert look.keeps in [*Keeps]
    assert look.kind != "photograph" or look.keeps in ("detail", "light")
    assert look.numbers, "something to choose"


@each
def test_every_number_has_a_range_a_default_in_it_and_a_place(look: Look) -> None:
    assert look.places == {number.name for number in look.numbers}
    for number in look.numbers:
        assert number.low < number.high and number.low <= number.default <= number.high
        assert {type(number.low), type(number.high)} == {type(number.default)}
        assert number.help and not number.help[0].isupper() and not number.help.endswith(".")
        assert number.low > 0 or not (number.pixels and number.whole), "no brush of no size"


def test_the_registered_options_are_the_catalogues() -> None:
    found = Registry.load().get("teacher", "gmic")
    assert found.options == OPTIONS
    assert str(len(LOOKS)) in found.summary
    names = {option.name for option in OPTIONS}
    assert names >= {"filter", "scale"} and "filter" not in {n.name for look in LOOKS.values() for n in look.numbers}


def test_numbers_go_where_the_command_has_places_for_them() -> None:
    look = Look(
        "x", "X", "X.", "an x", "redraws", "nothing", "a <size>,<size*2>,<share>,<2.5px>,{-<share>} if $!<3 b fi",
        (Number("size", 4, 1, 9, "size", pixels=True), Number("share", 0.5, -1.0, 1.0, "share")),
    )  # fmt: skip
    assert look.filled({"size": 4, "share": 0.5}, 1) == "a 4,8,0.5,2.5,{-0.5} if $!<3 b fi"
    assert look.filled({"size": 3, "share": -0.25}, 0.5) == "a 2,3,-0.25,1.25,{--0.25} if $!<3 b fi"
    assert look.filled({"size": 1, "share": 1e-9}, 0.5) == "a 1,1,0,1.25,{-0} if $!<3 b fi"


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
@each
def test_at_both_ends_of_every_range_only_digits_are_filled_in(look: Look, scale: float) -> None:
    for end in ("low", "high"):
        command = make(
            filter=look.id, scale=scale, **{number.name: getattr(number, end) for number in look.numbers}
        ).command
        parts = re.split(r"<[^<>=?; ]*>", look.command)
        pattern = r"-?\d+(\.\d+)?".join(map(re.escape, parts))
        assert re.fullmatch(pattern, command)
