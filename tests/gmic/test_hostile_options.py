"""A recipe is data from strangers: whatever its options are, no text of theirs reaches G'MIC's interpreter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from e2gan.data.teachers import make_teacher
from e2gan.errors import TeacherError
from e2gan_gmic import interpreter
from e2gan_gmic.catalogue import LOOKS

ATTACKS = (
    *(
        "pencil;exec touch owned",
        'pencil -exec "touch owned"',
        "pen 1,2 output /tmp/x.png",
        "0 system id",
        "1 x 2",
        "1)",
    ),
    *(
        "$HOME",
        "${-path_rc}",
        "{`65`}",
        "$_pid",
        "{w}",
        "1,2,3",
        '"',
        "'",
        "\\",
        "`id`",
        "$(id)",
        "<size>",
        'm "f : rm" f',
    ),
    *("../../x", "/etc/passwd", "https://example.org/x.gmz", "c:\\x", "1\nrm\n2", "\x00", "\x1b[2J", "e\u0301", "🖌"),
    *("\u0663", "\uff11", "1_0", "0x10", "1e2", "+1", "-1", "nan", "inf", "", " ", "pencil ", "Pencil", "PEN"),
    *("scale", "__class__", "A" * 5000),
)

text = st.sampled_from(ATTACKS) | st.text(max_size=40)
nested = st.recursive(text | st.integers(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner))
huge = st.sampled_from([float("inf"), -float("inf"), 10**400, -(10**5000), 1e308, -1e308, -(2**63), 1e6, 2**63])
no_number = text | nested | huge | st.none() | st.booleans() | st.binary(max_size=8) | st.just(float("nan"))
"""Not a number, or one that no look takes."""


@st.composite
def hostile(draw: st.DrawFn) -> dict[str, Any]:
    """Options with at least one thing wrong: the name of the look, a number, or an option that there is not."""
    look = draw(st.sampled_from(list(LOOKS.values())))
    good: dict[str, Any] = {number.name: number.default for number in look.numbers} if draw(st.booleans()) else {}
    known = {"filter", "scale", *(number.name for number in look.numbers)}
    wrong = draw(st.sampled_from(["filter", "number", "scale", "unknown"]))
    if wrong == "filter":
        return {
            **good,
            "filter": draw(no_number.filter(lambda value: not isinstance(value, str) or value not in LOOKS)),
        }
    if wrong == "unknown":
        name = draw(text.filter(lambda name: name not in known))
        return {**good, "filter": look.id, name: draw(no_number | st.just(1))}
    name = "scale" if wrong == "scale" else draw(st.sampled_from(look.numbers)).name
    return {
        **good,
        "filter": look.id,
        name: draw(no_number.filter(lambda value: not is_number(value) or abs(value) > 9e5)),
    }


def is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value


@pytest.fixture(scope="module")
def given_to_the_interpreter() -> Iterator[list[str]]:
    """What would have reached G'MIC; it is not run."""
    commands: list[str] = []

    def record(command: str, pixels: np.ndarray) -> np.ndarray:
        commands.append(command)
        return pixels

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interpreter, "run", record)
        yield commands


@settings(
    max_examples=1000, deadline=None, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)  # fmt: skip
@given(st.lists(hostile(), min_size=10, max_size=10))
def test_ten_thousand_hostile_options(given_to_the_interpreter: list[str], some: list[dict[str, Any]]) -> None:
    for options in some:
        with pytest.raises(TeacherError) as error:
            make_teacher("gmic", options)(Image.new("RGB", (8, 8)))
        for words in (str(error.value), error.value.hint or "?"):
            assert words.isprintable() and words
        assert len(str(error.value)) < 300
    assert given_to_the_interpreter == []


numbers = st.integers(-2000, 2000) | st.floats(-2000, 2000)


@settings(max_examples=500, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(look=st.sampled_from(list(LOOKS.values())), data=st.data())
def test_of_numbers_only_the_digits_reach_it(
    given_to_the_interpreter: list[str], look: Any, data: st.DataObject
) -> None:
    given_to_the_interpreter.clear()
    values = {number.name: data.draw(numbers) for number in look.numbers}
    scale = data.draw(st.floats(0.1, 10))
    try:
        make_teacher("gmic", {"filter": look.id, "scale": scale, **values})(Image.new("RGB", (8, 8)))
    except TeacherError:
        assert given_to_the_interpreter == []
        return
    finally:
        commands = given_to_the_interpreter.copy()
        given_to_the_interpreter.clear()
    parts = re.split(r"<[^<>=?; ]*>", look.command)
    assert len(commands) == 1
    assert re.fullmatch(r"-?\d+(\.\d+)?".join(map(re.escape, parts)), commands[0])
    assert 0.5 <= scale <= 2
