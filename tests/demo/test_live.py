"""A smaller base for the camera: what it edits, and what the page's own base does."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from e2gan.base import Base, find_lite
from e2gan.concept import Concept
from e2gan.editor import Editor
from e2gan.plugins import use_registry
from tests.demo.conftest import ready
from tests.demo.serving import PATIENCE, Served, Shelf, pixels, png, serve
from tests.editor.tiny import write_tiny_base, write_tiny_concept


@pytest.fixture(scope="module")
def lite(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return write_tiny_base(tmp_path_factory.mktemp("lite") / "tiny-lite", id="tiny-lite", seed=7)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, base: Base, lite: Base) -> Shelf:
    """Dusk is made for both bases, dawn for the page's alone, and noon for the camera's alone."""
    folder = tmp_path_factory.mktemp("both")
    made = [write_tiny_concept(folder / "full" / name, base, seed=n) for n, name in enumerate(("dusk", "dawn"), 1)]
    made += [write_tiny_concept(folder / "lite" / name, lite, seed=n) for n, name in enumerate(("dusk", "noon"), 3)]
    return Shelf(made)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, base: Base, lite: Base, shelf: Shelf) -> Iterator[Served]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))
        use_registry(shelf)
        serving = serve(base, tmp_path_factory.mktemp("demo"), live=lite)
        yield serving
        serving.blocks.close(verbose=False)


def edited(served: Served, concepts: dict[str, float], **more: Any) -> np.ndarray:
    frame = "data:image/png;base64," + base64.b64encode(png(64, 48)).decode()
    (answer,) = served.studio.edit([{"frame": frame, "concepts": concepts, **more}])
    return pixels(base64.b64decode(answer["picture"].split(",")[1]))


def by(base: Base, concepts: list[Concept]) -> np.ndarray:
    edit = Editor(base, device="cpu", dtype="float32").apply(png(64, 48), dict.fromkeys(concepts, 0.5))
    return np.asarray(edit.convert("RGB")).astype(int)


def near(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and bool(np.abs(a - b).mean() < 12)  # JPEG, of a noisy picture


def test_the_cameras_base_edits_frames_of_concepts_that_are_made_for_it(
    served: Served, shelf: Shelf, base: Base, lite: Base
) -> None:
    found = {
        (concept.id, concept.base_id): concept
        for one in shelf().all("concept").values()
        for concept in one.for_all_bases
    }
    quick, sharp = by(lite, [found["dusk", "tiny-lite"]]), by(base, [found["dusk", "tiny"]])
    assert not near(quick, sharp)
    assert near(edited(served, {"dusk": 1}), quick)
    assert near(edited(served, {"dusk": 1}, sharp=True), sharp)
    # A concept that is made for the page's base alone, by itself and in a blend.
    assert near(edited(served, {"dawn": 1}), by(base, [found["dawn", "tiny"]]))
    both = by(base, [found["dusk", "tiny"], found["dawn", "tiny"]])
    assert near(edited(served, {"dusk": 0.5, "dawn": 0.5}), both)
    # One without weight does not count.
    assert near(edited(served, {"dusk": 1, "dawn": 0}), quick)


def test_frames_of_both_kinds_in_one_batch(served: Served) -> None:
    frame = "data:image/png;base64," + base64.b64encode(png(64, 48)).decode()
    asked = [{"frame": frame, "concepts": {"dusk": 1}, "sharp": sharp} for sharp in (False, True, False)]
    pictures = [answer["picture"] for answer in served.studio.edit(asked)]
    assert pictures[0] == pictures[2] != pictures[1]


def test_photos_are_edited_on_the_pages_base(served: Served, base: Base, shelf: Shelf) -> None:
    (answer,) = served.studio.edit([{"photo": "cat", "concepts": {"dusk": 1}, "size": 384}])
    picture = Image.open(io.BytesIO(base64.b64decode(answer["picture"].split(",")[1])))
    small = served.studio.samples["cat"].small.copy()
    small.thumbnail((384, 384), Image.Resampling.LANCZOS, reducing_gap=3.0)
    dusk = shelf().all("concept")["dusk"].on("tiny")
    expected = Editor(base, device="cpu", dtype="float32").apply(small, dusk)
    assert near(np.asarray(picture.convert("RGB")).astype(int), np.asarray(expected.convert("RGB")).astype(int))


def test_cards_say_which_concepts_the_camera_shows_quickly(served: Served) -> None:
    assert {card["name"]: card["live"] for card in served.studio.catalogue.cards()} == {"dusk": True, "dawn": False}


def test_the_visitor_may_want_it_sharper(page: Any) -> None:
    sharper = page.get_by_role("button", name="Sharper, slower")
    page.locator('.card:has-text("Dusk")').click()
    ready(page)
    assert sharper.is_hidden()  # of no use for a photo
    page.get_by_role("button", name="Live camera").click()
    page.get_by_text("frames per second").wait_for()
    assert sharper.get_attribute("aria-pressed") == "false"
    sharper.click()
    assert sharper.get_attribute("aria-pressed") == "true"
    page.locator('.card:has-text("Dawn")').click()
    sharper.wait_for(state="hidden")  # has only one base
    page.locator('.card:has-text("Dusk")').click()
    sharper.wait_for(state="visible")


def test_what_the_page_asks_for(page: Any) -> None:
    page.locator('.card:has-text("Dusk")').click()
    ready(page)
    page.get_by_role("button", name="Live camera").click()
    page.get_by_text("frames per second").wait_for()
    with page.expect_request(lambda sent: '"sharp":false' in (sent.post_data or ""), timeout=PATIENCE):
        pass
    with page.expect_request(lambda sent: '"sharp":true' in (sent.post_data or ""), timeout=PATIENCE):
        page.get_by_role("button", name="Sharper, slower").click()
    page.get_by_role("button", name="Stop camera").click()
    ready(page)


def test_a_lite_base_beside_it_is_found(
    base: Base, lite: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("e2gan.base.BUNDLED", tmp_path)
    assert find_lite(base) is None
    (tmp_path / "tiny-lite").symlink_to(lite.path)
    found = find_lite(base)
    assert found and found.sha256 == lite.sha256
