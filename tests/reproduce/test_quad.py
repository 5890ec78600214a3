"""One graph or a graph for each concept: both are made, are what they say, and are compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from e2gan.base import Base
from e2gan.concept import Adapter, Concept
from e2gan.errors import E2GANError
from e2gan_reproduce import quad
from e2gan_reproduce.catalogue import BY_ID
from e2gan_reproduce.run import run
from e2gan_reproduce.table import orderings, read
from tests.editor.tiny import photo, write_tiny_concept


@pytest.fixture(scope="module")
def concepts(tmp_path_factory: pytest.TempPathFactory, new_base: Base) -> list[Concept]:
    folder = tmp_path_factory.mktemp("concepts")
    return [write_tiny_concept(folder / str(seed), new_base, seed=seed) for seed in (1, 2)]


@pytest.fixture(scope="module")
def adapters(concepts: list[Concept], new_base: Base) -> list[Adapter]:
    return [concept.load(new_base) for concept in concepts]


@pytest.mark.parametrize("name", quad.WAYS)
def test_each_way_edits_with_each_concept(
    name: str, new_base: Base, adapters: list[Adapter], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    way, exact = quad.WAYS[name](new_base), quad.onnx_one(new_base)
    for adapter in adapters:
        way.add(adapter)
        exact.add(adapter)
    picture = quad._photos()[0][..., :64, :96]
    edits = []
    for number, adapter in enumerate(adapters):
        way.use(number)
        exact.use(number)
        inputs = quad._inputs(new_base, picture, adapter)
        edits.append(way.edit(inputs))
        likeness = quad._decibels(edits[-1], exact.edit(inputs))
        assert likeness == 100 if "float32" in name else 25 < likeness < 70
    assert quad._decibels(*edits) < 25, "another concept, another picture"
    base_size = new_base.generator_path.stat().st_size
    assert way.on_disk() > base_size * (1 if "one graph" in name else 0.5)


def test_the_table(new_base: Base, concepts: list[Concept], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, where the tests' registry is: memory is another process's matter."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(quad, "COUNTS", (1, 10))

    def here(function: Any, items: Sequence[Any], workers: int, begin: Any) -> Iterator[Any]:
        assert workers == 1
        yield from map(function, items)

    monkeypatch.setattr(quad, "in_workers", here)
    (tmp_path / "photos").mkdir()
    Image.fromarray(photo(64, 64)).save(tmp_path / "photos/a.png")
    table, path = run(
        BY_ID["quad"],
        tmp_path / "photos",
        tmp_path / "results",
        base=str(new_base.path),
        concepts=[str(concept.path) for concept in concepts],
        work=tmp_path / "runs",
        device="cpu",
    )
    assert read(path) == table
    assert [row.name for row in table.rows] == list(quad.WAYS)
    for row in table.rows:
        assert row.ours[f"1: {quad.EDIT}"] > 0 and row.ours[f"10: {quad.DISK}"] > 0
    compared = orderings(table)
    assert {claim.column for claim in compared} == set(quad.COMPARED)


def test_without_the_runtimes_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "e2gan_openvino", None)
    with pytest.raises(E2GANError, match="this table needs e2gan_openvino") as caught:
        quad._require()
    assert caught.value.hint is not None and "quad" in caught.value.hint
