"""The teachers of a recipe, one or several; what it rejects, and how the best edit is told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2gan.errors import E2GANError, RecipeError
from e2gan.recipe import BestOf, Recipe, Rejection, TeacherChoice

plain = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
ids = st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True)
options = st.dictionaries(st.text(max_size=8), plain, max_size=3)
anything = st.none() | plain | st.floats() | st.dates()


def read(**recipe: Any) -> Recipe:
    return Recipe.from_dict(recipe, "here")


def test_one_teacher() -> None:
    recipe = read(teacher="grade", teacher_options={"name": "dusk"})
    assert recipe.teachers == (TeacherChoice("grade", {"name": "dusk"}),)
    assert (recipe.rejection, recipe.best_of) == (None, BestOf())


@given(st.lists(st.tuples(ids, options), min_size=1, max_size=5))
def test_several_teachers_are_read_in_their_order(entries: list[tuple[str, dict[str, Any]]]) -> None:
    given_twice = any(entry in entries[:place] for place, entry in enumerate(entries))
    tables = [{"id": id, "options": some} for id, some in entries]
    if given_twice:
        with pytest.raises(RecipeError, match="listed twice"):
            read(teachers=tables)
    else:
        assert read(teachers=tables).teachers == tuple(TeacherChoice(*entry) for entry in entries)


@pytest.mark.parametrize(
    ("data", "match", "hint"),
    [
        ({}, r"here: \[recipe\]: teacher is missing", None),
        (
            {"teacher": "a", "teachers": [{"id": "b"}]},
            r"teacher cannot be combined with \[\[teachers\]\]",
            "move it into",
        ),
        (
            {"teacher_options": {}, "teachers": [{"id": "b"}]},
            r"teacher_options cannot be combined with",
            "move it into",
        ),
        ({"teachers": []}, r"teachers must be an array of tables", None),
        ({"teachers": {"id": "b"}}, r"teachers must be an array of tables", None),
        ({"teachers": ["b"]}, r"teachers must be an array of tables", None),
        ({"teachers": [{"id": "b"}, {"ID": "c"}]}, r"\[\[teachers\]\] number 2: id is missing", None),
        ({"teachers": [{"id": "../b"}]}, r"\[\[teachers\]\] number 1: id must be", None),
        ({"teachers": [{"id": "b", "option": {}}]}, "unknown key 'option'", "did you mean 'options'?"),
        ({"teachers": [{"id": "b", "options": 3}]}, "options must be a table", None),
        ({"teachers": [{"id": "b"}, {"id": "b"}]}, "number 2: the teacher 'b' is listed twice", None),
        (
            {"teachers": [{"id": "b", "options": {"x": float("nan")}}]},
            r"\]\] number 1: \[options\]: numbers must",
            None,
        ),
        ({"techers": [{"id": "b"}]}, "teacher is missing", "techers"),
        (
            {"teacher": "a", "rejection": {"chnge": 1}},
            r"\[recipe\.rejection\]: unknown key",
            "did you mean 'change'?",
        ),
        ({"teacher": "a", "rejection": True}, "rejection must be a table", None),
        ({"teacher": "a", "rejection": {"structure": 1.5}}, "structure must be a number from 0 to 1", None),
        ({"teacher": "a", "best_of": {"clp": ""}}, r"\[recipe\.best_of\]: unknown key 'clp'", "did you mean 'clip'?"),
        ({"teacher": "a", "best_of": {"embedder": "A B"}}, r"\[recipe\.best_of\]: embedder must be", None),
    ],
)
def test_faults_name_the_table_and_the_key(data: dict[str, Any], match: str, hint: str | None) -> None:
    with pytest.raises(RecipeError, match=match) as caught:
        read(**data)
    assert str(caught.value).startswith("here: [recipe")
    if hint:
        assert hint in str(caught.value.hint)


def test_rejection_is_asked_for_by_its_table() -> None:
    assert read(teacher="a").rejection is None
    assert read(teacher="a", rejection={}).rejection == Rejection()
    limits = read(teacher="a", rejection={"change": 0.1, "structure": 0}).rejection
    assert limits == Rejection(change=0.1, structure=0)


def test_another_clip_is_not_at_the_default_ones_commit() -> None:
    assert read(teacher="a", best_of={}).best_of.revision == BestOf.revision
    assert read(teacher="a", best_of={"clip": "me/mine"}).best_of == BestOf("me/mine", "main")


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "teacher": anything,
            "teacher_options": anything,
            "teachers": st.lists(st.dictionaries(st.sampled_from(["id", "options", "x"]), anything | ids)) | anything,
            "rejection": st.dictionaries(st.sampled_from(["change", "contrast", "structure", "x"]), anything),
            "best_of": st.dictionaries(st.sampled_from(["clip", "revision", "embedder", "x"]), anything),
        },
    )
)
def test_any_table_is_a_recipe_or_one_error(data: dict[str, Any]) -> None:
    try:
        recipe = read(**data)
    except E2GANError as error:
        assert str(error).startswith("here: [recipe")
    else:
        assert recipe.teachers
        assert all(isinstance(teacher, TeacherChoice) for teacher in recipe.teachers)


def test_teachers_are_told_apart_by_their_options() -> None:
    assert str(TeacherChoice("grade")) == "grade"
    assert str(TeacherChoice("magenta-multistyle", {"style": 4, "x": "y"})) == "magenta-multistyle (style = 4, x = y)"
