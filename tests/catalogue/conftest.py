"""Concepts on a tiny base: sound, broken, and hostile ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from PIL import Image

from e2gan.base import Base
from e2gan.concept import PREVIEW, Concept, record_quality, write_concept
from tests.editor.tiny import photo, write_tiny_concept

QUALITY = {"l1_ratio": 0.3, "headline": "net", "net": {"features": "a net", "fid_ratio": 0.15}, "stroke_energy": 0.5}

HOSTILE = '<script>document.title = "taken"</script><img src=x onerror="document.title = `taken`">"\'&'
"""Text that runs, if it is not escaped."""


def tiny(folder: Path, base: Base, *, seed: int = 1, preview: bool = True, **texts: str) -> Concept:
    """A concept with a preview; ``texts`` replace those of its manifest."""
    concept = write_tiny_concept(folder, base, seed=seed)
    if texts:
        adapter = concept.load(base)
        manifest = {**concept.manifest, **texts}
        write_concept(folder, manifest=manifest, tensors=adapter.tensors, prompt=adapter.prompt)
    if preview:
        Image.fromarray(photo(180, 60, seed)).save(folder / PREVIEW)
    return Concept.read(concept.path)


@pytest.fixture(scope="session")
def concepts(tmp_path_factory: pytest.TempPathFactory, base: Base) -> list[Concept]:
    """Dusk, measured; dawn, without a preview; and one whose texts are hostile."""
    folder = tmp_path_factory.mktemp("concepts")
    dusk = tiny(folder / "dusk", base, seed=1)
    record_quality(dusk, QUALITY)
    dawn = tiny(folder / "dawn", base, seed=2, preview=False)
    trick = tiny(folder / "trick", base, seed=3, title=HOSTILE[:100], prompt=HOSTILE, description=HOSTILE)
    return [Concept.read(dusk.path), dawn, trick]


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder without a word."""

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(site: Path) -> Iterator[str]:
    """The address of a folder."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
