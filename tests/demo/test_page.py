"""The page in a real browser, as a person uses it."""

from __future__ import annotations

import base64
import io
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from e2gan.base import Base
from e2gan.images import read_provenance, save_image
from e2gan_demo.guard import Access
from e2gan_demo.jobs import Cancelled
from e2gan_demo.studio import data_url
from tests.demo.conftest import ready
from tests.demo.serving import PATIENCE, Proxy, Served, pixels, png, serve


def upload(page: Any, data: bytes, name: str = "mine.png") -> None:
    page.set_input_files('input[type="file"]', {"name": name, "mimeType": "image/png", "buffer": data})


def drop(page: Any, content: str) -> None:
    """Drop a file onto the page; ``content`` is JavaScript."""
    page.evaluate(
        f"""async () => {{
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([{content}], "dropped.png", {{ type: "image/png" }}));
            dispatchEvent(new DragEvent("drop", {{ dataTransfer }}));
        }}"""
    )


def paste(page: Any, content: str) -> None:
    """Paste a file; ``content`` is JavaScript."""
    page.evaluate(
        f"""async () => {{
            const clipboardData = new DataTransfer();
            clipboardData.items.add(new File([{content}], "pasted.png", {{ type: "image/png" }}));
            dispatchEvent(new ClipboardEvent("paste", {{ clipboardData }}));
        }}"""
    )


def opened(page: Any, size: str = "256 × 192") -> None:
    """Wait until the photo of that size is there, edited."""
    page.wait_for_function("(text) => document.querySelector('[data-at=status]')?.textContent.includes(text)", arg=size)
    ready(page)


def choose(page: Any, title: str) -> None:
    page.get_by_role("radio", name=title).check(force=True)
    status(page, rf"^{title} ·")


def status(page: Any, pattern: str) -> str:
    script = "(pattern) => new RegExp(pattern).test(document.querySelector('[data-at=status]')?.textContent)"
    page.wait_for_function(script, arg=pattern)
    return str(page.locator("[data-at=status]").text_content())


def shown(page: Any, which: str = "after") -> np.ndarray:
    """The pixels of a picture of the stage."""
    return pixels(base64.b64decode(page.locator(f"[data-at={which}]").get_attribute("src").split(",")[1]))


def download(page: Any, format: str) -> tuple[str, bytes]:
    page.get_by_label("Format of the download").select_option(format)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download", exact=True).click()
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


class TestEditing:
    def test_an_uploaded_photo_is_edited_with_the_chosen_concept(self, page: Any, served: Served) -> None:
        upload(page, png())
        opened(page)
        for name in ("Dusk", "Dawn"):
            choose(page, name)
            expected = served.editor.apply(png(), served.studio.catalogue.find(name.lower()))
            assert page.locator("[data-at=after]").get_attribute("src") == data_url(expected)
        assert "Dawn" in page.locator("[data-at=after]").get_attribute("alt")

    @pytest.mark.parametrize("way", [drop, paste])
    def test_a_dropped_and_a_pasted_photo(self, page: Any, way: Callable[[Any, str], None]) -> None:
        way(page, f"new Uint8Array({list(png(80, 60))})")
        opened(page, "80 × 60")

    def test_a_blend_is_between_its_concepts(self, page: Any, served: Served) -> None:
        upload(page, png())
        opened(page)
        choose(page, "Dusk")
        page.get_by_label("Blend with").select_option("dawn")
        page.locator("[data-at=mix]").fill("25")
        find = served.studio.catalogue.find
        expected = data_url(served.editor.apply(png(), {find("dusk"): 0.75, find("dawn"): 0.25}))
        page.wait_for_function("(url) => document.querySelector('[data-at=after]').src === url", arg=expected)
        assert "Dusk + Dawn" in status(page, "·")

    def test_strength_is_mixed_in_the_browser(self, page: Any) -> None:
        page.locator("[data-at=strength]").fill("40")
        assert page.locator("[data-at=after]").evaluate("node => node.style.opacity") == "0.4"

    def test_the_seam_moves_by_keyboard(self, page: Any) -> None:
        seam = page.get_by_label("Compare: how much of the photo before the edit is shown")
        seam.focus()
        for _ in range(3):
            page.keyboard.press("ArrowRight")
        assert page.locator("[data-at=pictures]").evaluate("node => node.style.getPropertyValue('--split')") == "53%"
        assert "53 % before" in seam.get_attribute("aria-valuetext")

    def test_concepts_are_chosen_by_keyboard(self, page: Any) -> None:
        choose(page, "Dawn")
        page.get_by_role("radio", name="Dawn").focus()
        page.keyboard.press("ArrowRight")
        status(page, "^Dusk ·")

    def test_every_concept_on_ones_own_photo(self, page: Any) -> None:
        upload(page, png())
        opened(page)
        page.get_by_role("button", name="Try all on my photo").click()
        page.wait_for_function("document.querySelectorAll('.card img[src^=\"data:image/jpeg\"]').length === 2")
        page.get_by_role("button", name="Show the examples").click()
        assert page.locator('[data-name="dusk"] img[src^="data:image/jpeg"]').count() == 0

    def test_a_concept_without_a_preview_gets_a_picture(self, page: Any, served: Served) -> None:
        picture = page.locator('[data-name="dawn"] img[src^="data:image/jpeg"]')
        picture.wait_for(state="attached")
        sample = served.studio.samples["portrait"].small.copy()
        sample.thumbnail((384, 384), Image.Resampling.LANCZOS, reducing_gap=3.0)
        assert picture.get_attribute("src") == data_url(
            served.editor.apply(sample, served.studio.catalogue.find("dawn"))
        )

    def test_full_size_is_what_is_downloaded(self, page: Any, served: Served) -> None:
        upload(page, png(700, 500))
        opened(page, "512 × 366")
        page.get_by_label("Shown at").select_option("")
        status(page, "700 × 500, full size")
        assert shown(page).shape == (500, 700, 3)


