"""Waiting times and memory: imports, the help, the list, one edit; each in its own process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from PIL import Image

from benchmarks.measuring import Figure, parser, ratio, report, script
from benchmarks.switching import shipped
from e2gan.backends import TORCH
from e2gan.errors import E2GANError
from e2gan.plugins import registry

CORES = 2
"""The promise is for two."""

PROGRAM = "from e2gan.cli import main; main()"

PACKAGE = '''"""{title}, a concept for E²GAN."""

from collections.abc import Callable
from pathlib import Path

import e2gan


@e2gan.hookimpl
def register_concepts(register: Callable[[Path], None]) -> None:
    for bundle in sorted(Path(__file__).parent.glob("bundle*")):
        register(bundle)
'''

MANIFEST = """schema = 1
id = "{id}"
title = "{title}"
version = "1.0.0"
prompt = "a painting in the style of {title}"
license = "apache-2.0"
authors = ["E²GAN's benchmarks"]
description = "One of many."

[base]
id = "everyday"
sha256 = "{zeros}"

[recipe]
teacher = "magenta-multistyle"
source = "photographs"

[recipe.teacher_options]
style = 19

[recipe.selection]
method = "similarity-clustering"
clusters = 400
embedder = "efficientnet-lite0"

[recipe.training]
seed = 0
epochs = 100
ranks = [1, 4, 8, 8]
transformer_rank = 1

[quality]
l1_ratio = 0.5
"""


@dataclass(frozen=True)
class Ran:
    """A successful process."""

    seconds: float
    peak: int
    """Its peak memory, in bytes."""
    output: str


LAUNCHER = """
import json, os, sys, time
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:int(sys.argv[2])])
start = time.perf_counter()
process = os.posix_spawn(sys.executable, [sys.executable, *sys.argv[3:]], os.environ)
_, status, usage = os.wait4(process, 0)
with open(sys.argv[1], "w") as file:
    json.dump([time.perf_counter() - start, usage.ru_maxrss], file)
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""Starts a process and reads its time and memory.  It is a small separate process, because Linux counts
memory that the parent held when it forked (here, PyTorch) as the child's."""


def run(arguments: Sequence[str], environment: Mapping[str, str] | None = None, *, fails: bool = False) -> Ran:
    """Run Python with these arguments on `CORES` cores; raises E2GANError unless it ends as expected."""
    with tempfile.TemporaryDirectory() as folder:
        measured = Path(folder, "measured.json")
        ended = subprocess.run(
            [sys.executable, "-S", "-c", LAUNCHER, str(measured), str(CORES), *arguments],
            env={**os.environ, **(environment or {})},
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )
        if (ended.returncode != 0) != fails:
            raise E2GANError(f"{' '.join(arguments)}: {ended.stderr[-500:]}")
        seconds, peak = json.loads(measured.read_text())
    # Kilobytes on Linux, bytes on macOS.
    return Ran(seconds, peak * (1 if sys.platform == "darwin" else 1024), ended.stdout)


def install_many(folder: Path, count: int) -> None:
    """Write ``count`` concept packages as pip lays them out; their weights are stubs, which listing does not read."""
    for number in range(count):
        id, title = f"bench-{number:04}", f"Benchmark {number}"
        name = f"e2gan_concept_{id.replace('-', '_')}"
        bundle, metadata = folder / name / "bundle", folder / f"{name}-1.0.0.dist-info"
        bundle.mkdir(parents=True)
        metadata.mkdir()
        (folder / name / "__init__.py").write_text(PACKAGE.format(title=title), encoding="utf-8")
        (bundle / "concept.toml").write_text(MANIFEST.format(id=id, title=title, zeros=64 * "0"), encoding="utf-8")
        for file in ("adapter_config.json", "adapter_model.safetensors", "prompt.safetensors", "README.md"):
            (bundle / file).write_text("{}")
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0.0\n")
        (metadata / "entry_points.txt").write_text(f"[e2gan]\n{id} = {name}\n")
        (metadata / "INSTALLER").write_text("pip\n")
        (metadata / "RECORD").write_text(f"{name}/__init__.py,,\n")


def measure_import(rounds: int = 7) -> list[Figure]:
    """Seconds of ``import e2gan`` inside a process, and whether it imports torch or peft, too."""
    code = (
        "import sys, time; start = time.perf_counter(); import e2gan; print(time.perf_counter() - start, "
        "len({'torch', 'peft', 'transformers', 'numpy'} & set(sys.modules)))"
    )
    prints = [run(["-c", code]).output.split() for _ in range(rounds + 1)][1:]
    return [
        Figure("import e2gan", median(float(seconds) for seconds, _ in prints), "s", at_most=0.15),
        Figure("import e2gan: of torch, peft, transformers, numpy imported", float(prints[0][1]), at_most=0),
    ]


