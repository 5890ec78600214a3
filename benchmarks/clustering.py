"""Similarity clustering of many pictures: 400 of 100,000, in a process of its own on two cores."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.measuring import Figure, parser, report, script
from benchmarks.startup import CORES, run

CODE = """
import sys, time
import numpy as np
from e2gan.data.selection import similarity_clustering

pictures, dimensions, clusters = map(int, sys.argv[1:])
random = np.random.default_rng(0)
# Like a network's features: groups of few true dimensions, and many numbers, all of them non-negative.
kinds = 2 * random.standard_normal((300, 40), np.float32)
hidden = random.standard_normal((pictures, 40), np.float32) + kinds[random.integers(300, size=pictures)]
points = hidden @ random.standard_normal((40, dimensions), np.float32)
np.maximum(points, 0, out=points)
start = time.perf_counter()
chosen = similarity_clustering(points, clusters)
print(time.perf_counter() - start, len(set(chosen.tolist())))
"""


def measure(pictures: int = 100_000, dimensions: int = 1280, clusters: int = 400) -> list[Figure]:
    """Seconds for choosing ``clusters`` of ``pictures`` embeddings, and the memory of the whole process."""
    ran = run(["-c", CODE, str(pictures), str(dimensions), str(clusters)])
    seconds, chosen = ran.output.split()
    name = f"{clusters} of {pictures:,} pictures of {dimensions:,} numbers, {CORES} cores"
    return [
        Figure(name, float(seconds), "s", at_most=120),
        Figure(f"{name}, peak memory", ran.peak / 1e9, "GB", at_most=4),
        Figure("different pictures chosen", float(chosen), at_least=clusters),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser(__doc__).parse_args(arguments)
    report({"clustering": measure()}, options.output)


if __name__ == "__main__":
    script(main)
