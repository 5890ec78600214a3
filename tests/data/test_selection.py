from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from e2gan.data import selection
from e2gan.data.pairs import Pair
from e2gan.data.selection import choose_concepts, embed_pictures, first_of_shuffle, select_pairs, similarity_clustering
from e2gan.errors import DataError
from e2gan.progress import Progress
from e2gan.recipe import Selection
from tests import throwaway


def blobs(centres: int, around: int, seed: int = 0) -> np.ndarray:
    """Each centre once, and `around` points scattered evenly about it, so that the centre is its cluster's mean."""
    random = np.random.default_rng(seed)
    middles = random.permutation(centres)[:, None] * 100.0 + np.zeros((1, 8))
    offsets = random.normal(size=(centres, around // 2, 8))
    return np.concatenate([middles[:, None], middles[:, None] + offsets, middles[:, None] - offsets], axis=1).reshape(
        -1, 8
    )


def test_one_of_each_cluster_and_the_nearest_its_centre() -> None:
    assert similarity_clustering(blobs(5, 6), 5).tolist() == [0, 7, 14, 21, 28]


def test_the_seed_decides() -> None:
    points = np.random.default_rng(1).normal(size=(60, 4))
    first = similarity_clustering(points, 9, seed=3)
    assert np.array_equal(first, similarity_clustering(points, 9, seed=3))
    assert not np.array_equal(first, similarity_clustering(points, 9, seed=4))


def test_all_of_them_when_as_many_are_asked_for() -> None:
    assert similarity_clustering(np.random.default_rng(2).normal(size=(12, 3)), 12).tolist() == list(range(12))


coordinates = st.floats(-(2.0**120), 2.0**120, width=32) | st.sampled_from([0.0, 1.0, 1e-40])


@given(st.data(), st.integers(1, 8), st.integers(1, 3))
def test_any_pictures_give_k_different_ones(data: st.DataObject, n: int, d: int) -> None:
    points = data.draw(arrays(np.float32, (n, d), elements=coordinates))
    k = data.draw(st.integers(1, n))
    chosen = similarity_clustering(points, k)
    assert chosen.tolist() == sorted({int(i) for i in chosen})
    assert len(chosen) == k
    assert 0 <= chosen[0] <= chosen[-1] < n


@pytest.mark.filterwarnings("error")
def test_repeated_pictures_are_chosen_without_a_warning() -> None:
    assert similarity_clustering(np.ones((6, 3)), 4).size == 4


@pytest.mark.parametrize(
    "points, k",
    [
        (np.ones((3, 2)), 4),
        (np.ones((3, 2)), 0),
        (np.ones(3), 1),
        (np.array([[1.0], [np.nan]]), 1),
        (np.array([[1.0], [np.inf]]), 1),
    ],
)
def test_what_cannot_be_chosen_from_is_an_error(points: np.ndarray, k: int) -> None:
    with pytest.raises(DataError):
        similarity_clustering(points, k)


def test_concepts_are_one_of_each_kind_whatever_their_order() -> None:
    kinds = {"sketch": 0.0, "pencil": 0.1, "charcoal": -0.1, "dusk": 9.0, "dark": 9.2, "night": 8.8}
    embeddings = {id: np.full(4, value) for id, value in kinds.items()}
    assert choose_concepts(embeddings, 2) == ["dusk", "sketch"]
    assert choose_concepts(dict(reversed(embeddings.items())), 2) == ["dusk", "sketch"]


def test_more_concepts_than_candidates_is_an_error() -> None:
    with pytest.raises(DataError, match="cannot choose 2 of 1"):
        choose_concepts({"only": np.zeros(3)}, 2)
    with pytest.raises(DataError, match="cannot choose 1 of 0"):
        choose_concepts({}, 1)


@given(st.integers(1, 50), st.data(), st.integers(0, 2**32 - 1))
def test_the_first_of_a_shuffle(n: int, data: st.DataObject, seed: int) -> None:
    k = data.draw(st.integers(1, n))
    some = first_of_shuffle(n, k, seed)
    assert some.tolist() == sorted(set(some.tolist()))
    assert set(some.tolist()) <= set(first_of_shuffle(n, n, seed).tolist()) == set(range(n))
    if k > 1:
        assert set(first_of_shuffle(n, k - 1, seed).tolist()) < set(some.tolist())


def test_a_shuffle_cannot_give_more_than_there_are() -> None:
    with pytest.raises(DataError):
        first_of_shuffle(3, 4)


# The pictures' embeddings


class Means:
    """An embedder: mean red, green and blue; counts what it is given at once."""

    calls: ClassVar[list[int]] = []

    def __call__(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        self.calls.append(len(pictures))
        return np.stack([np.asarray(picture, np.float32).mean(axis=(0, 1)) for picture in pictures])


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Seven pictures of one colour each, the last as the first; an embedder; two open at once, three in a file."""

    monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "")
    throwaway.offer(embedders={"means": Means})
    monkeypatch.setattr(selection, "OPEN", 2)
    monkeypatch.setattr(selection, "KEPT", 3)
    monkeypatch.setattr(Means, "calls", [])
    files = [tmp_path / f"{n}.png" for n in range(7)]
    for n, file in enumerate(files):
        Image.new("RGB", (4, 4), (10 * (n % 6), 0, n % 6)).save(file)
    return files


EXPECTED = [[10 * n, 0, n] for n in (0, 1, 2, 3, 4, 5, 0)]


def test_pictures_are_embedded_a_few_at_a_time_and_once(pictures: list[Path], tmp_path: Path) -> None:
    cache, said = tmp_path / "cache", []
    shown = Progress(advance=lambda done, total, metrics: said.append((done, total)))
    assert embed_pictures(pictures, "means", cache=cache, progress=shown).tolist() == EXPECTED
    assert Means.calls == [2, 1, 2, 1]
    assert said == [(2, 6), (4, 6), (5, 6), (6, 6)]
    assert embed_pictures(pictures[::-1], "means", cache=cache).tolist() == EXPECTED[::-1]
    assert len(Means.calls) == 4
    Image.new("RGB", (4, 4), (200, 0, 0)).save(pictures[1])
    assert embed_pictures(pictures, "means", cache=cache)[1].tolist() == [200, 0, 0]
    assert len(Means.calls) == 5


@pytest.mark.parametrize("damage", [lambda b: b"", lambda b: b[: len(b) // 2], lambda b: b"not an archive"])
def test_damaged_embeddings_are_made_again(pictures: list[Path], tmp_path: Path, damage: Callable) -> None:
    cache = tmp_path / "cache"
    embed_pictures(pictures, "means", cache=cache)
    first, _ = sorted(cache.rglob("*.npz"))
    first.write_bytes(damage(first.read_bytes()))
    assert embed_pictures(pictures, "means", cache=cache).tolist() == EXPECTED
    assert sum(Means.calls) == 9


def test_a_picture_that_cannot_be_read_is_named(pictures: list[Path]) -> None:
    pictures[2].write_text("no picture")
    with pytest.raises(DataError, match=r"2\.png: not a picture"):
        embed_pictures(pictures, "means")
    with pytest.raises(DataError, match="no pictures"):
        embed_pictures([], "means")


def test_pairs_are_selected(pictures: list[Path]) -> None:
    pairs = [Pair(file, file) for file in pictures]
    assert select_pairs(pairs, Selection("all"), 0) == pairs
    some = select_pairs(pairs, Selection("random", clusters=4), 0)
    assert len(some) == len(set(some)) == 4
    assert some == sorted(some, key=pairs.index)
    six = select_pairs(pairs, Selection("similarity-clustering", clusters=6, embedder="means"), 0)
    assert len({embed_pictures([pair.input], "means").tobytes() for pair in six}) == 6
    for method in ("random", "similarity-clustering"):
        assert select_pairs(pairs, Selection(method, clusters=11, embedder="means"), 0) == pairs


def test_many_pictures_are_clustered_in_small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "WHOLE", 30)
    points = blobs(5, 6)
    chosen = similarity_clustering(points, 5)
    assert [int(points[i, 0] + 50) // 100 for i in chosen] == [int(points[i, 0]) // 100 for i in (0, 7, 14, 21, 28)]
    assert np.array_equal(chosen, similarity_clustering(points, 5))
