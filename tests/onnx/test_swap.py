"""The base once, and concepts as parts behind it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import onnx
import pytest

from e2gan.base import Base
from e2gan.concept import Concept
from e2gan.editor import Editor
from e2gan.errors import ConceptError, E2GANError
from e2gan.models.layout import Ranks
from e2gan_onnx import swap
from e2gan_onnx.check import compare, run
from e2gan_onnx.swap import concept_part, export_swappable
from tests.editor.tiny import write_tiny_base, write_tiny_concept
from tests.onnx.conftest import pictures


def test_any_part_behind_the_base_is_the_editor(swappable: Path, concepts: dict[str, Concept], editor: Editor) -> None:
    whole = (swappable / "base.part").read_bytes()
    for name, concept in concepts.items():
        edit = run(whole + (swappable / f"{name}.part").read_bytes())
        for width, height, count in ((64, 48, 2), (40, 72, 1)):
            assert compare(edit, concept, editor, pictures(width, height, count)).worst <= 1


def test_a_concept_of_other_ranks_goes_behind_the_same_base(
    swappable: Path, base: Base, editor: Editor, tmp_path: Path
) -> None:
    concept = write_tiny_concept(tmp_path / "rich", base, seed=9, tokens=7, ranks=Ranks((2, 3, 5, 4), 3))
    edit = run((swappable / "base.part").read_bytes() + concept_part(concept, base, noise=False))
    assert compare(edit, concept, editor, pictures(64, 48)).worst <= 1


def test_the_parts_together_are_a_described_model(swappable: Path) -> None:
    model = onnx.ModelProto()
    model.ParseFromString((swappable / "base.part").read_bytes() + (swappable / "glow.part").read_bytes())
    onnx.checker.check_model(model)
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert len(facts) == len(model.metadata_props)
    assert (facts["e2gan.id"], facts["e2gan.base"], facts["e2gan.stride"]) == ("glow", "tiny", "8")
    assert [value.name for value in model.graph.input] == ["photo"]


def test_the_base_alone_is_no_model(swappable: Path) -> None:
    with pytest.raises(E2GANError, match="cannot load the model"):
        run((swappable / "base.part").read_bytes())


def test_the_list_names_what_there_is(swappable: Path, base: Base, concepts: dict[str, Concept]) -> None:
    index = json.loads((swappable / "concepts.json").read_text(encoding="utf-8"))
    assert index["base"]["sha256"] == base.sha256 and index["stride"] == 8
    assert [entry["id"] for entry in index["concepts"]] == list(concepts)
    for entry in (index["base"], *index["concepts"]):
        assert (swappable / entry["file"]).stat().st_size == entry["bytes"]
    assert index["concepts"][1]["title"] == "Winter" and index["concepts"][1]["preview"] is None


def test_the_bases_weights_are_stored_in_half_precision(swappable: Path) -> None:
    """Which loses nothing: the first test compares the pictures."""
    model = onnx.ModelProto.FromString((swappable / "base.part").read_bytes())
    large = [tensor for tensor in model.graph.initializer if math.prod(tensor.dims) > 1024]
    assert large and all(tensor.data_type == onnx.TensorProto.FLOAT16 for tensor in large)


# What goes wrong


@pytest.fixture
def traced(swappable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The base's part is at hand, for tests of what happens around it."""
    monkeypatch.setattr(swap, "base_part", lambda *_, **__: (swappable / "base.part").read_bytes())


@pytest.mark.usefixtures("traced")
def test_a_folder_with_something_else_is_left_alone(base: Base, concepts: dict[str, Concept], tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(E2GANError, match=r"holds thesis\.txt, which is not a file of an export"):
        export_swappable([concepts["paint"]], base, tmp_path, opset=18)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.usefixtures("traced")
def test_an_earlier_export_is_replaced(base: Base, concepts: dict[str, Concept], tmp_path: Path) -> None:
    for name in ("paint", "glow"):
        export_swappable([concepts[name]], base, tmp_path / "models", opset=18)
    assert {file.name for file in (tmp_path / "models").iterdir()} == {"base.part", "glow.part", "concepts.json"}


@pytest.mark.usefixtures("traced")
def test_a_concept_for_another_base_leaves_nothing_behind(
    base: Base, concepts: dict[str, Concept], tmp_path: Path
) -> None:
    other = write_tiny_base(tmp_path / "other")
    object.__setattr__(other, "sha256", "0" * 64)
    foreign = write_tiny_concept(tmp_path / "foreign", other)
    with pytest.raises(ConceptError, match="made for the base"):
        export_swappable([concepts["paint"], foreign], base, tmp_path / "models", opset=18)
    assert {file.name for file in tmp_path.iterdir()} == {"other", "foreign"}


@pytest.mark.usefixtures("traced")
def test_a_part_that_is_not_near_enough_leaves_nothing_behind(
    base: Base, concepts: dict[str, Concept], editor: Editor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = concept_part(concepts["glow"], base, noise=False)
    monkeypatch.setattr(swap, "concept_part", lambda *_, **__: wrong)
    with pytest.raises(E2GANError, match=r"paint: the fp32 model reaches .* dB"):
        export_swappable([concepts["paint"]], base, tmp_path / "models", opset=18, editor=editor)
    assert not any(tmp_path.iterdir())
