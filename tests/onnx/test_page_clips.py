"""The page edits clips: what it saves is the clip, each frame edited as the Python editor does."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from e2gan.concept import Concept
from e2gan.editor import Editor
from e2gan.moving.reading import Frame, open_clip
from e2gan.upsample import guided_upsample
from tests.moving.film import read_clip, write_clip
from tests.onnx.website import CLIPS, RUNTIME, choose_concept, edits, opened, put_together, served, wait_for_edit

pytestmark = pytest.mark.skipif(
    RUNTIME is None or CLIPS is None, reason="onnxruntime-web or Mediabunny is not there: make test gets both with npm"
)

BT709 = {"colorspace": 1, "color_primaries": 1, "color_trc": 1, "color_range": 1}

CONCEPT = "glow"

LOSS = 6
"""Difference, of 255, that the codec may make between the edit of a frame and what is read back."""

LONG = [0, 200_000, 400_000, 590_000, 601_000]
"""Times of frames, in milliseconds: eleven seconds more than the page takes."""


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, swappable: Path, concepts: dict[str, Concept]
) -> Iterator[tuple[str, list[str]]]:
    with served(put_together(tmp_path_factory.mktemp("site"), swappable, concepts.values(), CLIPS)) as server:
        yield server


@pytest.fixture(scope="module")
def page(browser: Any, server: tuple[str, list[str]]) -> Iterator[Any]:
    """It asks for nothing but its own files."""
    with opened(browser, server[0]) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        choose_concept(page, CONCEPT)
        yield page
    origin = server[0].removesuffix("try/")
    assert asked and not [url for url in asked if not url.startswith((origin, f"blob:{origin}", "data:"))]


def choose_clip(page: Any, clip: Path | dict[str, Any]) -> None:
    before = edits(page)
    page.set_input_files("[data-at=file]", clip)
    wait_for_edit(page, before)
    wait_for(page, "to edit")  # how long it takes is measured


def wait_for(page: Any, text: str) -> None:
    """Wait until the line about the clip says that."""
    page.locator("[data-at=clip-text]").filter(has_text=text).wait_for()


def edit_clip(page: Any, format: str | None = None) -> None:
    if format:
        page.get_by_label("Format of the clip").select_option(format)
    page.get_by_role("button", name="Edit the clip").click()
    page.wait_for_selector("[data-at=film]")


def saved(page: Any, folder: Path) -> Path:
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download").click()
    return Path(shutil.copy(waiting.value.path(), folder / waiting.value.suggested_filename))


def there(page: Any, part: str) -> bool:
    return bool(page.locator(f"[data-at={part}]").is_visible())


def frames(clip: Path) -> list[np.ndarray]:
    """(height, width, 3) uint8, as on the command line."""
    with open_clip(clip) as source:
        return [np.asarray(each.image) for each in source.read() if isinstance(each, Frame)]


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """Mean difference of squares of 8×8 pixels: tiny models make noise, of which codecs keep little."""
    assert one.shape == other.shape
    height, width = (side // 8 for side in one.shape[:2])
    squares = (one.astype(int) - other)[: 8 * height, : 8 * width].reshape(height, 8, width, 8, 3)
    return float(np.abs(squares.mean((1, 3))).mean())


@pytest.mark.parametrize("format", ["mp4", "webm"])
def test_it_saves_the_clip_edited(
    page: Any, editor: Editor, concepts: dict[str, Concept], tmp_path: Path, format: str
) -> None:
    clip = write_clip(tmp_path / "walk.mp4", size=(160, 96), **BT709)
    choose_clip(page, clip)
    wait_for(page, "3.0 s, 24 frames")
    edit_clip(page, format)
    file = saved(page, tmp_path)
    assert file.name == f"walk-{CONCEPT}.{format}"
    before, after = read_clip(clip), read_clip(file)
    assert np.allclose(after.times, before.times, atol=0.001)
    assert after.size == (160, 96) and after.codec == {"mp4": "h264", "webm": "vp9"}[format]
    with av.open(str(file)) as made:
        assert made.duration == pytest.approx(3e6, abs=1e5)
        assert [stream.codec_context.name for stream in made.streams.audio] == [{"mp4": "aac", "webm": "opus"}[format]]
    if format == "mp4":
        assert after.sound == before.sound, "copied"
    photos, read = frames(clip), frames(file)
    wanted = [np.asarray(editor.apply(Image.fromarray(photo), concepts[CONCEPT])) for photo in photos]
    assert len(read) == 24
    for number in range(24):
        assert apart(read[number], wanted[number]) < LOSS < apart(photos[number], wanted[number]) / 4
        assert apart(read[number], wanted[number]) < apart(read[number], wanted[(number + 8) % 24]), "another frame"


def test_times_sound_and_sides_are_kept(
    page: Any, editor: Editor, concepts: dict[str, Concept], tmp_path: Path
) -> None:
    """At a variable frame rate, from a phone held upright."""
    times = [0, 100, 130, 400, 433, 1000, 1700]
    clip = write_clip(tmp_path / "held.mp4", size=(96, 62), frames=7, times=times, rotation=90, **BT709)
    choose_clip(page, clip)
    edit_clip(page)
    file = saved(page, tmp_path)
    assert file.suffix == ".mp4", "so that its sound is copied"
    before, after = read_clip(clip), read_clip(file)
    assert np.allclose(after.times, before.times, atol=2e-5)
    assert (after.size, after.rotation) == ((62, 96), 0)
    assert after.sound == before.sound and np.allclose(after.sound_times, before.sound_times, atol=1e-4)
    wanted = np.asarray(editor.apply(Image.fromarray(frames(clip)[3]), concepts[CONCEPT]))
    assert apart(frames(file)[3], wanted) < LOSS


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_a_webm_stays_one(page: Any, tmp_path: Path, codec: str) -> None:
    clip = write_clip(tmp_path / "a.webm", size=(97, 61), frames=9, codec=codec, sound="libopus")
    choose_clip(page, clip)
    edit_clip(page)
    file = saved(page, tmp_path)
    before, after = read_clip(clip), read_clip(file)
    assert file.suffix == ".webm" and after.sound == before.sound
    assert after.size == (98, 62), "codecs want even sides"
    assert np.allclose(after.times, before.times, atol=0.001)


def test_it_has_the_clips_size_and_the_strength_that_was_chosen(
    page: Any, editor: Editor, concepts: dict[str, Concept], tmp_path: Path
) -> None:
    clip = write_clip(tmp_path / "large.mp4", size=(480, 270), frames=3, sound=None, **BT709)
    choose_clip(page, clip)
    before = edits(page)
    page.select_option("[data-at=size]", "256")
    wait_for_edit(page, before)
    page.locator("[data-at=strength]").fill("60")
    wait_for(page, "to edit")
    edit_clip(page)
    file = saved(page, tmp_path)
    page.select_option("[data-at=size]", "384")
    page.locator("[data-at=strength]").fill("100")
    for photo, made in zip(frames(clip), frames(file), strict=True):
        small = Image.fromarray(photo).resize((256, 144), Image.Resampling.LANCZOS)
        edit = np.asarray(editor.apply(small, concepts[CONCEPT]), np.float32) / 255
        assert apart(made, guided_upsample(photo, np.asarray(small), edit, 0.6)) < LOSS


RECORD = """async () => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 96, height: 64 });
    const context = canvas.getContext("2d"), stream = canvas.captureStream(), parts = [];
    const recorder = new MediaRecorder(stream, { mimeType: "video/webm" });
    recorder.ondataavailable = ({ data }) => parts.push(data);
    const stopped = new Promise((resolve) => (recorder.onstop = resolve));
    recorder.start();
    for (let frame = 0; frame < 12; frame++) {
        context.fillStyle = `hsl(${30 * frame} 80% 50%)`;
        context.fillRect(0, 0, 96, 64);
        await new Promise((resolve) => setTimeout(resolve, 60));
    }
    recorder.stop();
    await stopped;
    let text = "";
    for (const byte of new Uint8Array(await new Blob(parts).arrayBuffer())) text += String.fromCharCode(byte);
    return btoa(text);
}"""


def test_a_browsers_recording_is_edited_to_its_last_frame(page: Any, tmp_path: Path) -> None:
    """It says neither how long it is nor how long its frames are shown, and here, its name says nothing at all."""
    clip = tmp_path / "recording"
    clip.write_bytes(base64.b64decode(page.evaluate(RECORD)))
    choose_clip(page, {"name": clip.name, "mimeType": "application/octet-stream", "buffer": clip.read_bytes()})
    edit_clip(page)
    times = read_clip(clip).times
    assert len(times) > 1 and np.allclose(read_clip(saved(page, tmp_path)).times, times, atol=0.001)


def test_cancelling_leaves_nothing(page: Any, tmp_path: Path) -> None:
    choose_clip(page, write_clip(tmp_path / "long.mp4", size=(320, 180), frames=64, sound=None))
    tag = page.inner_text("[data-at=tag]")
    page.get_by_role("button", name="Edit the clip").click()
    wait_for(page, "left")
    locked = page.locator("[inert]").evaluate_all("nodes => nodes.map((node) => node.dataset.at)")
    assert locked == ["sources", "controls", "actions", "choice"]
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("Cancelled").wait_for()
    page.wait_for_selector('.stage[data-state="ready"]')
    assert page.inner_text("[data-at=tag]") == tag
    assert not there(page, "film") and not there(page, "keep") and not there(page, "save")
    wait_for(page, "64 frames")
    choose_clip(page, write_clip(tmp_path / "short.mp4", frames=3, sound=None))
    edit_clip(page)
    assert len(frames(saved(page, tmp_path))) == 3


def test_another_file_waits_until_the_clip_is_edited_or_cancelled(page: Any, tmp_path: Path) -> None:
    choose_clip(page, write_clip(tmp_path / "a.mp4", size=(320, 180), frames=64, sound=None))
    page.get_by_role("button", name="Edit the clip").click()
    wait_for(page, "left")
    page.evaluate(
        """() => {
            const clipboardData = new DataTransfer();
            clipboardData.items.add(new File(["x"], "photo.png", { type: "image/png" }));
            dispatchEvent(new ClipboardEvent("paste", { clipboardData }));
        }"""
    )
    page.get_by_role("alert").filter(has_text="The clip is being edited").wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("Cancelled").wait_for()


def test_only_the_edit_that_is_shown_can_be_saved(page: Any, tmp_path: Path) -> None:
    """Whatever is changed, the edited clip is gone."""
    choose_clip(page, write_clip(tmp_path / "a.mp4", frames=3))
    changes = {
        "strength": lambda: page.locator("[data-at=strength]").fill("70"),
        "size": lambda: page.select_option("[data-at=size]", "256"),
        "blend": lambda: page.select_option("[data-at=other]", "winter"),
        "concept": lambda: page.check('input[value="paint"]', force=True),
        "format": lambda: page.select_option("[data-at=container]", "webm"),
    }
    for name, change in changes.items():
        page.wait_for_selector('.stage[data-state="ready"]')
        edit_clip(page)
        assert there(page, "keep") and not there(page, "split"), name
        change()
        page.wait_for_selector("[data-at=film]", state="detached")
        assert not there(page, "keep") and not there(page, "save"), name
    page.wait_for_selector('.stage[data-state="ready"]')
    edit_clip(page)
    page.get_by_role("button", name="Sample: a mountain ridge").click()
    page.wait_for_selector('.stage[data-state="ready"]')
    assert not there(page, "film") and not there(page, "clip") and there(page, "save")
    page.select_option("[data-at=other]", "")
    page.locator("[data-at=strength]").fill("100")
    page.select_option("[data-at=size]", "384")
    choose_concept(page, CONCEPT)


def spoilt(folder: Path) -> dict[str, tuple[Path, str]]:
    """Files, and what the page says of them."""
    whole = write_clip(folder / "whole.mp4").read_bytes()
    webm = write_clip(folder / "whole.webm", codec="libvpx", sound="libopus").read_bytes()
    broken = {
        "no clip.mp4": (b"no clip at all", "not a clip"),
        "empty.webm": (b"", "not a clip"),
        "cut.mp4": (whole[: len(whole) // 2], "cut off"),
        "cut.webm": (webm[: len(webm) // 2], "cut off"),
    }
    for name, (data, _) in broken.items():
        (folder / name).write_bytes(data)
    options = {"movflags": "faststart"}
    with av.open(str(folder / "whole.mp4")) as source, av.open(str(folder / "a.mp4"), "w", options=options) as out:
        streams = {stream: out.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream]
                out.mux(packet)
    index_first = folder / "index first.mp4"
    index_first.write_bytes((folder / "a.mp4").read_bytes()[:-200])
    return {
        **{name: (folder / name, said) for name, (_, said) in broken.items()},
        "index first": (index_first, "cut off"),
        "only sound": (write_clip(folder / "sound.mp4", video=False), "no moving pictures"),
        "undecodable": (write_clip(folder / "hevc.mp4", codec="libx265"), "cannot decode"),
        "long": (write_clip(folder / "long.mp4", frames=5, times=LONG, sound=None), "longer than 10 minutes"),
    }


def test_a_clip_that_cannot_be_edited_is_refused_in_one_line(page: Any, tmp_path: Path) -> None:
    """And what was on the page stays there."""
    choose_clip(page, write_clip(tmp_path / "good.mp4", frames=3))
    for name, (file, said) in spoilt(tmp_path).items():
        page.set_input_files("[data-at=file]", file)
        page.get_by_role("alert").filter(has_text=said).wait_for()
        assert "\n" not in page.inner_text("[data-at=problem]"), name
        assert "3 frames" in page.inner_text("[data-at=clip-text]")
        page.evaluate("document.querySelector('[data-at=problem]').hidden = true")
    edit_clip(page)
    assert len(frames(saved(page, tmp_path))) == 3


def test_what_is_damaged_within_is_told_and_not_saved(page: Any, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", sound=None, size=(160, 96))
    with av.open(str(clip)) as source:
        position = next(packet.pos for number, packet in enumerate(source.demux(video=0)) if number == 12)
    data = bytearray(clip.read_bytes())
    data[position : position + 40] = bytes(40)
    clip.write_bytes(data)
    choose_clip(page, clip)
    page.get_by_role("button", name="Edit the clip").click()
    page.get_by_role("alert").filter(has_text="damaged").wait_for()
    page.wait_for_selector('.stage[data-state="ready"]')
    assert not there(page, "film") and not there(page, "keep")


WITHOUT = {"encoder": "delete self.VideoEncoder", "WebCodecs": "delete self.VideoEncoder; delete self.VideoDecoder"}


@pytest.mark.parametrize("lacking", WITHOUT)
def test_a_browser_that_cannot_edit_clips_says_so(
    browser: Any, server: tuple[str, list[str]], tmp_path: Path, lacking: str
) -> None:
    """Its first frame is a photo like others."""
    with opened(browser, server[0], before=WITHOUT[lacking]) as page:
        before = edits(page)
        page.set_input_files("[data-at=file]", write_clip(tmp_path / "a.webm", codec="libvpx", sound="libopus"))
        wait_for_edit(page, before)
        wait_for(page, "This browser cannot edit clips")
        assert not there(page, "make") and not there(page, "container")
        page.wait_for_selector('.stage[data-state="ready"]')
        assert Image.open(saved(page, tmp_path)).size == (64, 48)


def test_a_page_without_mediabunny_edits_photos(
    browser: Any, tmp_path: Path, swappable: Path, concepts: dict[str, Concept]
) -> None:
    (tmp_path / "site").mkdir()
    with served(put_together(tmp_path / "site", swappable, concepts.values())) as (address, asked):
        with opened(browser, address) as page:
            assert "video" not in page.get_attribute("[data-at=file]", "accept")
            page.set_input_files("[data-at=file]", write_clip(tmp_path / "a.mp4", frames=2))
            page.get_by_role("alert").filter(has_text="edits photos, not clips").wait_for()
        assert not [path for path in asked if "mediabunny" in path]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_it_fits_its_width_and_everybody_can_use_it(
    browser: Any, server: tuple[str, list[str]], scheme: str, width: int, tmp_path: Path
) -> None:
    """By keyboard, too."""
    from axe_playwright_python.sync_playwright import Axe

    def check(name: str) -> None:
        page.screenshot(path=tmp_path / f"{name}-{width}-{scheme}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        violations = Axe().run(page).response["violations"]
        assert [each["id"] for each in violations if each["impact"] in ("serious", "critical")] == [], name

    with opened(browser, server[0], viewport={"width": width, "height": 844}, color_scheme=scheme) as page:
        choose_clip(page, write_clip(tmp_path / "a.mp4", frames=48, size=(160, 96)))
        page.select_option("[data-at=container]", "webm")
        check("offered")
        page.focus("[data-at=split]")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.dataset.at") == "make"
        page.keyboard.press("Enter")
        wait_for(page, "left")
        assert page.evaluate("document.activeElement.dataset.at") == "cancel"
        check("under way")
        page.wait_for_selector("[data-at=film]")
        assert page.evaluate("document.activeElement.dataset.at") == "keep"
        check("edited")
