"""How concepts are named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from e2gan import blend
from e2gan.base import Base, find_base
from e2gan.blend import find_concept, on_one_base, resolve
from e2gan.concept import Concept
from e2gan.editor import Editor
from e2gan.errors import BaseModelError, ConceptError, E2GANError
from e2gan.installing import install_command
from e2gan.plugins import Registry, hookspecs, use_registry
from tests.editor.tiny import photo, write_tiny_concept


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch, dusk: Concept, dawn: Concept) -> None:
    class Plugin:
        @hookspecs.hookimpl
        def register_concepts(self, register):
            register(dusk.path)
            register(dawn.path)

    monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "")
    loaded = Registry.load([Plugin()])
    use_registry(lambda: loaded)


def ids(concepts: blend.Concepts) -> list[tuple[str, float]]:
    return [(part.concept.id, part.weight) for part in resolve(concepts)]


def test_every_way_to_name_one(dusk: Concept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(dusk.path.parent)
    for name in ("dusk", dusk, dusk.path, str(dusk.path), "./dusk", Path("dusk"), "./dusk/"):
        assert ids(name) == [("dusk", 1.0)]
    monkeypatch.chdir(dusk.path)
    assert ids(".") == [("dusk", 1.0)]
    monkeypatch.setenv("HOME", str(dusk.path.parent))
    assert ids("~/dusk") == [("dusk", 1.0)]


def test_every_way_to_blend(dusk: Concept, dawn: Concept) -> None:
    blended = [("dusk", 0.6), ("dawn", 0.4)]
    assert ids("dusk=0.6,dawn=0.4") == blended
    assert ids(" dusk = 0.6 , dawn=.4") == blended
    assert ids({"dusk": 0.6, dawn: 0.4}) == blended
    assert ids({dusk.path: 0.6, "dawn": "0.4"}) == blended
    assert ids(f"{dusk.path}=0.6,dawn=0.4") == blended
    assert ids("dusk=0.3,dawn=0.2") == [("dusk", 0.6), ("dawn", 0.4)]
    assert ids("dusk,dawn") == ids(" dusk , dawn") == [("dusk", 0.5), ("dawn", 0.5)]
    assert ids(f"{dusk.path},dawn") == [("dusk", 0.5), ("dawn", 0.5)]
    assert ids("dusk=0.3") == ids({"dusk": 0.3}) == [("dusk", 1.0)]
    assert ids("dusk=1,dawn=0") == [("dusk", 1.0)]


@pytest.mark.parametrize(
    ("concepts", "message"),
    [
        ("dusk+winter", "no concept 'dusk+winter'"),
        ("dusk=x", "the weight of 'dusk' must be a number from 0 to 1, not 'x'"),
        ("dusk=-1", "the weight of 'dusk' must be a number from 0 to 1, not '-1'"),
        ("dusk=nan", "the weight of 'dusk' must be a number from 0 to 1, not 'nan'"),
        ({"dusk": float("inf")}, "the weight of 'dusk' must be a number from 0 to 1, not inf"),
        ("dusk=2", "the weight of 'dusk' must be a number from 0 to 1, not '2'"),
        ("dusk,", "item 2 of the blend 'dusk,' is empty"),
        (",dusk", "item 1 of the blend ',dusk' is empty"),
        (",", "item 1 of the blend ',' is empty"),
        ("dusk, ,dawn", "item 2 of the blend 'dusk, ,dawn' is empty"),
        ("dusk=", "'dusk=' in the blend is not CONCEPT=WEIGHT: it has no weight"),
        (" = ", "'=' in the blend is not CONCEPT=WEIGHT: it names no concept"),
        ({"dusk": None}, "the weight of 'dusk' must be a number from 0 to 1, not None"),
        ("dusk=1,dawn", "'dawn' in the blend is not CONCEPT=WEIGHT: it has no weight"),
        ("=1", "'=1' in the blend is not CONCEPT=WEIGHT: it names no concept"),
        ("dusk=1,,dawn=1", "item 2 of the blend 'dusk=1,,dawn=1' is empty"),
        ("dusk=1,dusk=1", "the concept 'dusk' appears twice in the blend"),
        ("dusk=0", "a blend needs a concept with a weight above 0"),
        ({}, "a blend needs a concept with a weight above 0"),
        ("dusk=1,noon=1", "no concept 'noon'"),
        ("hub:someone/dusk@main", "'hub:someone/dusk@main': concepts on the Hub need the package 'e2gan-hub'"),
        ("", "no concept ''"),
    ],
)
def test_what_is_no_concept(concepts: blend.Concepts, message: str) -> None:
    with pytest.raises(ConceptError) as caught:
        resolve(concepts)
    assert str(caught.value) == message


def test_one_concept_under_two_names(dusk: Concept) -> None:
    with pytest.raises(ConceptError, match="'dusk' appears twice"):
        resolve({"dusk": 0.5, dusk: 0.5})


def test_hints(dusk: Concept, base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hint(name: str) -> str | None:
        with pytest.raises(ConceptError) as caught:
            find_concept(name)
        return caught.value.hint

    assert hint("duks") == "did you mean 'dusk'?"
    assert hint("DUSK") == "did you mean 'dusk'?"
    assert hint("hub:someone/dusk") == install_command("e2gan-hub")
    monkeypatch.chdir(tmp_path)
    write_tiny_concept(tmp_path / "mine", base)
    assert hint("mine") == "to use the folder of that name, write ./mine"
    write_tiny_concept(tmp_path / "crayon/e2gan_concept_crayon/bundle", base)
    assert hint("crayon") == "to use the folder of that name, write ./crayon"
    assert hint("./nowhere") == "give a folder with a concept.toml"


@given(st.text(max_size=40) | st.dictionaries(st.text(max_size=5), st.floats() | st.text(max_size=3), max_size=3))
def test_any_text_is_a_concept_or_one_error(text: str) -> None:
    try:
        resolve(text)
    except E2GANError as error:
        assert str(error)


def test_a_path_may_hold_an_equals_sign(base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_tiny_concept(tmp_path / "lr=0.1" / "crayon", base)
    write_tiny_concept(tmp_path / "b", base)
    (tmp_path / "b").rename("b=0.5")
    assert ids("./lr=0.1/crayon") == [("crayon", 1.0)]
    assert ids("./lr=0.1/crayon=0.5,dusk=0.5") == [("crayon", 0.5), ("dusk", 0.5)]
    assert len(ids("./b=0.5")) == 1
    with pytest.raises(ConceptError, match=r"lr=0\.1/chalk"):
        resolve("./lr=0.1/chalk")


class TestSeveralBases:
    """One package, one id, a bundle for each base."""

    @pytest.fixture(autouse=True)
    def both(self, two_bases: tuple[Base, Base], tmp_path: Path) -> tuple[Concept, Concept]:
        made = [write_tiny_concept(tmp_path / base.id / "noon", base, seed=3) for base in two_bases]

        class Plugin:
            @hookspecs.hookimpl
            def register_concepts(self, register):
                for concept in made:
                    register(concept.path)

        loaded = Registry.load([Plugin()])
        use_registry(lambda: loaded)
        return made[0], made[1]

    def test_the_environment_chooses(self, both: tuple[Concept, Concept], monkeypatch: pytest.MonkeyPatch) -> None:
        assert find_concept("noon").path == both[0].path
        assert find_concept("noon", "lite").path == both[1].path
        monkeypatch.setenv("E2GAN_BASE", "lite")
        assert find_concept("noon").path == both[1].path
        assert find_base().id == "lite"
        assert find_base("tiny").id == "tiny"
        assert find_concept("noon", "tiny").path == both[0].path
        monkeypatch.setenv("E2GAN_BASE", "none")
        assert find_concept("noon").path == both[0].path
        with pytest.raises(BaseModelError, match=r"^E2GAN_BASE: no base 'none'"):
            find_base()

    def test_the_editor_takes_the_one_for_its_base(
        self, two_bases: tuple[Base, Base], both: tuple[Concept, Concept]
    ) -> None:
        picture = Image.fromarray(photo())
        for base, concept in zip(two_bases, both, strict=True):
            editor = Editor(base, device="cpu")
            expected = editor.apply(picture, concept)
            for name in ("noon", find_concept("noon"), resolve("noon"), {"noon": 1.0}):
                edit = editor.apply(picture, name)
                assert edit.tobytes() == expected.tobytes()
                assert json.loads(edit.info["e2gan"])["base"]["id"] == base.id

    def test_what_is_done_with_several_has_one_base(self, two_bases: tuple[Base, Base]) -> None:
        chosen, base = on_one_base(["noon"])
        assert (chosen[0].base_id, base.id) == ("tiny", "tiny")
        chosen, base = on_one_base(["noon", "noon"], two_bases[1].path)
        assert ([concept.base_id for concept in chosen], base.id) == (["lite", "lite"], "lite")