def measure_help(rounds: int = 7) -> list[Figure]:
    runs = [run(["-c", PROGRAM, "--help"]) for _ in range(rounds + 1)][1:]
    return [Figure("e2gan --help", median(ran.seconds for ran in runs), "s", at_most=0.3)]


def measure_list(count: int = 1000, rounds: int = 5) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        install_many(Path(folder), count)
        path = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))
        # Two runs come first: one writes the bytecode that pip would have written, one warms the file cache.
        runs = [run(["-c", PROGRAM, "list"], {"PYTHONPATH": path}) for _ in range(rounds + 2)][2:]
        listed = sum("bench-" in line for line in runs[0].output.splitlines())
    return [
        Figure(f"e2gan list with {count:,} installed concepts", median(ran.seconds for ran in runs), "s", at_most=1.5),
        Figure("concepts listed of those", listed, at_least=count),
    ]


def measure_apply(concept: str | None = None, *, size: tuple[int, int] = (1152, 864), rounds: int = 3) -> list[Figure]:
    """Seconds and memory of ``e2gan apply`` on a photo of one megapixel, from an empty process to the written file.

    concept: id or folder; default: the first that the repository ships.
    """
    concept = concept or str(shipped()[0].path)
    with tempfile.TemporaryDirectory() as folder:
        photo, edited = Path(folder, "photo.jpg"), Path(folder, "edited.jpg")
        Image.effect_noise((size[0] // 8, size[1] // 8), 60).resize(size).convert("RGB").save(photo)
        arguments = ["-c", PROGRAM, "apply", concept, str(photo), "-o", str(edited)]
        runs = [run(arguments) for _ in range(rounds + 1)][1:]
        with Image.open(edited) as picture:
            if picture.size != size:
                raise E2GANError(f"the edit of a photo of {size} is of {picture.size}")
    megapixels = f"{size[0] * size[1] / 1e6:.1f} megapixels"
    return [
        Figure(f"e2gan apply, {megapixels}, {CORES} cores", median(ran.seconds for ran in runs), "s", at_most=8),
        Figure(f"e2gan apply, {megapixels}, peak memory", max(ran.peak for ran in runs) / 1e9, "GB", at_most=2),
    ]


def measure_backends(
    concept: str | None = None, *, size: tuple[int, int] = (1152, 864), rounds: int = 3
) -> list[Figure]:
    """The same in float32 on each installed backend, in turns: time and memory against PyTorch's.

    And how long ``e2gan apply`` takes to report that there is no such photo.
    """
    concept = concept or str(shipped()[0].path)
    backends = [TORCH, *registry().all("backend")]
    runs: dict[str, list[Ran]] = {name: [] for name in backends}
    missing: list[Ran] = []
    with tempfile.TemporaryDirectory() as folder:
        photo, edited = Path(folder, "photo.jpg"), Path(folder, "edited.jpg")
        Image.effect_noise((size[0] // 8, size[1] // 8), 60).resize(size).convert("RGB").save(photo)
        apply = ["-c", PROGRAM, "apply", concept]
        options = ["-o", str(edited), "--precision", "float32"]
        # The first round writes bytecode and compiled networks.
        for number in range(rounds + 1):
            for name in backends:
                ran = run([*apply, str(photo), *options, "--backend", name])
                runs[name] += [ran] * bool(number)
            missing += [run([*apply, str(Path(folder, "none.jpg")), *options], fails=True)] * bool(number)
    seconds = {name: [ran.seconds for ran in some] for name, some in runs.items()}
    peaks = {name: max(ran.peak for ran in some) for name, some in runs.items()}
    figures = []
    for name in backends:
        figures += [
            Figure(f"e2gan apply --backend {name}", median(seconds[name]), "s"),
            Figure(f"{name} against {TORCH}, whole process", ratio(seconds[TORCH], seconds[name]), "×"),
            Figure(f"{name}: peak memory against {TORCH}'s", peaks[name] / peaks[TORCH], "×"),
        ]
    return [*figures, Figure("e2gan apply, no such photo", median(ran.seconds for ran in missing), "s", at_most=0.5)]


def measure() -> list[Figure]:
    return [*measure_import(), *measure_help(), *measure_list(), *measure_apply(), *measure_backends()]


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser(__doc__).parse_args(arguments)
    report({"startup": measure()}, options.output)


if __name__ == "__main__":
    script(main)
