"""The page on a tiny base for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2gan.base import Base
from e2gan.cli import cli
from e2gan.concept import Concept
from e2gan.plugins import use_registry
from e2gan_demo.plugin import demo
from tests.demo.serving import PATIENCE, Served, Shelf, serve, tiny_concepts


@pytest.fixture(scope="session")
def concepts(tmp_path_factory: pytest.TempPathFactory, base: Base) -> list[Concept]:
    return tiny_concepts(tmp_path_factory.mktemp("concepts"), base)


@pytest.fixture(scope="session")
def shelf(concepts: list[Concept]) -> Shelf:
    return Shelf(concepts)


@pytest.fixture(autouse=True)
def installed(shelf: Shelf) -> None:
    """These are all that is installed."""
    use_registry(shelf)


@pytest.fixture
def command() -> None:
    """The plugin's command: the registry of these tests has no plugin but its own."""
    cli.add_command(demo)


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory, base: Base, shelf: Shelf) -> Iterator[Served]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))
        patch.setenv("GRADIO_HEARTBEAT_INTERVAL", "1")
        use_registry(shelf)
        serving = serve(base, tmp_path_factory.mktemp("demo"))
        use_registry()
        yield serving
        serving.blocks.close(verbose=False)


@pytest.fixture
def page(browser: Any, served: Served, tmp_path: Path) -> Iterator[Any]:
    """The page, opened, with a sample in it, edited; it must log no error and ask no other machine for anything."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, permissions=["camera"])
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    asked: list[str] = []
    wrong: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda told: wrong.append(told.text) if "Security Policy" in told.text else None)
    page.goto(served.url)
    ready(page)
    yield page
    context.close()
    assert not wrong
    assert not [url for url in asked if not url.startswith((served.url, "data:", "blob:"))]


def ready(page: Any) -> None:
    page.wait_for_selector('.stage[data-state="ready"]')
