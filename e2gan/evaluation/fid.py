"""Distances between two sets of features: FID and KID.

The features come from an embedder (`e2gan.embedders`).  With the same features these
functions give what clean-FID gives; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from e2gan.errors import DataError

__all__ = ["fid", "kid", "kid_of_draws"]


def fid(a: np.ndarray, b: np.ndarray) -> float:
    """Fréchet distance of the Gaussians fitted to two sets of features (Heusel et al., 2017); 0 or more.

    ``a`` is (N, D) and ``b`` (M, D).  Fewer pictures than features fit a Gaussian that is flat in most
    directions, and the fewer there are, the larger the distance: compare only distances between sets
    of the same sizes.

    Raises:
        DataError: fewer than two rows, different widths, or a value that is not finite.
    """
    a, b = _checked(a, b)
    difference = a.mean(axis=0) - b.mean(axis=0)
    x, y = _factor(a), _factor(b)
    # With covariances XᵀX and YᵀY, the trace of their product's square root is the sum of the singular
    # values of XYᵀ: exact where the covariances are singular, and N × M instead of D × D.
    shared = np.linalg.svd(x @ y.T, compute_uv=False).sum()
    return max(0.0, float(difference @ difference + (x * x).sum() + (y * y).sum() - 2 * shared))


def kid(a: np.ndarray, b: np.ndarray) -> float:
    """Squared maximum mean discrepancy with the kernel (x·y / D + 1)³ (Bińkowski et al., 2018).

    It is unbiased for any number of pictures, so it can fall below 0 if two sets are alike.
    ``a`` is (N, D) and ``b`` (M, D); all of both are used, where the paper averages over subsets.

    Raises:
        DataError: as `fid`.
    """
    a, b = _checked(a, b)
    return _discrepancy(_kernel(a, a), _kernel(b, b), _kernel(a, b), np.ones(len(a)), np.ones(len(b)))


def kid_of_draws(a: np.ndarray, b: np.ndarray, draws: Sequence[np.ndarray]) -> list[float]:
    """`kid` of ``a[i]`` and ``b[i]`` for each of several lists of indices i, which may repeat.

    A picture drawn twice is not compared with itself, so repeats do not count as likeness.

    Raises:
        DataError: as `fid`, or a draw has fewer than two different pictures.
    """
    a, b = _checked(a, b)
    within_a, within_b, between = _kernel(a, a), _kernel(b, b), _kernel(a, b)
    values = []
    for draw in draws:
        if len(set(draw)) < 2:
            raise DataError("a distance between sets needs at least two pictures in each")
        counts = np.bincount(draw, minlength=len(a)).astype(np.float64)
        values.append(_discrepancy(within_a, within_b, between, counts, counts))
    return values


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    products: np.ndarray = x @ y.T / x.shape[1] + 1
    return products**3


def _discrepancy(
    within_a: np.ndarray, within_b: np.ndarray, between: np.ndarray, counts_a: np.ndarray, counts_b: np.ndarray
) -> float:
    """Squared discrepancy from the three kernel matrices, with each picture counted as often as the counts say."""

    def within(similarities: np.ndarray, counts: np.ndarray) -> float:
        alone = counts @ (counts * similarities.diagonal())
        return float((counts @ similarities @ counts - alone) / (counts.sum() ** 2 - counts @ counts))

    mixed = float(counts_a @ between @ counts_b / (counts_a.sum() * counts_b.sum()))
    return within(within_a, counts_a) + within(within_b, counts_b) - 2 * mixed


def _checked(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise DataError("two sets of features must have the same width")
    if len(a) < 2 or len(b) < 2:
        raise DataError("a distance between sets needs at least two pictures in each")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise DataError("the features hold a value that is not finite")
    return a, b


def _factor(features: np.ndarray) -> np.ndarray:
    """X of at most D rows such that XᵀX is the covariance of ``features``."""
    x: np.ndarray = (features - features.mean(axis=0)) / np.sqrt(len(features) - 1)
    return np.asarray(np.linalg.qr(x, mode="r")) if x.shape[0] > x.shape[1] else x
