"""The lite base against the full one, on every backend: an edit, a change of concept, the whole command.

Beside them, in the same rounds, what others take: pix2pix's nine blocks with random weights, which cost the same as
trained ones, and the small network of the painted styles.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import torch
from PIL import Image

from benchmarks.backends import editing, kinds, square
from benchmarks.measuring import Figure, apart, parser, ratio, report, script
from benchmarks.speed import edit_by
from benchmarks.speed import run as run_edit
from benchmarks.startup import PROGRAM, Ran, run
from benchmarks.switching import shipped
from e2gan.base import Base, find_base, find_lite
from e2gan.concept import Concept, made_for
from e2gan.data.teachers import make_teacher
from e2gan.errors import BaseModelError
from e2gan.models.device import computes_bfloat16
from e2gan.models.look import Look
from e2gan_baselines.pix2pix import Pix2Pix

PIX2PIX, PAINTED = "pix2pix", "the painted styles' network"


def measure(
    full: Base | None = None,
    lite: Base | None = None,
    concepts: Sequence[Concept] | None = None,
    *,
    size: int = 256,
    rounds: int = 15,
    threads: int | None = None,
) -> list[Figure]:
    """Milliseconds of an edit, and the speed over that of the full base in PyTorch and over the others'.

    Args:
        full, lite: the bases; the default one and its lite one if None.
        concepts: those to edit with, each with its bundles for both; the shipped ones if None.
        size: side of the photo, in pixels.

    Raises:
        BaseModelError: there is no lite base, or fewer than two concepts are made for both.
    """
    full, lite = _bases(full, lite)
    pairs = [(made_for(concept, full), made_for(concept, lite)) for concept in concepts or shipped()]
    both = [{full.id: first, lite.id: second} for first, second in pairs if first and second]
    if len(both) < 2:
        raise BaseModelError(f"fewer than two concepts are made for both '{full.id}' and '{lite.id}'")

    today = "bf16" if computes_bfloat16(torch.device("cpu")) else "float32"
    jobs: dict[str, Callable[[], Mapping[str, Callable[[], object]]]] = {
        f"{base.id}, {name}": partial(editing, base, wishes, [one[base.id] for one in both[:2]], size, threads)
        for name, wishes in kinds()
        for base in (full, lite)
    }
    editors = list(jobs)
    jobs |= {PIX2PIX: partial(_pix2pix, size, today, threads), PAINTED: partial(_painted, size)}
    times = apart(jobs, rounds)
    seconds = {name: some["edit"] for name, some in times.items()}
    measure_of_all = f"{full.id}, torch {today}"
    figures = []
    for name in jobs:
        figures.append(Figure(f"{name}: an edit at {size}²", 1000 * median(seconds[name]), "ms"))
        if name in editors:
            most = None if "onnxruntime" in name else 20
            switch = 1000 * median(times[name]["change"])
            figures.append(Figure(f"{name}: a change of concept", switch, "ms", at_most=most))
        if name not in (measure_of_all, PIX2PIX, PAINTED):
            speed = ratio(seconds[measure_of_all], seconds[name])
            figures.append(Figure(f"{name}: speed of {measure_of_all}", speed, "×"))
    fastest = min((name for name in editors if name.startswith(f"{lite.id},")), key=lambda name: median(seconds[name]))
    return [
        *figures,
        Figure(f"lite at its best ({fastest}): speed of {measure_of_all}",
               ratio(seconds[measure_of_all], seconds[fastest]), "×", at_least=6),
        Figure(f"{measure_of_all}: speed of {PIX2PIX} there", ratio(seconds[PIX2PIX], seconds[measure_of_all]), "×",
               at_least=1.9),
        Figure(f"{lite.id}, torch {today}: speed of {PIX2PIX} there",
               ratio(seconds[PIX2PIX], seconds[f"{lite.id}, torch {today}"]), "×", at_least=8),
        Figure(f"{fastest}: time of {PAINTED}", ratio(seconds[fastest], seconds[PAINTED]), "×", at_most=1.3),
    ]  # fmt: skip


def _bases(full: Base | None, lite: Base | None) -> tuple[Base, Base]:
    full = full or find_base()
    lite = lite or find_lite(full)
    if lite is None:
        raise BaseModelError(f"there is no lite base of '{full.id}' here")
    return full, lite


def _pix2pix(size: int, precision: str, threads: int | None) -> Mapping[str, Callable[[], object]]:
    """An edit by pix2pix's generator, which computes its last layer in float32, as ours does."""
    torch.manual_seed(0)
    if threads:
        torch.set_num_threads(threads)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    edit = edit_by(Pix2Pix().eval(), dtype, torch.device("cpu"))
    x, look = torch.rand(1, 3, size, size).to(dtype) * 2 - 1, Look(torch.zeros(1, 1, 1, dtype=dtype))
    return {"edit": partial(run_edit, edit, x, look)}


def _painted(size: int) -> Mapping[str, Callable[[], object]]:
    return {"edit": partial(make_teacher("magenta-multistyle", {"style": 19}), square(size))}


def measure_apply(
    full: Base | None = None,
    lite: Base | None = None,
    concept: str | None = None,
    *,
    size: tuple[int, int] = (1152, 864),
    rounds: int = 3,
) -> list[Figure]:
    """Seconds and memory of ``e2gan apply`` on a photo of one megapixel, whole process, on both bases in turns.

    concept: an id or a folder; default: the first that the repository ships.
    """
    full, lite = _bases(full, lite)
    concept = concept or str(shipped()[0].path.parent.parent)
    runs: dict[str, list[Ran]] = {base.id: [] for base in (full, lite)}
    with tempfile.TemporaryDirectory() as folder:
        photo, edited = Path(folder, "photo.jpg"), Path(folder, "edited.jpg")
        Image.effect_noise((size[0] // 8, size[1] // 8), 60).resize(size).convert("RGB").save(photo)
        for number in range(rounds + 1):  # the first writes bytecode and compiled networks
            for base in (full, lite):
                ran = run(["-c", PROGRAM, "apply", concept, str(photo), "-o", str(edited), "--base", str(base.path)])
                runs[base.id] += [ran] * bool(number)
    seconds = {name: [ran.seconds for ran in some] for name, some in runs.items()}
    figures = []
    for name, some in runs.items():
        figures += [
            Figure(f"e2gan apply --base {name}, one megapixel", median(seconds[name]), "s"),
            Figure(f"{name}: peak memory", max(ran.peak for ran in some) / 1e9, "GB"),
        ]
    return [*figures, Figure(f"{lite.id}: speed of {full.id}", ratio(seconds[full.id], seconds[lite.id]), "×")]


def main(arguments: Sequence[str] | None = None) -> None:
    command = parser(__doc__)
    command.add_argument("--threads", type=int, help="CPU threads of every backend")
    command.add_argument("--rounds", type=int, default=15)
    options = command.parse_args(arguments)
    figures = {"an edit": measure(rounds=options.rounds, threads=options.threads), "the command": measure_apply()}
    report(figures, options.output)


if __name__ == "__main__":
    script(main)
