"""The catalogue in a real browser: found, compared, and safe; from a server and from a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2gan.concept import Concept
from e2gan_catalogue.site import build
from tests.catalogue.conftest import serving

PATIENCE = 60_000
"""Milliseconds to wait for what should be there at once; a busy machine may need them."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, concepts: list[Concept]) -> Path:
    folder = tmp_path_factory.mktemp("site")
    build(concepts, folder)
    return folder


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    with serving(site) as address:
        yield address


@pytest.fixture(params=["server", "folder"])
def page(request: pytest.FixtureRequest, browser: Any, site: Path, address: str) -> Iterator[Any]:
    """The front page; it must run nothing of a stranger's, log no error, and ask no other machine for anything."""
    start = address if request.param == "server" else f"{site.as_uri()}/"
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    asked: list[str] = []
    wrong: list[str] = []
    page.on("request", lambda asking: asked.append(asking.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda told: wrong.append(told.text) if told.type == "error" else None)
    page.goto(f"{start}index.html")
    yield page
    assert page.title() != "taken"
    context.close()
    assert not wrong
    assert not [url for url in asked if not url.startswith((start, "data:"))]


def titles(page: Any) -> list[str]:
    return [text.strip() for text in page.locator(".tile:visible .tile-title").all_text_contents()]


def test_search(page: Any) -> None:
    search = page.get_by_label("Search concepts")
    search.fill("style DUSK")
    assert titles(page) == ["Dusk"]
    assert page.get_by_role("status").inner_text() == "1 of 3 concepts"
    search.fill("nothing like <b>it</b>")
    assert (
        titles(page) == [] and "No concept matches “nothing like <b>it</b>”" in page.get_by_role("status").inner_text()
    )
    search.fill("")
    assert len(titles(page)) == 3


def test_order(page: Any) -> None:
    page.get_by_label("Order").select_option("title")
    assert titles(page)[1:] == ["Dawn", "Dusk"]
    page.get_by_label("Order").select_option("close")
    assert titles(page)[0] == "Dusk"
    page.get_by_label("Order").select_option("")
    assert titles(page)[:2] == ["Dusk", "Dawn"]


def test_a_concepts_page_and_back(page: Any) -> None:
    page.locator(".tile", has_text="Dusk").get_by_role("link").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Dusk"
    text = page.locator("main").inner_text()
    for part in (
        "in the style of dusk",
        "very close to what it learned from",
        "85 % of the way",
        "1.2.0",
        "apache-2.0",
        "grade",
    ):
        assert part in text
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download").click()
    assert waiting.value.suggested_filename == "dusk-1.2.0.zip"
    page.get_by_role("link", name="All concepts").click()
    page.locator(".tile:visible").nth(2).wait_for()  # the click does not wait for the other page
    assert len(titles(page)) == 3


def test_before_and_after_are_compared_by_keyboard(page: Any) -> None:
    seam = page.get_by_label("Compare: how much of the photo before the edit is shown").first
    seam.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert seam.evaluate("node => node.parentElement.style.getPropertyValue('--split')") == "53%"
    assert seam.get_attribute("aria-valuetext") == "53 % before"


def test_examples_take_turns(page: Any) -> None:
    buttons = page.locator(".hero-choice button")
    assert buttons.count() == 2
    buttons.nth(1).click()
    assert buttons.nth(1).get_attribute("aria-pressed") == "true"
    assert page.locator(".hero-one:visible").count() == 1
    assert page.locator("#hero-trick").is_visible()


def test_strangers_texts_are_text(page: Any) -> None:
    page.get_by_label("Search concepts").fill("trick")
    page.locator(".tile:visible").get_by_role("link").click()
    assert "<script>" in page.get_by_role("heading", level=1).inner_text()
    assert page.locator("main img[src=x]").count() == 0


def test_a_link_to_a_search(browser: Any, address: str) -> None:
    page = browser.new_page()
    page.goto(f"{address}index.html?q=dawn&order=title")
    assert titles(page) == ["Dawn"]
    page.get_by_label("Search concepts").fill("dusk")
    page.wait_for_url("**/index.html?q=dusk&order=title")
    page.goto(f"{address}index.html?order=constructor")
    assert len(titles(page)) == 3
    page.close()


def test_colours_are_remembered(browser: Any, address: str) -> None:
    context = browser.new_context(color_scheme="light")
    page = context.new_page()
    page.goto(f"{address}index.html")
    page.get_by_role("button", name="Dark colours").click()
    page.goto(f"{address}concepts/dusk.html")
    assert page.evaluate("document.body.classList.contains('dark')")
    assert page.get_by_role("button", name="Dark colours").get_attribute("aria-pressed") == "true"
    context.close()


def test_without_scripts_everything_is_there(browser: Any, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}index.html")
    assert page.locator(".tile").count() == 3
    assert page.locator("#search").is_hidden()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("name", ["index.html", "concepts/dusk.html", "concepts/trick.html"])
def test_it_fits_its_width_and_everybody_can_use_it(
    browser: Any, address: str, name: str, scheme: str, width: int, tmp_path: Path
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
    page.set_default_timeout(PATIENCE)
    page.goto(f"{address}{name}")
    page.screenshot(path=tmp_path / f"{width}-{scheme}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    violations = Axe().run(page).response["violations"]
    page.close()
    assert [each["id"] for each in violations if each["impact"] in ("serious", "critical")] == []
