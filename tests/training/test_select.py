from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from e2gan.errors import DataError
from e2gan.training.select import choose_concepts, first_of_shuffle, similarity_clustering


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
