"""Clips and animations on the page: what is made, what is refused, and what is left when nobody waits for it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("av")
pytest.importorskip("cv2")

from e2gan.base import Base
from e2gan.errors import E2GANError, ImageError
from e2gan.images import Limits, read_provenance, recorded
from e2gan.images.animation import open_animation, save_animation
from e2gan.moving.animations import edit_animation
from e2gan.moving.clips import edit_clip
from e2gan_demo import clips
from e2gan_demo.jobs import Cancelled
from e2gan_demo.studio import Studio, answering
from tests.demo.conftest import ready
from tests.demo.serving import PATIENCE, Served, png, serve
from tests.demo.test_page import choose, download, opened, status
from tests.moving.film import picture, read_clip, write_clip

FRAMES = 6


@pytest.fixture(scope="session")
def studio(served: Served) -> Studio:
    return served.studio


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A clip of less than a second, with sound."""
    return write_clip(tmp_path_factory.mktemp("film") / "mine.mp4", frames=FRAMES).read_bytes()


@pytest.fixture(scope="session")
def dancing(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An animated GIF."""
    path = tmp_path_factory.mktemp("film") / "dancing.gif"
    frames = [Image.fromarray(picture(number)) for number in range(FRAMES)]
    save_animation(frames, path, durations=[100, 200] * (FRAMES // 2), plays=3)
    return path.read_bytes()


def take(studio: Studio, data: bytes, name: str = "mine.mp4", session: str = "page") -> dict[str, Any]:
    """Give the studio an upload; its answer."""
    with studio.disk.place(len(data)) as folder:
        (folder / name).write_bytes(data)
    return studio.open(folder / name, session)


def files(studio: Studio) -> set[Path]:
    return {path for path in studio.disk.folder.rglob("*") if path.is_file()}


def wait_until(true: Callable[[], bool]) -> None:
    for _ in range(PATIENCE // 50):
        if true():
            return
        time.sleep(0.05)
    pytest.fail("it does not happen")


def as_apply(served: Served, data: bytes, folder: Path, blend: dict[str, float], strength: float = 1.0) -> bytes:
    """What e2gan apply writes: the edit of a clip as an MP4."""
    concepts = {served.studio.catalogue.find(name): weight for name, weight in blend.items()}
    (folder / "mine.mp4").write_bytes(data)

    def edit(frame: Image.Image) -> Image.Image:
        return recorded(served.editor.apply(frame, concepts, strength), {"steady": 0.9})

    edit_clip(folder / "mine.mp4", folder / "expected.mp4", edit)
    return (folder / "expected.mp4").read_bytes()


class Slow:
    """An editor that takes its time for each photo, until it is told to go on."""

    def __init__(self, edit: Callable[..., Any]) -> None:
        self.edit = edit
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.count = 0
        """Of edits begun."""

    def __call__(self, photos: Any, concepts: Any, *rest: Any, **more: Any) -> Any:
        self.count += 1
        self.begun.set()
        self.go_on.wait(0.5)
        return self.edit(photos, concepts, *rest, **more)


@pytest.fixture
def slow(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    slow = Slow(studio._edit)
    monkeypatch.setattr(studio, "_edit", slow)
    yield slow
    slow.go_on.set()


@pytest.fixture
def side() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


class TestMaking:
    def test_a_clip_is_what_apply_writes(self, served: Served, studio: Studio, film: bytes, tmp_path: Path) -> None:
        taken = take(studio, film)
        assert (taken["width"], taken["height"]) == (64, 48)
        assert (taken["moving"]["kind"], taken["moving"]["frames"]) == ("clip", FRAMES)
        assert taken["moving"]["seconds"] == pytest.approx(0.8, abs=0.1)
        path = studio.make({"photo": taken["photo"], "concepts": {"dusk": 0.5, "dawn": 0.5}, "strength": 0.7}, "page")
        assert path.name == "mine-dusk-dawn.mp4"
        assert path.read_bytes() == as_apply(served, film, tmp_path, {"dusk": 0.5, "dawn": 0.5}, 0.7)
        made = read_clip(path)
        assert len(made.pictures) == FRAMES and made.sound
        assert '"steady": 0.9' in made.metadata["comment"]

    @pytest.mark.parametrize("format", ["webm", "mkv"])
    def test_other_formats(self, studio: Studio, film: bytes, format: str) -> None:
        silent = write_clip(studio.disk.folder.parent / "silent.mp4", frames=2, sound=None).read_bytes()
        asked = {"photo": take(studio, silent)["photo"], "concepts": {"dusk": 1}, "format": format}
        assert len(read_clip(studio.make(asked)).pictures) == 2

    def test_an_animation_stays_one(self, served: Served, studio: Studio, dancing: bytes, tmp_path: Path) -> None:
        taken = take(studio, dancing, "dancing.gif")
        assert taken["moving"] == {
            "kind": "animation",
            "frames": FRAMES,
            "seconds": pytest.approx(0.9),
            "formats": ("gif", "png", "webp"),
            "notes": (),
        }
        path = studio.make({"photo": taken["photo"], "concepts": {"dusk": 1}})
        (tmp_path / "dancing.gif").write_bytes(dancing)
        dusk = studio.catalogue.find("dusk")
        edit_animation(
            tmp_path / "dancing.gif",
            tmp_path / "expected.gif",
            lambda frame: recorded(served.editor.apply(frame, dusk), {"steady": 0.0}),
        )
        assert path.read_bytes() == (tmp_path / "expected.gif").read_bytes()
        with open_animation(path) as animation:
            assert (animation.count, animation.plays) == (FRAMES, 3)

    def test_its_first_frame_is_edited_like_a_photo(self, served: Served, studio: Studio, film: bytes) -> None:
        taken = take(studio, film)
        for size in (512, None):
            (answer,) = studio.edit([{"photo": taken["photo"], "concepts": {"dusk": 1}, "size": size}])
            assert "picture" in answer, answer

    def test_what_the_edit_will_not_have_is_noted(self, studio: Studio, tmp_path: Path) -> None:
        hdr = {"colorspace": 9, "color_primaries": 9, "color_trc": 16, "color_range": 1}
        deep = write_clip(tmp_path / "a.mp4", frames=2, pixels="yuv420p10le", sound=None, **hdr)
        odd = write_clip(tmp_path / "b.mkv", frames=2, size=(63, 47), pixels="yuv444p", sound=None)
        for path, notes in ((deep, ("HDR becomes SDR",)), (odd, ("its odd size becomes even",))):
            taken = take(studio, path.read_bytes(), path.name)
            assert taken["moving"]["notes"] == notes
            made = read_clip(studio.make({"photo": taken["photo"], "concepts": {"dusk": 1}}))
            assert made.size == (64, 48) and made.colours[:3] == ((1, 1, 1) if path == deep else (2, 2, 2))

    def test_how_long_it_takes_is_known_after_an_edit(self, studio: Studio, film: bytes) -> None:
        studio.edit([{"photo": "aitzgorri", "concepts": {"dusk": 1}, "size": 384}])
        short, photo = studio.photos.get(take(studio, film)["photo"]), studio.photos.get("aitzgorri")
        assert (studio.takes(short) or 0) > 0
        assert studio.takes(photo) is None

    @pytest.mark.parametrize(
        "asked",
        [
            {"format": "gif"},
            {"format": "../x"},
            {"format": 7},
            {"strength": 2},
            {"strength": True},
            {"concepts": {}},
            {"photo": "gone"},
            {"photo": "aitzgorri"},
        ],
    )
    def test_what_makes_no_sense_is_answered(self, studio: Studio, film: bytes, asked: dict[str, Any]) -> None:
        request = {"photo": take(studio, film)["photo"], "concepts": {"dusk": 1}, **asked}
        before = files(studio)
        assert answering(studio.make, request)["error"]
        assert files(studio) == before

    def test_a_photos_download_is_no_clips(self, studio: Studio, film: bytes) -> None:
        with pytest.raises(ImageError, match="a clip, not a photo"):
            studio.save({"photo": take(studio, film)["photo"], "concepts": {"dusk": 1}})


class TestBounds:
    @pytest.fixture(autouse=True)
    def nothing_stays(self, studio: Studio) -> Iterator[None]:
        before = files(studio)
        yield
        assert files(studio) == before

    def refused(self, studio: Studio, data: bytes, match: str, name: str = "mine.mp4") -> None:
        with pytest.raises(ImageError, match=match) as told:
            take(studio, data, name)
        assert str(studio.disk.folder) not in str(told.value)

    def test_bytes_that_are_no_clip(self, studio: Studio, film: bytes) -> None:
        self.refused(studio, b"nothing of the kind", "mine.mp4: not a clip")
        self.refused(studio, b"", "mine.mp4: the file is empty")
        self.refused(studio, film[: len(film) // 2], "mine.mp4: .*damaged or cut off")

    def test_sound_alone(self, studio: Studio, tmp_path: Path) -> None:
        sound = write_clip(tmp_path / "a.mp4", video=False).read_bytes()
        self.refused(studio, sound, "mine.mp4: has no pictures, only sound")

    def test_too_many_frames(
        self, studio: Studio, film: bytes, dancing: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(clips, "MAX_FRAMES", FRAMES - 1)
        self.refused(studio, film, "more than the 5 frames allowed here")
        self.refused(studio, dancing, "more than the 5 frames allowed here", "dancing.gif")

    def test_too_many_seconds(
        self, studio: Studio, film: bytes, dancing: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(clips, "MAX_SECONDS", 0.5)
        self.refused(studio, film, "more than the 0.5 allowed here")
        self.refused(studio, dancing, "more than the 0.5 allowed here", "dancing.gif")

    def test_too_many_pixels(
        self, studio: Studio, film: bytes, dancing: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(clips, "FRAME", Limits(10_000))
        monkeypatch.setattr(clips, "ANIMATION", Limits(10_000))
        self.refused(studio, film, "megapixels allowed")
        self.refused(studio, dancing, "its 6 frames of 64×48 pixels are too many", "dancing.gif")

    def test_no_clips_without_the_packages(
        self, studio: Studio, film: bytes, dancing: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(clips, "reads_clips", lambda: False)
        self.refused(studio, film, "^this page edits photos and animations, not clips$")
        for data, name in ((dancing, "a.gif"), (png(), "a.png")):
            taken = take(studio, data, name, session="brief")
            assert "picture" in studio.edit([{"photo": taken["photo"], "concepts": {"dusk": 1}, "size": 384}])[0]
        studio.leave("brief")


class TestWhatIsLeft:
    @pytest.fixture
    def taken(self, studio: Studio, film: bytes) -> Iterator[str]:
        yield take(studio, film, session="mine")["photo"]
        studio.leave("mine")

    def asked(self, photo: str, **more: Any) -> dict[str, Any]:
        return {"photo": photo, "concepts": {"dusk": 1}, **more}

    def test_a_cancelled_one(self, studio: Studio, taken: str, slow: Slow, side: ThreadPoolExecutor) -> None:
        before = files(studio)
        making = side.submit(studio.make, self.asked(taken, job="a"), "mine")
        assert slow.begun.wait(60)
        studio.jobs.cancel("a")
        with pytest.raises(Cancelled):
            making.result(60)
        assert files(studio) == before

    def test_one_whose_page_is_closed(self, studio: Studio, taken: str, slow: Slow, side: ThreadPoolExecutor) -> None:
        before = files(studio)
        making = side.submit(studio.make, self.asked(taken), "mine")
        assert slow.begun.wait(60)
        studio.leave("mine")
        with pytest.raises(Cancelled):
            making.result(60)
        assert files(studio) < before, "the clip itself is gone, too"

    def test_a_finished_one_goes_with_its_page(self, studio: Studio, taken: str) -> None:
        path = studio.make(self.asked(taken), "mine")
        studio.leave("other")
        assert path.exists()
        studio.leave("mine")
        assert not path.parent.exists()

    def test_one_that_grows_too_large(self, studio: Studio, taken: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("e2gan_demo.studio.MAX_MADE", 100)
        before = files(studio)
        with pytest.raises(E2GANError, match="MB allowed"):
            studio.make(self.asked(taken))
        assert files(studio) == before

    def test_one_that_takes_too_long(self, studio: Studio, taken: str, monkeypatch: pytest.MonkeyPatch) -> None:
        before, pace = files(studio), studio.jobs.pace
        monkeypatch.setattr("e2gan_demo.studio.LONGEST_MAKING", 0)
        for known in (None, 1.0):
            studio.jobs.pace = known
            with pytest.raises(E2GANError, match="longer than is allowed"):
                studio.make(self.asked(taken))
        studio.jobs.pace = pace
        assert files(studio) == before

    def test_what_a_full_disk_leaves(self, studio: Studio, taken: str, monkeypatch: pytest.MonkeyPatch) -> None:
        before = files(studio)

        def full(*rest: Any) -> None:
            raise E2GANError(f"cannot write {rest[2]}: no space left on device")

        monkeypatch.setattr("e2gan_demo.studio.edit_moving", full)
        with pytest.raises(E2GANError, match=r"^the edit cannot be stored at the moment$"):
            studio.make(self.asked(taken))
        assert files(studio) == before


class TestTogether:
    def test_two_visitors_each_get_their_own_and_others_edit_meanwhile(
        self, served: Served, studio: Studio, film: bytes, tmp_path: Path, slow: Slow, side: ThreadPoolExecutor
    ) -> None:
        other = write_clip(tmp_path / "other.mp4", frames=3, size=(48, 64)).read_bytes()
        made: dict[str, Future[Path]] = {}
        for name, data in (("dusk", film), ("dawn", other)):
            asked = {"photo": take(studio, data, session=name)["photo"], "concepts": {name: 1}, "job": name}
            made[name] = side.submit(studio.make, asked, name, name)
            wait_until(lambda name=name: studio.jobs.find(name) is not None)  # type: ignore[misc]
        wait_until(lambda: studio.turns.ahead(studio.jobs.find("dawn")) == 1)
        assert studio.jobs.left("dawn") is None
        (quick,) = studio.edit([{"photo": "aitzgorri", "concepts": {"dawn": 1}, "size": 384}])
        assert "picture" in quick and not made["dusk"].done()
        slow.go_on.set()
        for name, data in (("dusk", film), ("dawn", other)):
            (tmp_path / name).mkdir()
            assert made[name].result(120).read_bytes() == as_apply(served, data, tmp_path / name, {name: 1}), name
            studio.leave(name)

    def test_a_clip_that_waits_is_not_deleted(
        self, studio: Studio, film: bytes, slow: Slow, side: ThreadPoolExecutor
    ) -> None:
        first, second = (take(studio, film, session=name)["photo"] for name in ("first", "second"))
        running = side.submit(studio.make, {"photo": first, "concepts": {"dusk": 1}}, "first", "first")
        assert slow.begun.wait(60)
        waiting = side.submit(studio.make, {"photo": second, "concepts": {"dusk": 1}}, "second", "second")
        wait_until(lambda: len(studio.turns._queue) == 2)
        photo = studio.photos.get(second)
        photo.used = 0  # long ago
        os.utime(photo.path, (0, 0))
        wait_until(lambda: photo.used > 0 and photo.path.stat().st_mtime > 0)
        studio.sweep()
        slow.go_on.set()
        for making, name in ((running, "first"), (waiting, "second")):
            assert making.result(120).exists()
            studio.leave(name)

    def test_one_visitor_has_two_at_most(
        self, studio: Studio, film: bytes, slow: Slow, side: ThreadPoolExecutor
    ) -> None:
        photo = take(studio, film, session="mine")["photo"]
        asked = {"photo": photo, "concepts": {"dusk": 1}}
        under_way = [side.submit(studio.make, asked, "mine", "me") for _ in range(2)]
        wait_until(lambda: len(studio.turns._queue) == 2)
        with pytest.raises(E2GANError, match="2 clips of yours"):
            studio.make(asked, "mine", "me")
        studio.leave("mine")
        for each in under_way:
            with suppress(E2GANError):  # cancelled, or its clip is gone
                each.result(60)
        assert not studio.turns._queue


class TestAPI:
    def test_a_clip(self, served: Served, film: bytes, tmp_path: Path) -> None:
        from gradio_client import Client, handle_file
        from gradio_client.exceptions import AppError

        client = Client(served.url, download_files=str(tmp_path / "downloads"), verbose=False)
        expected = as_apply(served, film, tmp_path, {"dusk": 1})
        file = handle_file(str(tmp_path / "mine.mp4"))
        made = Path(client.predict(file, {"dusk": 1}, api_name="/clip"))
        assert made.name == "mine-dusk.mp4"
        assert made.read_bytes() == expected
        with pytest.raises(AppError, match="a clip, not a photo"):
            client.predict(file, {"dusk": 1}, api_name="/edit")
        (tmp_path / "a.png").write_bytes(png())
        with pytest.raises(AppError, match="a photo, not a clip"):
            client.predict(handle_file(str(tmp_path / "a.png")), {"dusk": 1}, api_name="/clip")
        client.close()

    def test_who_hangs_up_leaves_nothing(self, served: Served, studio: Studio, tmp_path: Path, slow: Slow) -> None:
        from gradio_client import Client, handle_file

        film = write_clip(tmp_path / "long.mp4", frames=120, sound=None)
        client = Client(served.url, download_files=str(tmp_path), verbose=False)
        client.submit(handle_file(str(film)), {"dusk": 1}, api_name="/clip")
        assert slow.begun.wait(60)
        client.close()
        wait_until(lambda: not studio.turns._queue)
        assert slow.count < 120
        assert not [path for path in files(studio) if path.name == "long-dusk.mp4"]


def drop_in(page: Any, data: bytes, name: str = "mine.mp4", kind: str = "video/mp4") -> None:
    page.set_input_files('input[type="file"]', {"name": name, "mimeType": kind, "buffer": data})


def plays(page: Any) -> None:
    page.wait_for_selector('.stage[data-state="playing"]')
    page.wait_for_function("document.querySelector('video.made').readyState >= 2")


class TestPage:
    def test_a_clip_is_made_played_and_downloaded(self, page: Any, served: Served, film: bytes, tmp_path: Path) -> None:
        drop_in(page, film)
        opened(page, "64 × 48")
        line = page.locator("[data-at=clip]")
        line.get_by_text(f"A clip of 0.8 s, {FRAMES} frames; takes").wait_for()
        choose(page, "Dusk")
        assert page.get_by_label("Format of the download").locator("option").all_text_contents() == [
            "MP4",
            "WebM",
            "MKV",
        ]
        page.get_by_label("Format of the download").select_option("webm")
        page.get_by_role("button", name="Edit the clip").click()
        page.get_by_role("alert").filter(has_text="does not hold the clip's sound").wait_for()
        page.get_by_label("Format of the download").select_option("mp4")
        page.get_by_role("button", name="Edit the clip").click()
        plays(page)
        assert status(page, f"Dusk · .* s · {FRAMES} frames")
        assert page.get_by_label("Compare: how much of the photo").is_hidden()
        assert page.evaluate("document.querySelector('video.made').duration") == pytest.approx(0.8, abs=0.2)
        name, data = download(page, "mp4")
        assert (name, data) == ("mine-dusk.mp4", as_apply(served, film, tmp_path, {"dusk": 1}))
        page.get_by_role("button", name="Show first frame").click()
        ready(page)
        page.get_by_role("button", name="Play the clip").click()
        plays(page)
        choose(page, "Dawn")  # another edit is wanted
        ready(page)
        page.get_by_role("button", name="Edit the clip").wait_for()
        choose(page, "Dusk")  # it was made before
        page.get_by_role("button", name="Play the clip").wait_for()

    def test_an_animation(self, page: Any, dancing: bytes) -> None:
        drop_in(page, dancing, "dancing.gif", "image/gif")
        opened(page, "64 × 48")
        assert page.get_by_label("Format of the download").locator("option").all_text_contents() == [
            "GIF",
            "PNG",
            "WebP",
        ]
        page.get_by_role("button", name="Edit the animation").click()
        page.wait_for_selector('.stage[data-state="playing"]')
        page.wait_for_function("document.querySelector('img.made').naturalWidth === 64")
        assert page.locator("img.made").get_attribute("alt").startswith("The animation, edited to D")
        drop_in(page, png(), "a.png", "image/png")
        opened(page)
        assert page.locator("[data-at=clip]").is_hidden()
        assert page.get_by_label("Format of the download").input_value() == "png"

    def test_it_says_how_far_it_is_and_can_be_cancelled(
        self, page: Any, studio: Studio, film: bytes, slow: Slow
    ) -> None:
        slow.go_on.set()
        drop_in(page, film, "cancelled.mp4")
        opened(page, "64 × 48")
        slow.go_on.clear()
        page.get_by_role("button", name="Edit the clip").click()
        line = page.locator("[data-at=wait]")
        line.get_by_text(f"of {FRAMES} frames").wait_for()
        assert page.locator("[data-at=clip]").is_hidden()
        assert page.evaluate("document.activeElement.textContent") == "Cancel"
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Edit the clip").wait_for()
        wait_until(lambda: not studio.turns._queue)
        assert not [path for path in files(studio) if "cancelled-d" in path.name]

    def test_closing_the_page_ends_it(
        self, browser: Any, served: Served, studio: Studio, film: bytes, slow: Slow
    ) -> None:
        slow.go_on.set()
        theirs = browser.new_context().new_page()
        theirs.set_default_timeout(PATIENCE)
        theirs.goto(served.url)
        ready(theirs)
        drop_in(theirs, film, "theirs.mp4")
        opened(theirs, "64 × 48")
        slow.go_on.clear()
        theirs.get_by_role("button", name="Edit the clip").click()
        theirs.locator("[data-at=wait]").wait_for()
        theirs.context.close()
        wait_until(lambda: not studio.turns._queue)
        wait_until(lambda: not [path for path in files(studio) if "theirs" in path.name])

    @pytest.mark.parametrize("share, message", [(0, "empty"), (0.5, "damaged or cut off")], ids=["empty", "cut off"])
    def test_a_bad_clip_is_explained(self, page: Any, film: bytes, share: float, message: str) -> None:
        drop_in(page, film[: int(share * len(film))])
        page.get_by_role("alert").filter(has_text=message).wait_for()
        ready(page)

    def test_a_deleted_edit_is_made_again(self, page: Any, studio: Studio, film: bytes) -> None:
        drop_in(page, film)
        opened(page, "64 × 48")
        page.get_by_role("button", name="Edit the clip").click()
        plays(page)
        for path in files(studio):
            if "mine-d" in path.name:
                path.unlink()
        page.get_by_role("button", name="Show first frame").click()
        page.get_by_role("button", name="Play the clip").click()
        plays(page)

    def test_without_the_packages_for_clips(
        self, browser: Any, base: Base, film: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(clips, "reads_clips", lambda: False)
        monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
        (tmp_path / "demo").mkdir()
        serving = serve(base, tmp_path / "demo")
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(serving.url)
        ready(page)
        assert "video" not in page.locator('input[type="file"]').get_attribute("accept")
        drop_in(page, film)
        page.get_by_role("alert").filter(has_text="This page edits photos and animations, not clips.").wait_for()
        drop_in(page, png(), "a.png", "image/png")
        opened(page)
        page.close()
        serving.blocks.close(verbose=False)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_a_clip_looks_right_and_everybody_can_use_it(
    browser: Any, served: Served, film: bytes, scheme: str, width: int, tmp_path: Path
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
    page.set_default_timeout(PATIENCE)
    page.goto(served.url)
    ready(page)
    drop_in(page, film)
    opened(page, "64 × 48")
    page.locator("[data-at=clip-text]").filter(has_text="takes").wait_for()
    stage, cards = (page.locator(each).bounding_box() for each in (".stage", ".cards"))
    page.get_by_role("button", name="Edit the clip").click()
    plays(page)
    assert page.locator(".stage").bounding_box() == stage, "nothing jumps"
    assert page.locator(".cards").bounding_box() == cards
    page.screenshot(path=tmp_path / f"{width}-{scheme}.png")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = Axe().run(page).response["violations"]
    page.close()
    assert not [each["id"] for each in found if each["impact"] in ("serious", "critical")]


def test_provenance_of_an_animation(studio: Studio, dancing: bytes) -> None:
    path = studio.make({"photo": take(studio, dancing, "dancing.gif")["photo"], "concepts": {"dawn": 1}})
    record = read_provenance(path)
    assert record and record["concepts"][0]["id"] == "dawn" and record["steady"] == 0
    assert np.asarray(Image.open(path)).size
