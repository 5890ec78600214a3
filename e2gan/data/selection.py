"""Choosing: which concepts a base is trained on, and which pairs a concept is trained on."""

from __future__ import annotations

import hashlib
import warnings
import zipfile
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

import numpy as np

from e2gan.data.pairs import Pair, open_made
from e2gan.errors import DataError, MissingExtraError
from e2gan.files import atomic_path, sha256_file
from e2gan.plugins import registry
from e2gan.progress import Progress
from e2gan.recipe import Selection

__all__ = [
    "choose_concepts",
    "embed_pictures",
    "embedder_version",
    "first_of_shuffle",
    "select_pairs",
    "similarity_clustering",
]

WHOLE = 10_000
"""Maximum pictures for plain K-means; with more, it uses batches of `BATCH` pictures (Sculley, 2010)."""

BATCH = 4096

OPEN = 64
"""Pictures open at once while they are embedded."""

KEPT = 1024
"""Embeddings in a file."""


def select_pairs(
    pairs: Sequence[Pair],
    selection: Selection,
    seed: int,
    *,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> list[Pair]:
    """The pairs a recipe trains on (paper section 4.3): all, or at most ``clusters`` of them, in their order.

    ``cache`` is the folder where embeddings of the photos are kept.

    Raises:
        DataError: a photo is unreadable.
        PluginError: there is no such embedder.
    """
    if selection.method == "all" or selection.clusters >= len(pairs):
        return list(pairs)
    if selection.method == "random":
        chosen = first_of_shuffle(len(pairs), selection.clusters, seed)
    else:
        embeddings = embed_pictures([pair.input for pair in pairs], selection.embedder, cache=cache, progress=progress)
        chosen = similarity_clustering(embeddings, selection.clusters, seed)
    return [pairs[int(i)] for i in chosen]


def embed_pictures(
    files: Sequence[Path], embedder: str, *, cache: Path | None = None, progress: Progress | None = None
) -> np.ndarray:
    """Embed picture files with a registered embedder: (N, D) float32.

    A few are open at a time.  With ``cache``, a folder, no picture is embedded twice: embeddings
    are cached by the pictures' digests and the embedder's version.

    Raises:
        DataError: there are no pictures, or one cannot be read.
        PluginError: there is no such embedder.
    """
    if not files:
        raise DataError("there are no pictures to choose from")
    embed = registry().get("embedder", embedder).factory()
    folder = cache and cache / hashlib.sha256(embedder_version(embedder).encode()).hexdigest()[:16]
    digests = [sha256_file(file) for file in files]
    by_digest = _read_embeddings(folder, set(digests)) if folder else {}
    todo = [(digest, file) for digest, file in dict(zip(digests, files)).items() if digest not in by_digest]
    for start in range(0, len(todo), KEPT):
        part = todo[start : start + KEPT]
        blocks = []
        for first in range(0, len(part), OPEN):
            blocks.append(embed([open_made(file) for _, file in part[first : first + OPEN]]))
            if progress is not None:
                progress.advance(min(start + first + OPEN, len(todo)), len(todo), {})
        embeddings = np.concatenate(blocks).astype(np.float32, copy=False)
        names = [digest for digest, _ in part]
        if folder:
            with atomic_path(folder / f"{names[0][:16]}-{len(names)}.npz") as temporary:
                np.savez(temporary, digests=names, embeddings=embeddings)
        by_digest.update(zip(names, embeddings))
    return np.stack([by_digest[digest] for digest in digests])


def embedder_version(embedder: str) -> str:
    """The embedder's id, the distribution it comes with, and its version: what its embeddings depend on."""
    return f"{embedder} of {registry().get('embedder', embedder).version}"


def _read_embeddings(folder: Path, digests: Set[str]) -> dict[str, np.ndarray]:
    """The cached embeddings of these pictures, by digest."""
    by_digest: dict[str, np.ndarray] = {}
    for file in sorted(folder.glob("*.npz")):
        try:
            with np.load(file, allow_pickle=False) as arrays:
                by_digest.update(
                    (d, row) for d, row in zip(arrays["digests"].tolist(), arrays["embeddings"]) if d in digests
                )
        except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile):
            continue  # damaged, so treat it as missing
    return by_digest


def similarity_clustering(embeddings: np.ndarray, k: int, seed: int = 0) -> np.ndarray:
    """Choose the K pictures that represent all N (paper section 4.3, where K is 400 of 800).

    Runs K-means with K clusters on ``embeddings`` (N, D); then every centre takes the picture nearest
    to it.  Returns K distinct indices into the N, in rising order, int64.  Raises DataError if there are
    fewer than K rows or a value is not finite.

    Above `WHOLE` pictures K-means runs in small batches: 100,000 of 1,280 numbers take a minute or two.
    """
    points = np.asarray(embeddings)
    if points.ndim != 2 or not np.isfinite(points).all():
        raise DataError("the embeddings to choose from must be N rows of finite numbers")
    _check(k, len(points))
    try:
        from scipy.optimize import linear_sum_assignment
        from sklearn.cluster import KMeans, MiniBatchKMeans
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.metrics import euclidean_distances
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise MissingExtraError("scikit-learn", "train") from error

    points = points.astype(np.float32).astype(np.float64)  # squares of any float32 fit
    if len(points) <= WHOLE:
        means = KMeans(n_clusters=k, n_init=4, random_state=seed)
    else:
        means = MiniBatchKMeans(n_clusters=k, n_init=1, batch_size=BATCH, random_state=seed)
    # Threads would add up the clusters in the order they finish, so that the last bits differ from run to run.
    with warnings.catch_warnings(), threadpool_limits(1, user_api="openmp"):
        # It appears if pictures repeat, so that K centres cannot all differ; the chosen pictures still do.
        warnings.simplefilter("ignore", ConvergenceWarning)
        centres = means.fit(points).cluster_centers_

    # No picture twice: if two centres are nearest to one picture, the assignment adds as little distance as possible.
    _, chosen = linear_sum_assignment(euclidean_distances(centres, points))
    return np.sort(chosen)


def first_of_shuffle(n: int, k: int, seed: int = 0) -> np.ndarray:
    """The baseline of similarity clustering (paper Fig. 7): the first K of a shuffle of N.

    Returns K distinct indices, rising, int64.  For one seed, a smaller K gives a subset.
    """
    _check(k, n)
    return np.sort(np.random.default_rng(seed).permutation(n)[:k])


def choose_concepts(embeddings: Mapping[str, np.ndarray], k: int, seed: int = 0) -> list[str]:
    """The K concepts, of all candidates, to train a base on (paper section 4.1).

    ``embeddings`` gives for each candidate's id the mean (D,) of its edited pictures' embeddings.
    K-means runs over these, and each cluster gives the candidate nearest its centre.  Returns ids in
    alphabetical order; the order of the mapping does not matter.
    """
    ids = sorted(embeddings)
    _check(k, len(ids))
    return [ids[i] for i in similarity_clustering(np.stack([embeddings[id] for id in ids]), k, seed)]


def _check(k: int, n: int) -> None:
    if not 1 <= k <= n:
        raise DataError(f"cannot choose {k} of {n}", hint="choose at least one, and at most as many as there are")
