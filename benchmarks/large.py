"""Photos of many megapixels at their own resolution: the cost of tiles, what they change, and memory.

    python -m benchmarks.large
    python -m benchmarks.large --megapixels 3 --largest 4 --compared 2 --one 0.5

Each size is edited in a process of its own, on the editor's default backend.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.measuring import Figure, parser, report, script
from benchmarks.opening import large_photo
from benchmarks.startup import PROGRAM, Ran, run
from e2gan.editor import MAX_PIXELS, Editor
from e2gan.models.tiles import Tiling

CONCEPT = "vangogh"
"""A painting, which keeps nothing of the photo."""

ONE_PIECE = "in parts against one piece"
MOVED = "moved tiles against tiles"
SAMPLED = "measured on samples against on the whole"
"""As if the photo had more than `e2gan.models.tiles.WHOLE` pixels, against what is done up to there."""

BASES = {"everyday": "full", "everyday-lite": "lite"}


def measure(megapixels: float = 24, largest: float = 100, compared: float = 4, one: float = 1.0) -> list[Figure]:
    """The figures.

    Args:
        megapixels: of the photo whose edit is timed.
        largest: of the photo whose edit only has to be done.
        compared: of the photo that is also edited in one piece.
        one: of the photo whose edit is the unit of time.
    """
    figures: list[Figure] = []
    seconds = {}
    for base, name in BASES.items():
        took = apart(_timed, base, megapixels, one)
        seconds[name] = took["seconds"]
        share = took["seconds"] / (took["one"] * megapixels / one)
        figures += [
            Figure(f"{name}: {megapixels:g} megapixels in tiles", took["seconds"], "s"),
            Figure(f"{name}: time of as many megapixels, one at once ({took['backend']})", share, "×"),
            Figure(
                f"{name}: time of as many megapixels, one at once, on PyTorch",
                took["seconds"] / (took["one_on_torch"] * megapixels / one),
                "×",
                at_most=1.15,
            ),
            Figure(f"{name}: peak memory of e2gan apply", _command(base, megapixels).peak / 1e9, "GB", at_most=2.0),
        ]
    figures.append(Figure("lite: speed of full", seconds["full"] / seconds["lite"], "×", at_least=4))
    for precision in ("float32", None):
        told = apart(_compared, precision, compared)
        of = f"{compared:g} megapixels, {told['precision']}"
        for way in (ONE_PIECE, MOVED, SAMPLED):
            limits = (None, None) if way == SAMPLED else (2, 0.2)
            for what, value, most in zip(("largest", "mean"), told[way], limits):
                figures.append(Figure(f"{of}: {way}, {what} difference", value, "of 255", at_most=most))
    done = _command("everyday", largest)
    figures += [
        Figure(f"{largest:g} megapixels, e2gan apply", done.seconds, "s"),
        Figure(f"{largest:g} megapixels, e2gan apply: peak memory", done.peak / 1e9, "GB", at_most=2.5),
    ]
    return figures


def _command(base: str, megapixels: float) -> Ran:
    """The command that edits such a photo at its own size."""
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder, "photo.jpg")
        large_photo(round(megapixels * 1e6)).save(photo, quality=92)
        options = ["--base", base, "--stroke", "fine", "-o", f"{folder}/edited.jpg"]
        return run(["-c", PROGRAM, "apply", CONCEPT, str(photo), *options])


def apart(work: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """What a function gives in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


def _timed(base: str, megapixels: float, one: float) -> dict[str, Any]:
    small, photo = (large_photo(round(size * 1e6)) for size in (min(one, MAX_PIXELS / 1e6), megapixels))
    result: dict[str, Any] = {}
    editor = Editor(base)
    result["backend"] = editor.backend
    result["one"] = _seconds(lambda: editor.apply(small, CONCEPT, stroke="fine"), 3)
    result["seconds"] = _seconds(lambda: editor.apply(photo, CONCEPT, stroke="fine"), 1, warm=False)
    torch = Editor(base, device="cpu")
    result["one_on_torch"] = _seconds(lambda: torch.apply(small, CONCEPT, stroke="fine"), 3)
    return result


def _compared(precision: str | None, megapixels: float) -> dict[str, Any]:
    photo, editor = large_photo(round(megapixels * 1e6)), Editor(device="cpu", dtype=precision)

    def edited(tiling: Tiling | None) -> np.ndarray:
        most = MAX_PIXELS if tiling else round(10 * megapixels * 1e6)
        with (
            mock.patch("e2gan.editor.MAX_PIXELS", most),
            mock.patch("e2gan.pytorch.fitting", lambda *_: tiling),
        ):
            return np.asarray(editor.apply(photo, CONCEPT, stroke="fine")).astype(int)

    parts, tiles = edited(Tiling()), edited(Tiling(whole=0))
    differences = {
        ONE_PIECE: parts - edited(None),
        MOVED: edited(Tiling(tile=Tiling.tile - 384, strip=96, whole=0)) - tiles,
        SAMPLED: tiles - parts,
    }
    told = {way: (int(np.abs(some).max()), float(np.abs(some).mean())) for way, some in differences.items()}
    return {**told, "precision": editor.precision}


def _seconds(job: Callable[[], object], rounds: int, *, warm: bool = True) -> float:
    if warm:
        job()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return median(times)


def main(arguments: Sequence[str] | None = None) -> None:
    command = parser(__doc__)
    command.add_argument("--megapixels", type=float, default=24)
    command.add_argument("--largest", type=float, default=100)
    command.add_argument("--compared", type=float, default=4)
    command.add_argument("--one", type=float, default=1.0, help="megapixels of the photo whose edit is the unit")
    options = command.parse_args(arguments)
    report(
        {"large photos": measure(options.megapixels, options.largest, options.compared, options.one)}, options.output
    )


if __name__ == "__main__":
    script(main)
