"""The editor's backends against each other: the time of an edit, of a change of concept and of a start, and likeness.

Every installed backend that computes on this processor edits the same photo with the same concept, in every precision
that the processor computes in, each in a process of its own.  PyTorch is the measure, in float32, and in bf16 where
the processor computes in it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import cycle
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps

from benchmarks.measuring import SAMPLES, Figure, apart, parser, ratio, report, script
from benchmarks.switching import shipped
from e2gan import registry
from e2gan.backends import TORCH
from e2gan.base import Base, find_base
from e2gan.concept import Concept
from e2gan.editor import Editor
from e2gan.evaluation.psnr import psnr
from e2gan.images import open_image
from e2gan.models.device import computes_bfloat16

PHOTO = SAMPLES / "aitzgorri.jpg"


def measure(
    base: Base | None = None,
    concepts: Sequence[Concept] | None = None,
    *,
    size: int = 256,
    rounds: int = 15,
    threads: int | None = None,
) -> list[Figure]:
    """For each backend and precision, its edits a second over those of PyTorch, and the likeness to float32's.

    The likeness is that of the concept whose edit differs most.

    The goals are those of the backend that the editor takes by default.
    """
    base = base or find_base()
    concepts = concepts or shipped()
    photo = square(size)
    editors, starts = {}, {}
    for name, wishes in kinds():
        start = time.perf_counter()
        editors[name] = Editor(base, threads=threads, **wishes)
        starts[name] = time.perf_counter() - start
    edits = {
        name: [np.asarray(editor.apply(photo, concept)) for concept in concepts] for name, editor in editors.items()
    }
    measure_of_all, default = "torch float32", Editor(base, threads=threads)
    today = "torch bf16" if "torch bf16" in editors else measure_of_all
    jobs = {name: partial(editing, base, wishes, concepts[:2], size, threads) for name, wishes in kinds()}
    times = apart(jobs, rounds)
    seconds = {name: some["edit"] for name, some in times.items()}
    switches = {name: some["change"] for name, some in times.items()}
    figures = []
    for name, editor in editors.items():
        chosen = name == f"{default.backend} {default.precision}" and default.backend != TORCH
        figures.append(Figure(f"{name}: an edit at {size}²", 1000 * median(seconds[name]), "ms"))
        if name != measure_of_all:
            likeness = min(psnr(a.astype(float) - b) for a, b in zip(edits[name], edits[measure_of_all]))
            least = 55 if chosen else 42 if editor.precision == "int8" else None
            figures += [
                Figure(f"{name}: speed of {measure_of_all}", ratio(seconds[measure_of_all], seconds[name]), "×"),
                Figure(f"{name}: likeness to {measure_of_all}", min(likeness, 999.0), "dB", at_least=least),
            ]
        if (chosen or editor.precision == "int8") and today != measure_of_all:
            speed = ratio(seconds[today], seconds[name])
            figures.append(Figure(f"{name}: speed of {today}", speed, "×", at_least=1.6 if chosen else 2.5))
        # onnxruntime arranges the weights again, which is why no editor takes it by default.
        most = None if editor.backend == "onnxruntime" else 20
        figures += [
            Figure(f"{name}: a change of concept", 1000 * median(switches[name]), "ms", at_most=most),
            Figure(f"{name}: start", starts[name], "s"),
        ]
    return figures


def kinds() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each backend and precision by a name for people, and the editor's arguments for it; PyTorch's float32 first."""
    precisions = ["float32", "bf16"] if computes_bfloat16(torch.device("cpu")) else ["float32"]
    others = {"onnxruntime": ["float32"], "openvino": [*precisions, "int8"]}
    for backend in (TORCH, *registry().all("backend")):
        for precision in others.get(backend, precisions):
            wishes = {"backend": backend, "dtype": precision}
            yield f"{backend} {precision}", wishes | ({"device": "cpu"} if backend == TORCH else {})


def editing(
    base: Base, wishes: Mapping[str, Any], concepts: Sequence[Concept], size: int, threads: int | None
) -> Mapping[str, Callable[[], object]]:
    """An edit with the first concept, and a change of concept, by an editor that has loaded all."""
    editor = Editor(base, threads=threads, **wishes)
    for concept in concepts:
        editor.use(concept)
    others = cycle([*concepts[1:], concepts[0]])
    return {"edit": partial(editor.apply, square(size), concepts[0]), "change": lambda: editor.use(next(others))}


def square(size: int) -> Image.Image:
    """A photo of ``size`` times ``size`` pixels."""
    return ImageOps.fit(open_image(PHOTO, opaque=True), (size, size), Image.Resampling.LANCZOS)


def main(arguments: Sequence[str] | None = None) -> None:
    command = parser(__doc__)
    command.add_argument("--threads", type=int, help="CPU threads of every backend")
    command.add_argument("--rounds", type=int, default=15)
    options = command.parse_args(arguments)
    report({"backends": measure(rounds=options.rounds, threads=options.threads)}, options.output)


if __name__ == "__main__":
    script(main)
