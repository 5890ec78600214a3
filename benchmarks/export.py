"""The cost of an exported concept, and the quality that 8 bits lose."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import torch
from PIL import Image

from benchmarks.measuring import Figure, interleaved, parser, ratio, report, script
from benchmarks.switching import shipped
from e2gan.base import Base, find_base
from e2gan.concept import Concept
from e2gan.data.folders import find_photos
from e2gan.data.framing import framed_photo
from e2gan.data.teachers import make_teacher
from e2gan.editor import Editor
from e2gan.embedders import EfficientNetLite0
from e2gan.errors import DataError
from e2gan.evaluation.fid import fid
from e2gan.models.edit import Edit
from e2gan.models.look import Look
from e2gan.recipe import Framing
from e2gan_onnx.check import run
from e2gan_onnx.export import export
from e2gan_onnx.options import OPSETS
from e2gan_onnx.photos import as_input
from e2gan_onnx.swap import base_part, concept_part, takes_noise

SIZE = 256

PRECISIONS = ("fp32", "fp16", "int8")


def measure(
    data: Path | None = None,
    base: Base | None = None,
    concepts: Sequence[Concept] | None = None,
    *,
    size: int = SIZE,
    rounds: int = 15,
) -> list[Figure]:
    """The figures; those of quality only if ``data`` has test photos.

    Speed is measured on the first concept, the quality of 8 bits on all, because ranges that suit one concept
    may not suit another.

    Raises:
        DataError: there are fewer than two test photos.
    """
    base = base or find_base()
    concepts = concepts or shipped()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        models = {}
        for precision in PRECISIONS:
            start = time.perf_counter()
            exported = export(concepts[0], base, Path(folder, f"{precision}.onnx"), precision=precision, io="float32")
            models[precision] = exported.path
            figures += [
                Figure(f"{precision} export", time.perf_counter() - start, "s", at_most=60),
                Figure(f"{precision} size", exported.size / 1e6, "MB"),
            ]
        figures += _speed(base, concepts[0], models, size, rounds) + _swapping(base, concepts, size, rounds)
        if data is not None:
            figures += _quality(base, concepts, data, Path(folder))
    return figures


def _speed(base: Base, concept: Concept, models: dict[str, Path], size: int, rounds: int) -> list[Figure]:
    """The speed of each model, of PyTorch's generator in float32, and of the editor's whole edit with both."""
    adapter = concept.load(base)
    edit, look = Edit(base.generator(), at_once=True), Look(torch.from_numpy(adapter.prompt)[None])
    image = np.random.default_rng(0).random((1, 3, size, size), np.float32)
    x = torch.from_numpy(image) * 2 - 1
    threads = torch.get_num_threads()

    def eager() -> None:
        with torch.inference_mode():
            edit(x, look)

    jobs: dict[str, Callable[[], object]] = {"eager": eager}
    jobs |= {precision: partial(run(file, threads), image) for precision, file in models.items()}
    seconds = interleaved(jobs, rounds)
    figures = [Figure(f"PyTorch, float32, {size}²", 1000 * median(seconds["eager"]), "ms")]
    for precision in models:
        limit = 1.8 if precision == "int8" else None
        figures += [
            Figure(f"onnxruntime, {precision}, {size}²", 1000 * median(seconds[precision]), "ms"),
            Figure(f"{precision} against PyTorch", ratio(seconds["eager"], seconds[precision]), "×", at_least=limit),
        ]
    return figures


def _swapping(base: Base, concepts: Sequence[Concept], size: int, rounds: int) -> list[Figure]:
    """The sizes of the parts, and the time to change the concept."""
    noise = takes_noise(base, concepts)
    whole = base_part(base, opset=OPSETS[0], noise=noise)
    parts = [concept_part(concept, base, noise=noise) for concept in concepts]
    image = np.random.default_rng(0).random((1, 3, size, size), np.float32)
    threads = torch.get_num_threads()
    start = time.perf_counter()
    editor = Editor(base, backend="onnxruntime", threads=threads)
    loading = time.perf_counter() - start
    following = iter(range(1 << 30))
    for concept in concepts[:2]:
        editor.use(concept)
    jobs: dict[str, Callable[[], object]] = {
        "join": lambda: run(whole + parts[0], threads),
        "switch": lambda: editor.use(concepts[next(following) % min(2, len(concepts))]),
        "edit": partial(run(whole + parts[0], threads), image),
    }
    seconds = interleaved(jobs, rounds)
    return [
        Figure("base's part", len(whole) / 1e6, "MB"),
        Figure("a concept's part, at most", max(map(len, parts)) / 1e6, "MB", at_most=0.5),
        Figure("loading base and concept", 1000 * median(seconds["join"]), "ms"),
        Figure(f"base and concept, {size}²", 1000 * median(seconds["edit"]), "ms"),
        Figure("an Editor on onnxruntime", loading, "s"),
        Figure("its switch between loaded concepts", 1000 * median(seconds["switch"]), "ms"),
    ]


def _quality(base: Base, concepts: Sequence[Concept], data: Path, folder: Path) -> list[Figure]:
    """The increase by 8 bits of the distance to each teacher, in EfficientNet's features, on the test photos."""
    files = [file for split, file in find_photos(data) if split == "test"]
    if len(files) < 2:
        raise DataError(f"{data}: {len(files)} test photos, which is too few to measure on")
    photos = [framed_photo(file, Framing(SIZE))[0] for file in files]
    embed = EfficientNetLite0()
    figures = [Figure("test pictures", len(photos))]
    for concept in concepts:
        chosen = concept.recipe.teachers[0]
        teacher = make_teacher(chosen.id, chosen.options)
        wanted = embed([teacher(photo) for photo in photos])
        distances = {}
        for precision in ("fp32", "int8"):
            edit = run(export(concept, base, folder / f"{concept.id}.onnx", precision=precision, io="float32").path)
            distances[precision] = fid(embed([_picture(edit(as_input(photo))) for photo in photos]), wanted)
        figures += [
            *(Figure(f"{concept.id}: {name} EfficientNet-FID", value) for name, value in distances.items()),
            Figure(f"{concept.id}: int8 over fp32", distances["int8"] / distances["fp32"], "×", at_most=1.05),
        ]
    return figures


def _picture(made: np.ndarray) -> Image.Image:
    return Image.fromarray(np.rint(made[0].transpose(1, 2, 0) * 255).astype(np.uint8))


def main(arguments: Sequence[str] | None = None) -> None:
    command = parser(__doc__)
    command.add_argument("--data", type=Path, help="folder of photos, with test: measure the quality, too")
    command.add_argument("--concept", action="append", default=[], help="only these of the shipped concepts")
    options = command.parse_args(arguments)
    concepts = [concept for concept in shipped() if not options.concept or concept.id in options.concept]
    report({"export": measure(options.data, concepts=concepts)}, options.output)


if __name__ == "__main__":
    script(main)
