"""Concepts on a Hub: pulling a concept that is already here, a search among many, and the requests of a pull."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from benchmarks.measuring import Figure, parser, report, script
from benchmarks.startup import CORES, PROGRAM, run
from benchmarks.switching import shipped
from e2gan.base import find_base
from e2gan.concept import CONFIG, render_adapter_config
from e2gan.errors import E2GANError


@contextmanager
def machine() -> Iterator[tuple[Path, dict[str, str]]]:
    """A working folder, and the variables that keep a process's data, settings and caches in it."""
    with tempfile.TemporaryDirectory() as folder:
        places = {name: str(Path(folder, name)) for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")}
        yield Path(folder), {**places, "E2GAN_LOAD_PLUGINS": "e2gan-hub"}


def measure_pulls(count: int = 50, rounds: int = 7) -> list[Figure]:
    """Requests of each of ``count`` pulls, on a server of our own; then seconds of one whose commit is already here."""
    from e2gan_hub.devserver import HubServer

    with machine() as (folder, environment):
        hub = HubServer(folder / "hub", {"maker": "hf_maker"}).start()
        environment |= hub.environment(folder / "home", "maker")
        asked = []
        for number in range(count):
            repo = f"maker/concept-{number}"
            commit = hub.put(repo, bundle(), tags=["v1.0.0"])
            hub.requests.clear()
            run(["-c", PROGRAM, "pull", repo, "-q"], environment)
            asked.append(sum(not request.path.startswith("/api/agent-harnesses") for request in hub.requests))
        hub.requests.clear()
        pull = ["-c", PROGRAM, "pull", f"{repo}@{commit}"]
        runs = [run(pull, environment) for _ in range(rounds + 1)][1:]
        idle = len(list(hub.requests))
        hub.kill()
    return [
        Figure(f"requests of a pull, the most of {count}", max(asked), at_most=6),
        Figure("e2gan pull of a commit that is here", median(ran.seconds for ran in runs), "s", at_most=0.5),
        Figure("requests of that", idle, at_most=0),
    ]


def bundle() -> dict[str, bytes]:
    """The files of a shipped concept that e2gan push publishes."""
    concept = shipped()[0]
    files = {file.name: file.read_bytes() for file in concept.path.iterdir()}
    files[CONFIG] = render_adapter_config(find_base(concept.base_id).config, concept.ranks).encode()
    return files


INDEX = """
import sys
from e2gan_hub.index import Entry, write_index

words = ["oil", "crayon", "winter", "dusk", "ink", "paper", "gouache", "neon", "chalk", "film"]
write_index(
    Entry(
        f"maker-{n % 997}/{words[n % 10]}-{n}", f"{words[n % 10].title()} {n}", f"a {words[n // 10 % 10]} picture",
        "apache-2.0", "maker/scenery", f" e2gan e2gan-concept lora {words[n // 100 % 10]} ", n * 7919 % 100003, n % 300
    )
    for n in range(int(sys.argv[1]))
)
"""


def measure_search(count: int = 100_000, rounds: int = 7) -> list[Figure]:
    """Seconds of a search over an index of ``count`` concepts, including the process's start; and the index's size."""
    with machine() as (folder, environment):
        run(["-c", INDEX, str(count)], environment)
        size = sum(file.stat().st_size for file in folder.rglob("*.sqlite"))
        arguments = ["-c", PROGRAM, "search", "winter", "paper", "--sort", "fid", "--offline", "--json"]
        runs = [run(arguments, environment) for _ in range(rounds + 1)][1:]
        if not json.loads(runs[0].output):
            raise E2GANError("the search finds nothing")
    return [
        Figure(f"e2gan search of {count:,} concepts", median(ran.seconds for ran in runs), "s", at_most=1),
        Figure("size of that index", size / 1e6, "MB"),
    ]


def measure(count: int = 50, entries: int = 100_000) -> list[Figure]:
    return [*measure_pulls(count), *measure_search(entries)]


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser(__doc__).parse_args(arguments)
    print(f"each command a process of its own, on {CORES} of {os.cpu_count()} cores")
    report({"hub": measure()}, options.output)


if __name__ == "__main__":
    script(main)
