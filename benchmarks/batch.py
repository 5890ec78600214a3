"""A folder of a phone's photos in one process, against one process for each photo.

    python -m benchmarks.batch
    python -m benchmarks.batch --photos 4 --apart 2 --megapixels 1 --size 256

The second line is short.  The photos are enlarged samples with grain, as hard to decode and encode as a phone's.  The
folder's time includes the program's start; that of single processes is the mean of ``--apart`` of them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from benchmarks.measuring import Figure, parser, report, script
from benchmarks.opening import large_photo
from e2gan.errors import E2GANError

__all__ = ["measure"]

PROGRAM = "from e2gan.cli import main; main()"

DIFFERENT = 8
"""Photos that differ; the others are copies of them."""

FASTER = 3.0


def _write_photos(folder: Path, count: int, megapixels: float) -> list[Path]:
    photo = large_photo(round(megapixels * 1e6))
    paths = [folder / f"{number:03}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        if number < DIFFERENT:
            photo.rotate(90 * (number % 4), expand=True).save(path, quality=92)
        else:
            shutil.copy(paths[number % DIFFERENT], path)
    return paths


def _run(*words: str) -> tuple[float, float]:
    """Seconds, and the most memory in GB, of ``e2gan apply``."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, "apply", *words, "-q"])
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise E2GANError(f"e2gan apply {' '.join(words)} failed")
    return time.perf_counter() - start, used.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9


def measure(
    photos: int = 200, apart: int = 10, megapixels: float = 12, size: int | None = None, concept: str = "vangogh"
) -> list[Figure]:
    """The figures.

    photos: in the folder.  apart: how many of them are edited in processes of their own.  size: longer side to edit at.
    """
    options = ["--size", str(size)] if size else []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "photos")
        folder.mkdir()
        paths = _write_photos(folder, photos, megapixels)
        alone = [_run(concept, str(path), "-o", f"{place}/alone.jpg", *options) for path in paths[:apart]]
        seconds, memory = _run(concept, str(folder), "-o", f"{place}/out", *options)
        if len(os.listdir(f"{place}/out")) != photos:
            raise E2GANError("an edit is missing")
    each = mean(seconds for seconds, _ in alone)
    return [
        Figure(f"{photos} photos in one process", photos / seconds, "photos/s"),
        Figure("a process for each photo", 1 / each, "photos/s"),
        Figure("one process against many", each * photos / seconds, "times", at_least=FASTER),
        Figure("memory of one process, at most", memory, "GB"),
        Figure("memory of one photo's process, at most", max(memory for _, memory in alone), "GB"),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    command = parser(__doc__)
    command.add_argument("--photos", type=int, default=200)
    command.add_argument("--apart", type=int, default=10)
    command.add_argument("--megapixels", type=float, default=12)
    command.add_argument("--size", type=int, default=None)
    command.add_argument("--concept", default="vangogh")
    options = command.parse_args(arguments)
    figures = measure(options.photos, options.apart, options.megapixels, options.size, options.concept)
    report({f"{options.megapixels:g} megapixels": figures}, options.output)


if __name__ == "__main__":
    script(main)
