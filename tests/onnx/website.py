"""The page that edits, with tiny models: served, opened, used."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from PIL import Image

from e2gan.concept import Concept
from e2gan.web import ASSETS
from e2gan_catalogue.entries import write_entry
from e2gan_catalogue.trying import MEDIABUNNY, write_page
from tests.editor.tiny import photo

BUILD = Path(__file__).parents[2] / "build"

RUNTIME = next((file.parent for file in BUILD.glob("onnxruntime-web/*/ort.wasm.min.mjs")), None)

CLIPS = next((file.parent for file in BUILD.glob(f"mediabunny/*/{MEDIABUNNY}")), None)

PATIENCE = 120_000
"""Milliseconds: a bound for a machine that is busy, not a measure."""


class Quiet(SimpleHTTPRequestHandler):
    """Serves the page's folder, and remembers what was asked for."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *_: Any) -> None:
        pass


def put_together(
    folder: Path,
    models: Path,
    concepts: Iterable[Concept],
    clips: Path | None = None,
    *,
    lite: tuple[Path, list[str]] | None = None,
) -> Path:
    """What ``e2gan catalogue --runtime --clips`` puts together, with tiny models; ``lite``: those of a smaller base."""
    entries = [write_entry(concept, folder, concept.id) for concept in concepts]
    write_page(folder / "try", [entry.card("../") for entry in entries], clips, lite=lite[1] if lite else [])
    if lite:
        (folder / "try/models-lite").symlink_to(lite[0])
    assert RUNTIME is not None
    (folder / "try/ort").symlink_to(RUNTIME)
    (folder / "try/models").symlink_to(models)
    shutil.copytree(ASSETS, folder / "shared")
    sample = {"name": "ridge", "title": "a mountain ridge", "alt": "a ridge", "credit": "Photo: nobody"}
    (folder / "shared/samples/samples.json").write_text(json.dumps([sample]), encoding="utf-8")
    Image.fromarray(photo(96, 64)).save(folder / "shared/samples/ridge.jpg")
    return folder


@contextmanager
def served(site: Path) -> Iterator[tuple[str, list[str]]]:
    """The page's address, and the paths that are asked for."""
    handler = type("Handler", (Quiet,), {"asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(site))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/try/", handler.asked
        server.shutdown()


@contextmanager
def opened(browser: Any, address: str, *, before: str = "", **options: Any) -> Iterator[Any]:
    """The page, loaded, its sample edited; the script ``before`` runs first."""
    context = browser.new_context(**{"viewport": {"width": 1000, "height": 800}, **options})
    context.set_default_timeout(PATIENCE)
    context.add_init_script(before)
    page = context.new_page()
    page.goto(address)
    # It is loaded twice: the second time with threads.
    page.wait_for_selector('.stage[data-state="ready"]')
    yield page
    context.close()


def edits(page: Any) -> int:
    return int(page.evaluate("Number(document.body.dataset.edits || 0)"))


def wait_for_edit(page: Any, before: int) -> None:
    page.wait_for_function(f"Number(document.body.dataset.edits || 0) > {before}")


def choose_concept(page: Any, id: str) -> None:
    if page.is_checked(f'input[value="{id}"]'):
        return
    before = edits(page)
    page.check(f'input[value="{id}"]', force=True)
    wait_for_edit(page, before)
