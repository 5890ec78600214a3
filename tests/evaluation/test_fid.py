from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from e2gan.errors import DataError
from e2gan.evaluation.fid import fid, kid, kid_of_draws


def normal(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d))


def test_fid_of_numbers_is_the_distance_of_means_and_deviations() -> None:
    a, b = normal(50, 1), 3 * normal(80, 1, seed=1) + 2
    expected = (a.mean() - b.mean()) ** 2 + (a.std(ddof=1) - b.std(ddof=1)) ** 2
    assert fid(a, b) == pytest.approx(expected)


@pytest.mark.parametrize("n, d", [(10, 40), (40, 10), (20, 20)])
def test_fid_of_a_set_and_its_scaled_and_moved_copy(n: int, d: int) -> None:
    # Covariances C and 4C: the trace of C + 4C - 2·2C. Exact with fewer pictures than features, too.
    a = normal(n, d)
    assert fid(a, 2 * a - a.mean(axis=0) + 0.5) == pytest.approx(np.trace(np.cov(a.T)) + 0.25 * d)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of scipy, about clean-fid
def test_fid_is_clean_fids(cleanfid: Any) -> None:
    a, b = normal(200, 12), normal(150, 12, seed=1) @ normal(12, 12, seed=2) + 1
    assert fid(a, b) == pytest.approx(cleanfid.fid_from_feats(a, b), rel=1e-6)


def test_kid_is_clean_fids(cleanfid: Any) -> None:
    a, b = normal(60, 12), normal(60, 12, seed=1) + 0.5
    assert kid(a, b) == pytest.approx(cleanfid.kernel_distance(a, b, num_subsets=1))


def test_kid_of_one_distribution_is_0_on_average() -> None:
    values = [kid(normal(12, 4, seed=2 * i), normal(12, 4, seed=2 * i + 1)) for i in range(400)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))
    assert min(values) < 0  # unbiased, so not a distance


def test_kid_of_draws_is_the_kid_of_what_is_drawn() -> None:
    a, b = normal(9, 4), normal(9, 4, seed=1) + 0.5
    some = np.array([0, 2, 3, 7])
    every = np.arange(9)
    assert kid_of_draws(a, b, [some, every]) == pytest.approx([kid(a[some], b[some]), kid(a, b)])


def test_repeats_in_a_draw_do_not_pass_for_likeness() -> None:
    # Every picture twice says what every picture once says.
    a, b = normal(9, 4), normal(9, 4, seed=1) + 0.5
    twice = np.repeat(np.arange(9), 2)
    assert kid_of_draws(a, b, [twice]) == pytest.approx([kid(a, b)])
    assert kid(a[twice], b[twice]) > kid(a, b) + 0.1
    with pytest.raises(DataError, match="at least two pictures"):
        kid_of_draws(a, b, [np.array([3, 3, 3])])


features = arrays(np.float64, (6, 3), elements=st.floats(-1e3, 1e3, width=32))


@given(features, features)
def test_fid_is_a_distance(a: np.ndarray, b: np.ndarray) -> None:
    scale = 1 + float(np.abs(a).max() + np.abs(b).max()) ** 2
    assert fid(a, a) <= 1e-9 * scale
    assert 0 <= fid(a, b) == pytest.approx(fid(b, a), abs=1e-9 * scale)
    assert fid(a[::-1], b) == pytest.approx(fid(a, b), abs=1e-9 * scale)


@pytest.mark.parametrize("distance", [fid, kid])
@pytest.mark.parametrize(
    "a, b",
    [
        (np.ones((1, 3)), np.ones((5, 3))),
        (np.ones((5, 3)), np.ones((5, 4))),
        (np.ones(5), np.ones(5)),
        (np.full((5, 3), np.nan), np.ones((5, 3))),
    ],
)
def test_what_has_no_distance_is_an_error(distance: Any, a: np.ndarray, b: np.ndarray) -> None:
    with pytest.raises(DataError):
        distance(a, b)
