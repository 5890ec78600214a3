"""The catalogue's page that edits in the browser: the time until the first edit, and of the following ones.

With both networks, on WebAssembly with as many threads as there are cores, in headless Chromium.  The site is built for
it; onnxruntime-web comes from ``make build/onnxruntime-web/VERSION``.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measuring import Figure, parser, ratio, report, script
from benchmarks.startup import PROGRAM, run

CONCEPTS = ("vangogh", "ukiyoe")
SIZE = "256"
"""Longer side of the edited photo, a square, in pixels."""
PATIENCE = 300_000
"""Milliseconds."""


def measure(runtime: Path, concepts: Sequence[str] = CONCEPTS, *, rounds: int = 5) -> list[Figure]:
    """The figures of the networks ``lite`` and ``full``; ``runtime`` holds the files of onnxruntime-web."""
    from playwright.sync_api import sync_playwright

    figures: list[Figure] = []
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        run(["-c", PROGRAM, "catalogue", *concepts, "-o", folder, "--runtime", str(runtime)])
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium")
        with _served(Path(folder)) as address:
            for network in ("lite", "full"):
                firsts, seconds[network] = _use(
                    browser, f"{address}try/?concept={concepts[0]}", network, concepts, rounds
                )
                if network == "lite":  # the page's own choice
                    look, whole = firsts
                    figures += [
                        Figure("from the address to a first look", look, "s", at_most=3),
                        Figure("from the address to the first edit", whole, "s"),
                    ]
                figures.append(
                    Figure(f"{network}: an edit at {SIZE}², another concept", 1000 * median(seconds[network]), "ms")
                )
        browser.close()
    return [*figures, Figure("lite: speed of full", ratio(seconds["full"], seconds["lite"]), "×")]


def _use(
    browser: Any, address: str, network: str, concepts: Sequence[str], rounds: int
) -> tuple[tuple[float, float], list[float]]:
    """Seconds until something of the first edit is shown, and until all is, with the page's own choices; and of each
    change of concept with ``network``."""
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    start = time.perf_counter()
    page.goto(address)
    # The page is loaded twice: the second time with threads.
    page.wait_for_selector('.stage[data-state="working"]')
    look = time.perf_counter() - start
    page.wait_for_selector('.stage[data-state="ready"]')
    whole = time.perf_counter() - start
    _change(page, lambda: page.select_option("[data-at=size]", SIZE))
    if page.input_value("[data-at=network]") != network:
        _change(page, lambda: page.select_option("[data-at=network]", network))
    seconds = []
    for number in range(2 * rounds + 2):
        following = f'input[value="{concepts[(number + 1) % len(concepts)]}"]'
        took = _change(page, partial(page.check, following, force=True))
        seconds += [took] * (number >= 2)  # the first two load what a concept adds
    context.close()
    return (look, whole), seconds


def _change(page: Any, change: Any) -> float:
    """Seconds from a change until its edit is shown."""
    before = page.evaluate("Number(document.body.dataset.edits || 0)")
    start = time.perf_counter()
    change()
    page.wait_for_function(f"Number(document.body.dataset.edits || 0) > {before}")
    return time.perf_counter() - start


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def _served(site: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def main(arguments: Sequence[str] | None = None) -> None:
    command = parser(__doc__)
    command.add_argument("--runtime", type=Path, required=True, help="folder of onnxruntime-web's files")
    command.add_argument("--rounds", type=int, default=5)
    options = command.parse_args(arguments)
    report({"page": measure(options.runtime, rounds=options.rounds)}, options.output)


if __name__ == "__main__":
    script(main)
