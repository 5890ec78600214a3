"""What the tables of options say is what the teachers do."""

from __future__ import annotations

import dataclasses
import importlib
from typing import Any

import pytest

from e2gan.data.teachers import make_teacher
from e2gan.errors import TeacherError
from e2gan.plugins import Registry
from e2gan_teachers import diffusion
from e2gan_teachers.catalogue import TEACHERS
from e2gan_teachers.grades import GRADES
from e2gan_teachers.tables import OPTIONS

ALL = {**TEACHERS, **diffusion.TEACHERS}
NEEDED: dict[str, dict[str, Any]] = {
    "magenta-multistyle": {"style": 3},
    "grade": {"name": "dusk"},
    "instruct-diffusion": {"model": "a/b", "prompt": "winter"},
    "null-text-inversion": {"prompt": "winter"},
    "sd-img2img": {"prompt": "winter", "steps": 1000, "strength": 1.0},  # steps × strength must be one at least
    **{id: {"prompt": "winter"} for id in ("instruct-pix2pix", "controlnet-normal")},
}
BOUNDED = [
    (id, option)
    for id, table in OPTIONS.items()
    for option in table
    if option.low is not None and id != "magenta-arbitrary"
]


def teacher_class(id: str) -> Any:
    module, _, name = ALL[id][0].args[0].partition(":")  # type: ignore[attr-defined]
    return getattr(importlib.import_module(module), name)


def test_every_teacher_registers_its_table() -> None:
    found = Registry.load().all("teacher")
    assert OPTIONS.keys() == ALL.keys()
    assert all(found[id].options == table for id, table in OPTIONS.items())
    assert all(option.help for table in OPTIONS.values() for option in table)


@pytest.mark.parametrize("id", OPTIONS)
def test_names_and_defaults_are_the_teachers(id: str) -> None:
    fields = {field.name: field for field in dataclasses.fields(teacher_class(id)) if field.init}
    table = {option.name: option for option in OPTIONS[id]}
    assert table.keys() == fields.keys()
    for name, option in table.items():
        if not option.required:
            assert option.default == fields[name].default, name
    assert table.get("name") is None or table["name"].choices == tuple(GRADES)


@pytest.mark.parametrize(("id", "option"), BOUNDED, ids=[f"{id}-{option.name}" for id, option in BOUNDED])
def test_ranges_are_the_teachers(id: str, option: Any) -> None:
    make = teacher_class(id)
    step = 1 if option.kind == "whole number" else 1e-6
    for bound, beyond in ((option.low, option.low - step), (option.high, option.high + step)):
        make(**{**NEEDED.get(id, {}), option.name: bound})
        with pytest.raises(TeacherError):
            make(**{**NEEDED.get(id, {}), option.name: beyond})
        with pytest.raises(TeacherError, match=f"the option '{option.name}' must be"):
            make_teacher(id, {**NEEDED.get(id, {}), option.name: beyond})


def test_a_missing_option_and_an_unknown_one_are_named_with_what_is_wanted() -> None:
    with pytest.raises(TeacherError, match="the teacher 'magenta-multistyle' needs the option 'style'") as error:
        make_teacher("magenta-multistyle", {})
    assert (
        error.value.hint
        == "style: a whole number from 0 to 25, which painted style; docs/teachers-styles.md shows them"
    )
    with pytest.raises(TeacherError, match="has no option 'stile'") as error:
        make_teacher("magenta-multistyle", {"stile": 3})
    assert error.value.hint == "did you mean 'style'?"
    with pytest.raises(TeacherError, match=r"must be one of autumn, black-and-white, .*, not 'autum'") as error:
        make_teacher("grade", {"name": "autum"})
    assert error.value.hint == "did you mean 'autumn'?"