class Slow:
    """An editor that is never done with a photo from a file, until it is told to be or cancelled."""

    def __init__(self, edit: Callable[..., Any]) -> None:
        self.edit = edit
        self.go_on = threading.Event()
        self.cancelled = threading.Event()

    def __call__(self, photos: Any, concepts: Any, *rest: Any, advance: Any = None) -> Any:
        if advance is not None:
            try:
                while not self.go_on.wait(0.05):
                    advance(0.5)
            except Cancelled:
                self.cancelled.set()
                raise
        return self.edit(photos, concepts, *rest)


class TestWaiting:
    @pytest.fixture
    def slow(self, served: Served, monkeypatch: pytest.MonkeyPatch) -> Slow:
        slow = Slow(served.studio._edit)
        monkeypatch.setattr(served.studio, "_edit", slow)
        return slow

    def test_full_size_says_how_long_and_can_be_cancelled(self, page: Any, slow: Slow) -> None:
        upload(page, png(700, 500))
        opened(page, "512 × 366")
        page.get_by_label("Shown at").select_option("")
        line = page.locator("[data-at=wait]")
        line.get_by_text(re.compile(r"Editing 1 megapixel: (a moment|about \d+ (seconds|minutes)) left")).wait_for()
        line.get_by_role("button", name="Cancel").click()
        assert slow.cancelled.wait(PATIENCE / 1000), "the server goes on"
        opened(page, "512 × 366, quick")
        assert page.get_by_label("Shown at").input_value() == "512" and line.is_hidden()

    def test_so_does_a_download(self, page: Any, slow: Slow) -> None:
        page.get_by_role("button", name="Download", exact=True).click()
        page.locator("[data-at=wait]").get_by_text(re.compile("Making 1 megapixel: .* left")).wait_for()
        assert page.get_by_role("button", name="Making it …").is_disabled()
        page.get_by_role("button", name="Cancel").click()
        page.get_by_role("button", name="Download", exact=True).wait_for()
        assert slow.cancelled.wait(PATIENCE / 1000)
        slow.go_on.set()
        assert download(page, "png")[0].endswith(".png")

    def test_another_wish_takes_its_place(self, page: Any, slow: Slow) -> None:
        upload(page, png(700, 500))
        opened(page, "512 × 366")
        page.get_by_label("Shown at").select_option("")
        page.locator("[data-at=wait]").wait_for()
        page.get_by_label("Shown at").select_option("512")
        assert slow.cancelled.wait(PATIENCE / 1000)
        opened(page, "512 × 366, quick")


