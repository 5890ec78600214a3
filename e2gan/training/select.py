"""Choosing: which concepts a base is trained on, and which pairs a concept is trained on."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np

from e2gan.errors import DataError, MissingExtraError

__all__ = ["choose_concepts", "first_of_shuffle", "similarity_clustering"]


def similarity_clustering(embeddings: np.ndarray, k: int, seed: int = 0) -> np.ndarray:
    """Of N pictures, the K that stand for all (paper section 4.3, where K is 400 of 800).

    K-means with K clusters on ``embeddings`` (N, D); then every centre takes the picture nearest
    to it.  Returns K distinct indices into the N, rising, int64.  Raises DataError when there are
    fewer than K rows or a value is not finite.
    """
    points = np.asarray(embeddings, dtype=np.float32)
    if points.ndim != 2 or not np.isfinite(points).all():
        raise DataError("the embeddings to choose from must be N rows of finite numbers")
    _check(k, len(points))
    try:
        from scipy.spatial.distance import cdist
        from sklearn.cluster import KMeans
        from sklearn.exceptions import ConvergenceWarning
    except ImportError as error:
        raise MissingExtraError("scikit-learn", "train") from error

    points = points.astype(np.float64)  # squares of any float32 fit
    with warnings.catch_warnings():
        # Said where pictures repeat, so that K centres cannot all differ; the pictures taken still do.
        warnings.simplefilter("ignore", ConvergenceWarning)
        centres = KMeans(n_clusters=k, n_init=4, random_state=seed).fit(points).cluster_centers_

    # The closest couples first, and no picture twice: two centres may want the same one.
    distances = cdist(centres, points)
    chosen = []
    for _ in range(k):
        centre, picture = np.unravel_index(np.argmin(distances), distances.shape)
        chosen.append(picture)
        distances[centre] = np.inf
        distances[:, picture] = np.inf
    return np.sort(chosen)


def first_of_shuffle(n: int, k: int, seed: int = 0) -> np.ndarray:
    """What similarity clustering is compared with (paper Fig. 7): the first K of a shuffle of N.

    Returns K distinct indices, rising, int64.  For one seed, a smaller K gives a subset.
    """
    _check(k, n)
    return np.sort(np.random.default_rng(seed).permutation(n)[:k])


def choose_concepts(embeddings: Mapping[str, np.ndarray], k: int, seed: int = 0) -> list[str]:
    """The K concepts, of all candidates, to train a base on (paper section 4.1).

    ``embeddings`` gives for each candidate's id the mean (D,) of its edited pictures' embeddings.
    K-means over these, and from each cluster the candidate nearest its centre.  Returns ids in
    alphabetical order; the order of the mapping does not matter.
    """
    ids = sorted(embeddings)
    _check(k, len(ids))
    return [ids[i] for i in similarity_clustering(np.stack([embeddings[id] for id in ids]), k, seed)]


def _check(k: int, n: int) -> None:
    if not 1 <= k <= n:
        raise DataError(f"cannot choose {k} of {n}", hint="choose at least one, and at most as many as there are")
