"""Common parts of the benchmarks: timing, counting, and figures with limits."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

import torch

from e2gan.errors import E2GANError
from e2gan.files import atomic_write

__all__ = ["SAMPLES", "Figure", "apart", "interleaved", "machine", "matmul_rate", "parser", "ratio", "report", "script"]

SAMPLES = Path(__file__).parent.parent / "samples"
"""The photographs that the repository comes with."""


SETTLE = 0.02
"""Seconds between two processes of `apart`: threads of the first that spin for more work stop meanwhile."""


@dataclass(frozen=True)
class Figure:
    """A measured value, and its limit, if any."""

    name: str
    value: float
    unit: str = ""
    at_least: float | None = None
    at_most: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the limits are met; None if there are none."""
        if self.at_least is None and self.at_most is None:
            return None
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most
        )


def interleaved(jobs: Mapping[str, Callable[[], object]], rounds: int, warmup: int = 2) -> dict[str, list[float]]:
    """Seconds of each job in each round: A B A B …, so that other load on the machine affects all of them equally."""
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for number in range(warmup + rounds):
        for name, job in jobs.items():
            start = time.perf_counter()
            job()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if number >= warmup:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def apart(
    jobs: Mapping[str, Callable[[], Mapping[str, Callable[[], object]]]], rounds: int, warmup: int = 2
) -> dict[str, dict[str, list[float]]]:
    """As `interleaved`, but with a process for each job, for runtimes that slow each other down in one.

    Threads of onnxruntime, for example, go on spinning after a run, and whoever computes next has to share the cores.

    Args:
        jobs: for each name, what makes its timed parts, once, in its process; it is pickled.

    Returns:
        For each name, the seconds of each part in each round: of the second of two runs in a row.

    Raises:
        E2GANError: a process ended early.
    """
    context = multiprocessing.get_context("spawn")
    pipes, processes = {}, []
    for name, make in jobs.items():
        pipes[name], other = context.Pipe()
        processes.append(context.Process(target=_serve, args=(make, other), daemon=True))
        processes[-1].start()
        other.close()
    seconds: dict[str, dict[str, list[float]]] = {name: {} for name in jobs}
    try:
        for name, pipe in pipes.items():
            seconds[name] = {part: [] for part in pipe.recv()}
        for number in range(warmup + rounds):
            for name, pipe in pipes.items():
                time.sleep(SETTLE)
                pipe.send("time")
                for part, taken in pipe.recv().items():
                    seconds[name][part] += [taken] * (number >= warmup)
    except (EOFError, OSError):
        raise E2GANError(f"the process of '{name}' ended early; what it printed says why") from None
    finally:
        for process in processes:
            process.terminate()
            process.join()
    return seconds


def _serve(make: Callable[[], Mapping[str, Callable[[], object]]], pipe: Connection) -> None:
    """Make the parts, tell their names, and time all of them whenever that is asked for."""
    parts = make()
    pipe.send(list(parts))
    while pipe.recv():
        taken = {}
        for part, job in parts.items():
            job()  # which finds what other processes have left of the caches
            start = time.perf_counter()
            job()
            taken[part] = time.perf_counter() - start
        pipe.send(taken)


def ratio(slow: Sequence[float], fast: Sequence[float]) -> float:
    """Median of the rounds' quotients."""
    return median(a / b for a, b in zip(slow, fast, strict=True))


def matmul_rate(dtype: torch.dtype, device: torch.device, size: int, rounds: int = 10) -> float:
    """FLOP a second of the machine's own product of two ``size`` × ``size`` matrices; the median."""
    a, b = (torch.randn(size, size).to(device, dtype) for _ in range(2))
    seconds = interleaved({"mm": lambda: torch.mm(a, b)}, rounds)["mm"]
    return 2 * size**3 / median(seconds)


def machine() -> dict[str, Any]:
    """The machine and versions behind the figures."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": _processor(),
        "cores": cores,
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def parser(doc: str | None) -> argparse.ArgumentParser:
    """The command line of a benchmark; ``doc`` is its module's docstring."""
    command = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    command.add_argument("-o", "--output", type=Path, help="write the figures as JSON to this file, too")
    return command


def script(main: Callable[[], None]) -> None:
    """Run a benchmark's ``main``; as in the program, errors that a person can fix are one line."""
    try:
        main()
    except E2GANError as error:
        sys.exit(f"error: {error}" + (f"\n{error.hint}" if error.hint else ""))


def report(figures: Mapping[str, Sequence[Figure]], output: Path | None) -> None:
    """Print figures by benchmark, and write them as JSON if ``output`` is given."""
    about = machine()
    print(", ".join(f"{name} {value}" for name, value in about.items() if value is not None))
    for title, some in figures.items():
        print(f"\n{title}")
        width = max((len(figure.name) for figure in some), default=0)
        for figure in some:
            print(f"  {figure.name:<{width}}  {_line(figure)}")
    if output is not None:
        by_title = {title: [{**asdict(f), "met": f.met} for f in some] for title, some in figures.items()}
        atomic_write(output, json.dumps({"machine": about, "figures": by_title}, indent=2, ensure_ascii=False) + "\n")
        print(f"\nwrote {output}")


def _line(figure: Figure) -> str:
    line = f"{figure.value:10.4g} {figure.unit:<7}"
    limits = [(figure.at_least, "at least"), (figure.at_most, "at most")]
    wanted = " and ".join(f"{words} {limit:g}" for limit, words in limits if limit is not None)
    return (f"{line} {'met   ' if figure.met else 'MISSED'} ({wanted})" if wanted else line).rstrip()