class TestWhatGoesOn:
    """The page says what goes on, from the moment that Gradio has built it to the edit."""

    def test_before_its_script_has_come(self, browser: Any, served: Served) -> None:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        page.route("**/page.js", lambda route: route.abort())
        page.goto(served.url)
        page.get_by_role("status").filter(has_text="Loading the page …").wait_for()
        assert page.locator(".stage").bounding_box()["height"] > 300, "where the photo will be"
        page.close()

    def test_while_it_edits(self, page: Any, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
        go = threading.Event()
        edit = served.studio._edit
        monkeypatch.setattr(served.studio, "_edit", lambda *given: go.wait(PATIENCE / 1000) and edit(*given))
        page.get_by_role("radio", name="Dusk").check(force=True)
        page.get_by_role("status").filter(has_text="Editing to Dusk …").wait_for()
        go.set()
        status(page, "^Dusk ·")


class TestContactSheet:
    def test_tiles_of_an_earlier_photo_go_at_once(self, page: Any, served: Served) -> None:
        upload(page, png())
        opened(page)
        page.get_by_role("button", name="Try all on my photo").click()
        tiles = "document.querySelectorAll('.card img[src^=\"data:image/jpeg\"]').length"
        page.wait_for_function(f"{tiles} === 2")
        page.evaluate(
            """() => {
                const stage = document.querySelector(".stage");
                const count = () => document.querySelectorAll(".card img[src]").length;
                new MutationObserver(() => {
                    if (stage.dataset.state === "loading") document.body.left = count();
                }).observe(stage, { attributes: true, attributeFilter: ["data-state"] });
            }"""
        )
        upload(page, png(200, 400, seed=3))
        opened(page, "200 × 400")
        assert page.evaluate("document.body.left") == 0
        page.wait_for_function(f"{tiles} === 2")
        shape = page.locator(".card .frame").first.bounding_box()
        assert shape["height"] > shape["width"], "a portrait keeps its head"

    def test_they_are_edited_large_enough_for_faces(self, page: Any) -> None:
        upload(page, png(800, 600))
        opened(page, "512 × 384")
        page.get_by_role("button", name="Try all on my photo").click()
        page.wait_for_function("document.querySelectorAll('.card img[src^=\"data:image/jpeg\"]').length === 2")
        assert page.locator(".card img").first.evaluate("image => image.naturalWidth") >= 384

    def test_a_bad_file_brings_the_tiles_back(self, page: Any) -> None:
        upload(page, png())
        opened(page)
        page.get_by_role("button", name="Try all on my photo").click()
        page.wait_for_function("document.querySelectorAll('.card img[src^=\"data:image/jpeg\"]').length === 2")
        upload(page, b"no picture at all")
        page.get_by_role("alert").filter(has_text="not a picture").wait_for()
        page.wait_for_function("document.querySelectorAll('.card img[src^=\"data:image/jpeg\"]').length === 2")


class TestPhone:
    def test_result_and_concepts_are_in_view_together_and_stay(self, browser: Any, served: Served) -> None:
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.set_default_timeout(PATIENCE)
        page.goto(served.url)
        ready(page)

        def seen(selector: str) -> bool:
            box = page.locator(selector).first.bounding_box()
            return bool(box and box["y"] >= 0 and box["y"] + box["height"] <= 844)

        assert seen(".stage") and seen(".card")
        choose(page, "Dawn")
        ready(page)
        assert seen(".stage") and seen(".card")
        page.locator("[data-at=strength]").scroll_into_view_if_needed()
        page.evaluate("scrollBy(0, 200)")
        assert seen(".stage"), "what the strength does can be seen"
        page.close()


class TestDownloads:
    @pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
    def test_are_what_apply_writes(self, page: Any, served: Served, tmp_path: Path, format: str) -> None:
        upload(page, png(600, 400))
        opened(page, "512 × 341")
        choose(page, "Dawn")
        page.locator("[data-at=strength]").fill("70")
        name, data = download(page, format)
        assert name == f"mine-dawn.{format}"
        expected = served.editor.apply(png(600, 400), served.studio.catalogue.find("dawn"), 0.7)
        save_image(expected, tmp_path / f"expected.{format}")
        assert data == (tmp_path / f"expected.{format}").read_bytes()
        provenance = read_provenance(data)
        assert provenance and provenance["concepts"] == [{"id": "dawn", "version": "1.2.0", "weight": 1.0}]

    def test_a_sheet_of_all(self, page: Any) -> None:
        with page.expect_download() as waiting:
            page.get_by_role("button", name="Download sheet").click()
        assert waiting.value.suggested_filename.endswith("-sheet.png")
        assert Image.open(waiting.value.path()).width > 1000


class TestLive:
    def test_frames_are_edited_and_one_becomes_the_photo(self, page: Any) -> None:
        page.get_by_role("button", name="Live camera").click()
        text = status(page, r"[1-9]\d*\.\d frames per second|0\.[1-9] frames per second")
        assert text.startswith("Live · D")
        width = shown(page).shape[1]
        assert width == 256
        page.get_by_role("button", name="Take this photo").click()
        ready(page)
        assert page.locator("[data-at=video]").is_hidden()
        assert max(shown(page, "before").shape) == 512

    def test_stopping_gives_the_photo_back(self, page: Any) -> None:
        page.get_by_role("button", name="Live camera").click()
        status(page, "frames per second")
        page.get_by_role("button", name="Stop camera").click()
        ready(page)
        assert page.locator("[data-at=before]").is_visible()


class TestFaults:
    @pytest.mark.parametrize(
        "data, message",
        [
            (b"", "empty"),
            (b"no picture at all", "not a picture"),
            (png()[:3000], "damaged or cut off"),
        ],
        ids=["empty", "no picture", "cut off"],
    )
    def test_a_bad_file_is_explained(self, page: Any, data: bytes, message: str) -> None:
        upload(page, data, "my holiday.png")
        alert = page.get_by_role("alert").filter(has_text=message)
        alert.wait_for()
        assert "my holiday.png: " in alert.inner_text()
        upload(page, png())
        opened(page)
        assert alert.is_hidden()

    def test_a_picture_that_swells_is_refused(self, page: Any) -> None:
        buffer = io.BytesIO()
        Image.new("1", (20_000, 20_000)).save(buffer, "PNG")
        upload(page, buffer.getvalue())
        page.get_by_role("alert").filter(has_text="larger than the 40 megapixels").wait_for()

    def test_a_large_file_is_not_even_sent(self, page: Any) -> None:
        drop(page, "new Uint8Array(26e6)")
        page.get_by_role("alert").filter(has_text="dropped.png: larger than the 25 MB").wait_for()

    def test_a_full_queue(self, page: Any, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as full:
            full.setattr(served.blocks._queue, "max_size", 0)
            page.locator('.card:has-text("Dusk")').click()
            alert = page.get_by_role("alert").filter(has_text="busy or out of reach")
            alert.wait_for()
        choose(page, "Dawn")
        assert alert.is_hidden()

    def test_too_many_requests(self, page: Any, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as strict:
            strict.setattr("e2gan_demo.limits.Buckets.take", lambda *_: False)
            page.locator('.card:has-text("Dusk")').click()
            page.get_by_role("alert").filter(has_text="busy or out of reach").wait_for()

    def test_a_camera_that_is_refused(self, page: Any) -> None:
        page.evaluate("() => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new Error('no')); }")
        page.get_by_role("button", name="Live camera").click()
        page.get_by_role("alert").filter(has_text="camera cannot be used").wait_for()

    def test_a_photo_that_has_been_deleted(self, page: Any, served: Served) -> None:
        upload(page, png(seed=5))
        opened(page)
        for photo in served.studio.photos.all():
            photo.path.unlink()
        page.get_by_role("radio", name="Dawn").check(force=True)
        page.get_by_role("radio", name="Dusk").check(force=True)
        page.get_by_role("alert").filter(has_text="deleted").wait_for()


class TestFinding:
    def test_search(self, page: Any) -> None:
        page.get_by_label("Search concepts").fill("STYLE dawn")
        assert [text for text in page.locator(".card:visible").all_text_contents()] == ["Dawn"]
        page.get_by_label("Search concepts").fill("nothing like it")
        assert page.get_by_text("No concept matches").is_visible()

    def test_the_card(self, page: Any) -> None:
        choose(page, "Dawn")
        about = page.locator("[data-at=about]")
        about.get_by_text("Licence, recipe and size").click()
        text = about.inner_text()
        assert "not measured yet" in text
        for part in ("in the style of dawn", "1.2.0", "apache-2.0", "the program grade", "kB"):
            assert part in text

    def test_a_link_brings_it_all_back(self, page: Any, served: Served) -> None:
        page.goto(f"{served.url}?concept=dawn&with=dusk&blend=0.3&strength=0.5")
        status(page, r"^Dawn \+ Dusk ·")
        assert page.get_by_role("radio", name="Dawn").is_checked()
        assert page.locator("[data-at=mix]").input_value() == "30"
        assert page.locator("[data-at=strength]").input_value() == "50"
        page.get_by_label("Blend with").select_option("")
        page.wait_for_url(re.compile(r"\?concept=dawn&strength=0.5$"))

    def test_a_link_with_nonsense_is_the_page_as_it_begins(self, page: Any, served: Served) -> None:
        page.goto(f"{served.url}?concept=../../etc/passwd&with=<b>&blend=7&strength=x")
        ready(page)
        assert page.locator("[data-at=strength]").input_value() == "100"


class TestPrivacy:
    def test_closing_the_page_deletes_its_photo(self, page: Any, browser: Any, served: Served) -> None:
        other = browser.new_context()
        theirs = other.new_page()
        theirs.goto(served.url)
        ready(theirs)
        upload(theirs, png(seed=9))
        opened(theirs)
        seen = Image.open(io.BytesIO(png(seed=9))).getpixel((9, 9))
        (photo,) = [
            photo for photo in served.studio.photos.all() if photo.session and photo.small.getpixel((9, 9)) == seen
        ]
        assert photo.path.exists()
        other.close()
        for _ in range(PATIENCE // 100):
            if not photo.path.exists():
                break
            page.wait_for_timeout(100)
        assert not photo.path.exists()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
class TestLooks:
    def test_fits_its_width_and_everybody_can_use_it(
        self, browser: Any, served: Served, scheme: str, width: int, tmp_path: Path
    ) -> None:
        from axe_playwright_python.sync_playwright import Axe

        page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
        page.set_default_timeout(PATIENCE)
        page.goto(served.url)
        ready(page)
        page.screenshot(path=tmp_path / f"{width}-{scheme}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        found = Axe().run(page).response["violations"]
        page.close()
        serious = [
            f"{each['id']}: {[node['html'][:200] for node in each['nodes']]}"
            for each in found
            if each["impact"] in ("serious", "critical")
        ]
        assert not serious


class TestBehindAProxy:
    @pytest.fixture
    def proxied(self, base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Served, Proxy]]:
        monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
        (tmp_path / "demo").mkdir()
        serving = serve(base, tmp_path / "demo", Access(proxies=1), root_path="/studio")
        proxy = Proxy(serving.url, "/studio")
        yield serving, proxy
        proxy.stop()
        serving.blocks.close(verbose=False)

    def test_below_a_path(self, browser: Any, proxied: tuple[Served, Proxy]) -> None:
        _, proxy = proxied
        page = browser.new_context().new_page()
        page.set_default_timeout(PATIENCE)
        asked: list[str] = []
        wrong: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("response", lambda answer: wrong.append(answer.url) if answer.status >= 400 else None)
        page.goto(f"{proxy.url}/studio/")
        ready(page)
        upload(page, png())
        opened(page)
        name, data = download(page, "png")
        assert (name, pixels(data).shape) == ("mine-dawn.png", (192, 256, 3))
        assert not [url for url in asked if not url.startswith((f"{proxy.url}/studio/", "data:", "blob:"))]
        # A browser asks for a site's icon by itself.
        assert [path for path in proxy.outside if path != "/favicon.ico"] == wrong == []
        page.context.close()

    def test_no_other_page_may_show_it(self, browser: Any, proxied: tuple[Served, Proxy]) -> None:
        serving, proxy = proxied
        page = browser.new_context().new_page()
        page.set_default_timeout(PATIENCE)
        with page.expect_console_message(lambda told: "frame-ancestors" in told.text):
            page.goto(f"{proxy.url}/frame")
        assert not [frame for frame in page.frames if frame.url.startswith(serving.url) and "e2gan" in frame.content()]
        page.context.close()
