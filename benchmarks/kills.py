"""Killing long commands: each runs to the end once, and is then repeatedly killed and run again.

    python -m benchmarks.kills --rounds 20
    python -m benchmarks.kills --only apply pull --rounds 5

Every other kill comes at a random moment, the rest as soon as the command has begun to write.  Afterwards the same
command must succeed, give the result of the undisturbed run where that is promised, and leave no files behind, neither
in its output nor among the system's temporary files.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from benchmarks.measuring import SAMPLES, Figure, parser, report, script
from e2gan import leftovers
from e2gan.base import find_base
from e2gan.errors import E2GANError

__all__ = ["COMMANDS", "Command", "measure"]

PROGRAM = "from e2gan.cli import main; main()"

PATIENCE = 3600.0
"""Most seconds for a command."""


def _photos(folder: Path, count: int = 8, side: int = 96) -> None:
    folder.mkdir(parents=True)
    samples = sorted(SAMPLES.glob("*.jpg"))
    for number in range(count):
        with Image.open(samples[number % len(samples)]) as photo:
            left = 40 * number
            photo.convert("RGB").crop((left, 0, left + 400, 400)).resize((side, side)).save(folder / f"{number}.png")


def _split_photos(work: Path) -> None:
    for split, count in (("train", 6), ("val", 2), ("test", 2)):
        _photos(work / "photos" / split, count)


def _pairs(work: Path) -> None:
    _photos(work / "set" / "before")
    shutil.copytree(work / "set" / "before", work / "set" / "after")


CONCEPT_TRAINING = "steps = 4\nbatch_size = 2\ncrop = 64\n"

BASE = """
id = "small"
title = "Small"
version = "1.0.0"
license = "apache-2.0"
generator = { prompt_dim = 384, width = 8, heads = 2 }
choice = { concepts = 1 }
training = { steps = 4, batch_size = 2, crop = 64 }
[[candidate]]
id = "autumn"
prompt = "autumn"
teacher = "grade"
teacher_options = { name = "autumn" }
"""


def _concept(work: Path) -> None:
    """A concept to train in a few steps."""
    _split_photos(work)
    new = ["new", "crayon", "--teacher", "grade", "-O", "name=autumn", "-q"]
    subprocess.run([sys.executable, "-c", PROGRAM, *new], cwd=work, check=True)
    (manifest,) = work.glob("crayon/*/bundle/concept.toml")
    text = manifest.read_text("utf-8")
    head, table, rest = text.partition("[recipe.training]\n")
    lines = [line for line in rest.splitlines() if line.split(" ")[0] not in ("steps", "epochs", "batch_size", "crop")]
    head = head.replace("clusters = 400", "clusters = 4")
    manifest.write_text(head + table + CONCEPT_TRAINING + "\n".join(lines) + "\n", "utf-8")


def _base(work: Path) -> None:
    _split_photos(work)
    (work / "small").mkdir()
    (work / "small" / "recipe.toml").write_text(BASE)


def _published(work: Path) -> None:
    """A concept in its own work folder, to publish."""
    from benchmarks.hub import bundle

    for name, data in bundle().items():
        (work / "own").mkdir(exist_ok=True)
        (work / "own" / name).write_bytes(data)


@dataclass(frozen=True)
class Command:
    """A command to kill."""

    arguments: Sequence[str]
    prepare: Callable[[Path], None] = lambda work: None
    """Makes its input in the working folder."""
    output: str = "out"
    """Outputs in the working folder that must be the same; empty for all."""
    same: bool = True
    """Whether a rerun gives identical bytes."""
    share: float = 1.0
    """Share of the requested rounds: commands that take minutes are killed less often."""
    hub: bool = False
    """Whether it talks to a Hub."""
    ignored: tuple[str, ...] = field(default=("record.toml", "lock"))
    """Files that contain a date, if any."""


COMMANDS: Mapping[str, Command] = {
    "apply": Command(["apply", "vangogh", "photos", "-o", "out", "--size", "64"], lambda w: _photos(w / "photos")),
    "distill": Command(
        ["distill", "grade", "-O", "name=autumn", "--data", "photos", "-o", "out", "--size", "64", "--workers", "2"],
        lambda work: _photos(work / "photos"),
    ),
    "import": Command(["import", "pairs", "set", "-o", "out", "--size", "64"], _pairs),
    "new": Command(["new", "crayon"], output="crayon"),
    "lock": Command(["lock", "-o", "e2gan.lock"], output="e2gan.lock"),
    "train": Command(
        ["train", "crayon", "--data", "photos", "--device", "cpu", "--workers", "1"],
        _concept,
        # Its manifest records the training time.
        output="crayon",
        ignored=("concept.toml", "README.md"),
        share=0.3,
    ),
    "train-base": Command(
        ["train-base", "small/recipe.toml", "--data", "photos", "--device", "cpu", "--workers", "1"],
        _base,
        output="small",
        ignored=("base.toml",),
        share=0.3,
    ),
    "search-ranks": Command(
        ["search-ranks", "crayon", "--data", "photos", "--steps", "2", "--device", "cpu"],
        _concept,
        output="crayon",
        share=0.1,
    ),
    "eval": Command(
        ["eval", "vangogh", "--data", "photos", "--device", "cpu", "--workers", "1", "-o", "out"],
        _split_photos,
        same=False,  # the page contains its date
        share=0.3,
    ),
    "export onnx": Command(["export", "onnx", "vangogh", "-o", "out/v.onnx"], share=0.5),
    "export coreml": Command(["export", "coreml", "vangogh", "-o", "out/V.mlpackage"], same=False, share=0.3),
    "reproduce": Command(
        ["reproduce", "tab14", "--data", "photos", "--concept", "dusk", "--seeds", "1", "-o", "out", "--device", "cpu"],
        _split_photos,
        same=False,  # its figures include seconds
        share=0.2,
    ),
    "pull": Command(["pull", "maker/concept"], output="data", hub=True),
    "search": Command(["search", "--refresh"], output="cache", same=False, hub=True),
    "push": Command(["push", "own", "--repo", "maker/own", "--base-model", "maker/base"], _published, "own", hub=True),
}


def _digests(folder: Path, ignored: Sequence[str]) -> dict[str, str]:
    files = [folder] if folder.is_file() else sorted(folder.rglob("*"))
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
        if file.is_file() and file.name not in ignored
    }


class _Trial:
    """One command in a working folder of its own, with its own data, settings, caches and temporary files."""

    def __init__(self, command: Command, folder: Path, environment: Mapping[str, str], chance: random.Random) -> None:
        self.command, self.work, self.chance = command, folder / "work", chance
        self.places = {
            **{f"XDG_{name}_HOME": self.work / name.lower() for name in ("DATA", "CONFIG", "CACHE")},
            "TMPDIR": self.work / "temporary",
        }
        self.environment = {**os.environ, **environment, **{name: str(path) for name, path in self.places.items()}}

    def begin(self) -> None:
        """The state before the first run."""
        shutil.rmtree(self.work, ignore_errors=True)
        self.places["TMPDIR"].mkdir(parents=True)
        self.command.prepare(self.work)

    def run(self, kill: Callable[[float], bool] | None = None) -> tuple[int, str, float]:
        """Run it until ``kill``, called with the seconds so far, is true; returns exit code, output and seconds."""
        start = time.monotonic()
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, *self.command.arguments],
                cwd=self.work,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
            while process.poll() is None:
                if (kill and kill(time.monotonic() - start)) or time.monotonic() - start > PATIENCE:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
                time.sleep(0.002)
            said.seek(0)
            text = said.read().decode("utf-8", "replace")
        return process.returncode, text, time.monotonic() - start

    def output(self) -> dict[str, str]:
        return _digests(self.work / self.command.output, self.command.ignored)

    def left(self) -> list[str]:
        """Files that should not exist."""
        ours = [path for path in leftovers.find(self.work)]
        return [str(path.relative_to(self.work)) for path in (*ours, *self.places["TMPDIR"].iterdir())]

    def writes(self) -> bool:
        return bool(self.left())


def measure(name: str, rounds: int, environment: Mapping[str, str] | None = None, seed: int = 0) -> list[Figure]:
    """Kill one of :data:`COMMANDS` several times, and print the faults.

    Raises:
        E2GANError: the command fails without being killed.
    """
    command, chance = COMMANDS[name], random.Random(f"{seed} {name}")
    faults: list[str] = []
    kills = 0
    with tempfile.TemporaryDirectory() as folder:
        trial = _Trial(command, Path(folder), environment or {}, chance)
        trial.begin()
        code, said, whole = trial.run()
        if code:
            raise E2GANError(f"{name} fails without being killed: {said[-500:]}")
        expected, usual = trial.output(), trial.left()
        for number in range(rounds):
            trial.begin()
            moment, pause = chance.uniform(0, whole), chance.uniform(0, 0.02)
            if number % 2:
                seen: list[float] = []

                def kill(
                    seconds: float, seen: list[float] = seen, pause: float = pause, moment: float = moment
                ) -> bool:
                    if seconds > 0.3 * moment and trial.writes():
                        seen.append(seconds)
                    return bool(seen) and seconds > seen[0] + pause

            else:

                def kill(seconds: float, moment: float = moment) -> bool:  # type: ignore[misc]
                    return seconds > moment

            code, _, _ = trial.run(kill)
            kills += code == -signal.SIGKILL
            code, said, _ = trial.run()
            if code:
                faults.append(f"the rerun ends with {code}: {said[-300:]}")
            if command.same and trial.output() != expected:
                files = trial.output()
                differing = sorted(file for file in {*files, *expected} if files.get(file) != expected.get(file))
                faults.append(f"another outcome: {', '.join(differing[:5])}")
            if left := [path for path in trial.left() if path not in usual]:
                faults.append(f"left behind: {', '.join(left[:5])}")
    for fault in faults:
        print(f"FAULT {name}: {fault}", file=sys.stderr)
    return [
        Figure(f"{name}: kills", kills),
        Figure(f"{name}: reruns that failed, differed or left something", len(faults), at_most=0),
    ]


def _with_hub(names: Sequence[str], rounds: int, seed: int) -> dict[str, list[Figure]]:
    from benchmarks.hub import bundle
    from e2gan_hub.devserver import HubServer

    with tempfile.TemporaryDirectory() as folder:
        hub = HubServer(Path(folder, "hub"), {"maker": "hf_maker"}).start()
        try:
            hub.put("maker/concept", bundle(), tags=["v1.0.0"])
            hub.put("maker/base", {"generator.safetensors": find_base().generator_path.read_bytes()})
            environment = hub.environment(Path(folder, "home"), "maker")
            return {name: measure(name, _share(name, rounds), environment, seed) for name in names}
        finally:
            hub.kill()


def _share(name: str, rounds: int) -> int:
    return max(1, round(COMMANDS[name].share * rounds))


def main() -> None:
    command = parser(__doc__)
    command.add_argument("--rounds", type=int, default=20, help="kills of each command; fewer for slow ones")
    command.add_argument("--only", nargs="+", choices=list(COMMANDS), default=list(COMMANDS), help="these commands")
    command.add_argument("--seed", type=int, default=0)
    options = command.parse_args()
    alone = [name for name in options.only if not COMMANDS[name].hub]
    figures = {}
    for name in alone:
        figures[name] = measure(name, _share(name, options.rounds), seed=options.seed)
        counts = [figure.value for figure in figures[name]]
        print("{}: {:g} kills, {:g} faults".format(name, *counts), file=sys.stderr, flush=True)
    if online := [name for name in options.only if COMMANDS[name].hub]:
        figures |= _with_hub(online, options.rounds, options.seed)
    kills = sum(int(pair[0].value) for pair in figures.values())
    figures["all"] = [
        Figure("kills", kills),
        Figure("faults", sum(pair[1].value for pair in figures.values()), at_most=0),
    ]
    report(figures, options.output)


if __name__ == "__main__":
    script(main)
