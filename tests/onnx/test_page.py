"""The page in a headless browser: its pictures are the Python editor's, and a concept costs its part alone."""

from __future__ import annotations

import base64
import io
import json
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import ExifTags, Image

from e2gan.concept import Concept
from e2gan.editor import Editor
from e2gan.images import open_image
from e2gan.images.alpha import opaque
from e2gan.upsample import guided_upsample
from e2gan_catalogue.entries import write_entry
from e2gan_catalogue.trying import Runtime, write_editor
from e2gan_onnx.options import OPSETS
from e2gan_onnx.swap import export_swappable
from tests.editor.tiny import photo, write_tiny_base, write_tiny_concept
from tests.images import patches
from tests.images.test_colour import HLG_PROFILE, IN_ADOBE, IN_HLG, IN_P3, IN_PQ, PLAIN, PNGS, PQ_PROFILE, avif
from tests.images.test_colour import exif as camera
from tests.images.test_metadata import XMP
from tests.onnx.website import RUNTIME, choose_concept, edits, opened, put_together, served, wait_for_edit

pytestmark = pytest.mark.skipif(RUNTIME is None, reason="onnxruntime-web is not there: make test gets it with npm")


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, swappable: Path, concepts: dict[str, Concept]
) -> Iterator[tuple[str, list[str]]]:
    with served(put_together(tmp_path_factory.mktemp("site"), swappable, concepts.values())) as server:
        yield server


@pytest.fixture(scope="module")
def page(browser: Any, server: tuple[str, list[str]]) -> Iterator[Any]:
    with opened(browser, server[0]) as page:
        yield page


def file(picture: np.ndarray) -> dict[str, Any]:
    """A picture as a file to choose on the page."""
    data = io.BytesIO()
    Image.fromarray(picture).save(data, "PNG")
    return {"name": "photo.png", "mimeType": "image/png", "buffer": data.getvalue()}


def choose_photo(page: Any, picture: np.ndarray) -> None:
    before = edits(page)
    page.set_input_files("[data-at=file]", file(picture))
    wait_for_edit(page, before)


def shown(page: Any) -> np.ndarray:
    """The edit on the page: (H, W, 3) uint8."""
    return pixels_of(page, "after")[..., :3]


def pixels_of(page: Any, canvas: str) -> np.ndarray:
    """What a canvas of the page holds: (H, W, 4) uint8."""
    url = page.evaluate(f"document.querySelector('[data-at={canvas}]').toDataURL('image/png')")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGBA"))


def pictures_of(page: Any, picture: np.ndarray, editor: Editor, concepts: dict[str, Concept]) -> dict[str, np.ndarray]:
    """The page's picture for each concept, compared with the editor's."""
    choose_photo(page, picture)
    made = {}
    for concept in reversed(concepts.values()):
        choose_concept(page, concept.id)
        made[concept.id] = shown(page).astype(int)
        wanted = np.asarray(editor.apply(Image.fromarray(picture), concept)).astype(int)
        assert made[concept.id].shape == wanted.shape
        assert np.abs(made[concept.id] - wanted).mean() < 0.5, "of 255: the limit is 2"
    return made


def test_the_pages_pictures_are_the_editors(page: Any, editor: Editor, concepts: dict[str, Concept]) -> None:
    made = pictures_of(page, photo(97, 61, seed=5), editor, concepts)
    assert np.abs(made["paint"] - made["winter"]).mean() > 10


def test_so_they_are_with_skips_smoothing_and_noise(
    browser: Any,
    tmp_path: Path,
    new_swappable: Path,
    new_editor: Editor,
    new_concepts: dict[str, Concept],
) -> None:
    site = put_together(tmp_path, new_swappable, new_concepts.values())
    with served(site) as (address, _), opened(browser, address) as page:
        made = pictures_of(page, photo(264, 64, seed=5), new_editor, new_concepts)  # wider than the tile of noise
    assert np.abs(made["painting"] - made["drawing"]).mean() > 10


def test_a_cut_out_shows_nothing_of_the_photo_before_it(
    page: Any, editor: Editor, concepts: dict[str, Concept]
) -> None:
    """And keeps its transparency."""
    choose_photo(page, np.full((64, 96, 3), (200, 60, 50), np.uint8))
    cut = np.zeros((64, 96, 4), np.uint8)
    cut[16:48, 24:72] = np.dstack([photo(48, 32), np.full((32, 48), 255, np.uint8)])  # of one colour, rounding decides
    hidden = cut.copy()
    hidden[cut[..., 3] == 0, :3] = (255, 0, 255)
    for picture in (cut, hidden):
        choose_photo(page, picture)
        for canvas in ("before", "after"):
            seen = pixels_of(page, canvas)
            assert np.array_equal(seen[..., 3], cut[..., 3])
    concept = concepts[page.evaluate("document.querySelector('[data-at=cards] input:checked').value")]
    wanted = np.asarray(editor.apply(Image.fromarray(hidden), concept)).astype(int)
    visible = cut[..., 3] > 0
    assert np.abs(seen.astype(int) - wanted)[visible].mean() < 0.5
    page.locator("[data-at=split]").fill("0")
    clip = page.evaluate("getComputedStyle(document.querySelector('[data-at=before]')).clipPath")
    assert clip.startswith("inset(0") and "100%" in clip, "the photo lies under the edit, and would shine through"
    choose_photo(page, photo(96, 64))
    assert (pixels_of(page, "after")[..., 3] == 255).all()


FILLED = """([width, height, faint, pixels]) => import("./photo.js").then(({ fillHidden }) => {
    const data = new Uint8ClampedArray(pixels);
    fillHidden({ data, width, height }, faint);
    return Array.from(data);
})"""


@pytest.mark.parametrize("faint", [1, 16])
@pytest.mark.parametrize("height, width", [(1, 1), (1, 9), (13, 1), (2, 3), (17, 31), (32, 64), (53, 21)])
def test_what_is_hidden_is_filled_as_in_the_editor(page: Any, height: int, width: int, faint: int) -> None:
    random = np.random.default_rng(height)
    for share in (0.0, 0.5, 0.98, 1.0):  # of pixels that nobody sees
        picture = random.integers(0, 256, (height, width, 4), np.uint8)
        picture[random.random((height, width)) < share, 3] = 0
        filled = page.evaluate(FILLED, [width, height, faint, picture.ravel().tolist()])
        wanted = np.asarray(opaque(Image.fromarray(picture), faint=faint))
        assert np.array_equal(np.array(filled, np.uint8).reshape(height, width, 4)[..., :3], wanted)


def files() -> dict[str, bytes]:
    """Photos that tell their colours in every way that browsers read."""
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    icc = patches.profile("P3", 2.2, patches.P3)
    made = {name: patches.with_chunks(patches.saved(samples), *chunks) for name, (samples, chunks) in PNGS.items()}
    made |= {
        f"AVIF in {p}, {t}": avif(samples, p, t)
        for samples, p, t in ((IN_P3, 12, 13), (IN_PQ, 9, 16), (IN_HLG, 9, 18), (PLAIN, 1, 1), (PLAIN, 10, 13))
    }
    made |= {
        f"{format} in a profile's {name}": patches.saved(samples, format, icc_profile=profile, **options)
        for format, options in (("JPEG", {"quality": 98, "subsampling": 0}), ("WEBP", {"lossless": True}), ("AVIF", {}))
        for name, samples, profile in (("PQ", IN_PQ, PQ_PROFILE), ("HLG", IN_HLG, HLG_PROFILE))
    }
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = orientation
        made[f"WebP, orientation {orientation}"] = patches.saved(PLAIN, "WEBP", lossless=True, exif=exif.tobytes())
        late = patches.chunk(b"eXIf", exif.tobytes()[6:])
        made[f"PNG, orientation {orientation}"] = patches.with_chunks(patches.saved(PLAIN), late, before=b"IEND")
    made |= {
        "a camera's Adobe RGB": patches.saved(IN_ADOBE, "JPEG", quality=98, subsampling=0, exif=camera(65_535, "R03")),
        "WebP in Adobe RGB": patches.saved(IN_ADOBE, "WEBP", lossless=True, exif=camera(65_535, "R03").tobytes()),
        "grey in P3": patches.saved(Image.fromarray(PLAIN[..., 0]), "JPEG", icc_profile=icc),
        "a photo on its side": patches.saved(IN_P3, "JPEG", exif=turned, icc_profile=icc),
        "XMP alone says so": patches.saved(PLAIN, "JPEG", xmp=XMP),
        "WebP": patches.saved(IN_P3, "WEBP", lossless=True, icc_profile=icc),
        "GIF": patches.saved(Image.fromarray(PLAIN).quantize(8), "GIF"),
        "BMP": patches.saved(PLAIN, "BMP"),
        "16 bits": imagecodecs.png_encode(patches.laid_out(patches.srgb(patches.light()), np.uint16)),
    }
    del made["a cICP of YCbCr"]  # which Chromium does not open
    return made


def test_every_photo_looks_as_on_the_command_line(page: Any) -> None:
    """Within 1/255."""
    off = {}
    for name, data in files().items():
        url = page.evaluate(
            """async (data) => {
                const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
                const { openPhoto } = await import("./photo.js");
                return (await openPhoto(new Blob([bytes]))).toDataURL("image/png");
            }""",
            base64.b64encode(data).decode(),
        )
        there = np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGB")).astype(int)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            here = np.asarray(open_image(data)).astype(int)
        assert there.shape == here.shape, name
        off[name] = int(np.abs(there - here).max())
    assert {name: worst for name, worst in off.items() if worst > 1} == {}


def test_a_concept_loads_its_part_alone(page: Any, server: tuple[str, list[str]]) -> None:
    asked = server[1]
    assert sum(path.endswith("base.part") for path in asked) <= 2, "once, or again when the page is loaded with threads"
    start = len(asked)
    choose_concept(page, "winter")
    choose_concept(page, "paint")
    # The browser itself asks for these two when it likes.
    models = set(asked[start:]) - {"/shared/favicon.png", "/try/isolation-worker.js"}
    assert models <= {"/try/models/winter.part", "/try/models/paint.part"}


def test_it_computes_with_threads_on_a_host_that_sends_no_headers(page: Any) -> None:
    assert page.evaluate("crossOriginIsolated")
    assert re.fullmatch(r".+ · 96 × 64 · (WebAssembly, \d+ threads?|WebGPU)", page.inner_text("[data-at=status]"))


def test_the_small_network_edits_what_it_can(
    browser: Any, tmp_path: Path, swappable: Path, editor: Editor, concepts: dict[str, Concept]
) -> None:
    """Until the visitor wants it sharper; each network is loaded when it is wanted, and once."""
    base = write_tiny_base(tmp_path / "base", id="tiny-lite", seed=7)
    lite = {name: write_tiny_concept(tmp_path / "lite" / name, base, seed=9) for name in ("paint", "glow")}
    models = tmp_path / "models"
    export_swappable(list(lite.values()), base, models, opset=OPSETS[0])
    quick = Editor(base, device="cpu", dtype="float32")
    (tmp_path / "site").mkdir()
    site = put_together(tmp_path / "site", swappable, concepts.values(), lite=(models, list(lite)))
    picture = photo(96, 64, seed=5)

    def made_by(page: Any, by: Editor, concept: Concept) -> bool:
        wanted = np.asarray(by.apply(Image.fromarray(picture), concept)).astype(int)
        return bool(np.abs(shown(page).astype(int) - wanted).mean() < 0.5)

    with served(site) as (address, asked), opened(browser, f"{address}?concept=paint") as page:
        choose_photo(page, picture)
        assert made_by(page, quick, lite["paint"])
        assert not any("/models/" in path for path in asked)
        choose_concept(page, "winter")  # which the small one does not know
        assert made_by(page, editor, concepts["winter"])
        choose_concept(page, "glow")
        assert made_by(page, quick, lite["glow"])
        before = edits(page)
        page.select_option("[data-at=network]", "full")
        wait_for_edit(page, before)
        assert made_by(page, editor, concepts["glow"])
        assert [path for path in asked if path.endswith("/models/base.part")] == ["/try/models/base.part"]


def test_the_catalogue_puts_the_models_of_both_bases_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And makes again only those of which a concept has changed."""
    assert RUNTIME is not None
    monkeypatch.setattr("e2gan.base.BUNDLED", tmp_path / "bases")
    full, lite = (write_tiny_base(tmp_path / "bases" / id, id=id, seed=n) for n, id in enumerate(("tiny", "tiny-lite")))
    concepts = [write_tiny_concept(tmp_path / "full" / name, full, seed=n) for n, name in enumerate(("dusk", "dawn"))]
    small = write_tiny_concept(tmp_path / "lite/dusk", lite, seed=5)

    def made(former: str, to: str, small: Concept) -> Path:
        (tmp_path / to).mkdir()
        entries = [
            write_entry(replace(concept, others=(small,) if concept.id == "dusk" else ()), tmp_path / to, concept.id)
            for concept in concepts
        ]
        runtime, place = Runtime.found_in(RUNTIME), tmp_path / to / "try"
        write_editor(entries, place, runtime, former=tmp_path / former / "try", tell=lambda text: None)
        return place

    def parts(place: Path) -> dict[str, float]:
        return {file.relative_to(place).as_posix(): file.stat().st_mtime_ns for file in place.glob("*/*.part")}

    first = made("none", "first", small)
    assert json.loads((first / "page.json").read_text("utf-8"))["lite"] == ["dusk"]
    models = {"models/base.part", "models/dusk.part", "models/dawn.part"}
    assert set(parts(first)) == {*models, "models-lite/base.part", "models-lite/dusk.part"}
    again = made("first", "again", small)
    assert (again / "made.json").read_text("utf-8") == (first / "made.json").read_text("utf-8")
    # A byte that no export would write shows what was taken over.
    for file in [*(again / "models").glob("dawn.part"), *(again / "models-lite").glob("dusk.part")]:
        file.write_bytes(file.read_bytes()[:-1] + b"!")
    changed = write_tiny_concept(tmp_path / "changed/dusk", lite, seed=6)
    third = made("again", "third", changed)
    assert (third / "models/dawn.part").read_bytes().endswith(b"!")
    assert not (third / "models-lite/dusk.part").read_bytes().endswith(b"!")


def test_without_a_small_network_there_is_no_choice(page: Any) -> None:
    assert page.locator("[data-at=network]").is_hidden()


def test_a_large_photo_is_made_smaller(page: Any) -> None:
    choose_photo(page, photo(700, 430))
    assert shown(page).shape == (236, 384, 3)
    before = edits(page)
    page.select_option("[data-at=size]", "256")
    wait_for_edit(page, before)
    assert shown(page).shape == (157, 256, 3)


def test_what_is_no_picture_is_told(page: Any) -> None:
    page.set_input_files("[data-at=file]", {"name": "a.png", "mimeType": "image/png", "buffer": b"no picture"})
    page.get_by_role("alert").filter(has_text="not a picture").wait_for()
    choose_photo(page, photo(96, 64))
    assert page.locator("[data-at=problem]").is_hidden()


def test_the_camera_is_edited_frame_by_frame_and_let_go(page: Any) -> None:
    before = edits(page)
    page.get_by_role("button", name="Live camera").click()
    wait_for_edit(page, before + 1)
    assert "frames per second" in page.inner_text("[data-at=status]")
    page.get_by_role("button", name="Stop camera").click()
    page.get_by_role("button", name="Live camera").wait_for()
    assert page.evaluate("document.querySelector('[data-at=video]').srcObject") is None
    page.wait_for_selector('.stage[data-state="ready"]')


def test_a_frame_of_the_camera_becomes_the_photo(page: Any) -> None:
    page.get_by_role("button", name="Live camera").click()
    wait_for_edit(page, edits(page))
    page.get_by_role("button", name="Take this photo").click()
    page.wait_for_selector('.stage[data-state="ready"]')
    assert page.locator("[data-at=video]").is_hidden()
    assert max(shown(page).shape) == int(page.input_value("[data-at=size]"))


def saved(page: Any, format: str = "png") -> tuple[str, Image.Image]:
    page.get_by_label("Format of the download").select_option(format)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download").click()
    return waiting.value.suggested_filename, Image.open(waiting.value.path())


def test_the_edit_is_saved_as_it_is_shown(page: Any) -> None:
    choose_photo(page, photo(96, 64))
    name, picture = saved(page)
    concept = page.evaluate("document.querySelector('[data-at=cards] input:checked').value")
    assert name == f"photo-{concept}.png"
    assert np.array_equal(np.asarray(picture.convert("RGB")), shown(page))


def enlarged(page: Any, whole: np.ndarray, strength: float) -> np.ndarray:
    """What e2gan's own enlargement makes of the pictures on the page."""
    before, after = (pixels_of(page, which)[..., :3] for which in ("before", "after"))
    return guided_upsample(whole, before, after.astype(np.float32) / 255, strength)


@pytest.mark.parametrize("strength", [1.0, 0.4])
@pytest.mark.parametrize("width, height", [(700, 430), (431, 802)])
def test_it_is_saved_at_the_photos_size(page: Any, width: int, height: int, strength: float) -> None:
    whole = photo(width, height, seed=3)
    choose_photo(page, whole)
    page.locator("[data-at=strength]").fill(str(100 * strength))
    _, picture = saved(page)
    page.locator("[data-at=strength]").fill("100")
    assert picture.size == (width, height)
    off = np.abs(np.asarray(picture.convert("RGB")).astype(int) - enlarged(page, whole, strength))
    assert off.max() <= 1
    assert "Saved at" in page.inner_text("[data-at=status]")


def test_strength_is_in_the_file(page: Any) -> None:
    whole = photo(96, 64, seed=4)
    choose_photo(page, whole)
    page.locator("[data-at=strength]").fill("25")
    assert page.locator("[data-at=after]").evaluate("node => node.style.opacity") == "0.25"
    _, picture = saved(page)
    page.locator("[data-at=strength]").fill("100")
    mixed = whole + 0.25 * (shown(page).astype(float) - whole)
    assert np.abs(np.asarray(picture.convert("RGB")) - mixed).max() <= 1


@pytest.mark.parametrize("format", ["jpeg", "webp"])
def test_other_formats(page: Any, format: str) -> None:
    choose_photo(page, np.dstack([photo(96, 64), np.full((64, 96), 0, np.uint8)]))
    name, picture = saved(page, format)
    page.get_by_label("Format of the download").select_option("png")
    assert name.endswith(f".{format}") and picture.format == format.upper() and picture.size == (96, 64)
    if format == "jpeg":
        assert np.asarray(picture.convert("RGB")).min() > 250, "transparent parts lie on white"


def blend(page: Any, other: str, share: int) -> None:
    before = edits(page)
    page.select_option("[data-at=other]", other)
    wait_for_edit(page, before)
    before = edits(page)
    if page.input_value("[data-at=mix]") != str(share):
        page.locator("[data-at=mix]").fill(str(share))
        wait_for_edit(page, before)
    page.wait_for_selector('.stage[data-state="ready"]')


@pytest.mark.parametrize("share", [5, 40, 50, 95])
def test_a_blend_is_the_editors(page: Any, editor: Editor, concepts: dict[str, Concept], share: int) -> None:
    picture = photo(96, 64, seed=6)
    choose_photo(page, picture)
    for one, other in (("paint", "winter"), ("glow", "winter")):
        choose_concept(page, one)
        blend(page, other, share)
        shares = {concepts[one]: 1 - share / 100, concepts[other]: share / 100}
        wanted = np.asarray(editor.apply(Image.fromarray(picture), shares)).astype(int)
        assert np.abs(shown(page) - wanted).mean() < 0.5
        name, _ = saved(page)
        assert name == f"photo-{one}-{other}.png"
        before = edits(page)
        page.select_option("[data-at=other]", "")
        wait_for_edit(page, before)


def test_so_is_one_with_skips_and_noise(
    browser: Any, tmp_path: Path, new_swappable: Path, new_editor: Editor, new_concepts: dict[str, Concept]
) -> None:
    site = put_together(tmp_path, new_swappable, new_concepts.values())
    picture = photo(96, 64, seed=7)
    with served(site) as (address, _), opened(browser, f"{address}?concept=painting&with=mixed&blend=0.3") as page:
        assert page.input_value("[data-at=mix]") == "30"
        choose_photo(page, picture)
        for other in ("mixed", "drawing"):
            blend(page, other, 30)
            shares = {new_concepts["painting"]: 0.7, new_concepts[other]: 0.3}
            wanted = np.asarray(new_editor.apply(Image.fromarray(picture), shares)).astype(int)
            assert np.abs(shown(page) - wanted).mean() < 0.5


def test_a_link_brings_it_back(page: Any, server: tuple[str, list[str]]) -> None:
    choose_concept(page, "winter")
    blend(page, "glow", 25)
    page.locator("[data-at=strength]").fill("60")
    address = page.url
    assert address.endswith("?concept=winter&with=glow&blend=0.25&strength=0.6")
    with opened(page.context.browser, address) as again:
        assert again.is_checked('input[value="winter"]')
        assert (again.input_value("[data-at=other]"), again.input_value("[data-at=mix]")) == ("glow", "25")
        assert again.input_value("[data-at=strength]") == "60"
        again.goto(f"{server[0]}?concept=../x&with=<b>&blend=9&strength=no")
        again.wait_for_selector('.stage[data-state="ready"]')
        assert again.input_value("[data-at=strength]") == "100"
    page.locator("[data-at=strength]").fill("100")
    before = edits(page)
    page.select_option("[data-at=other]", "")
    wait_for_edit(page, before)


def test_only_a_finished_edit_of_the_photo_is_shown_and_saved(page: Any) -> None:
    """While an edit is under way, nothing can be saved, and nothing is called an edit that is not one."""

    def during(act: Any, states: Sequence[str] = ("starting", "working")) -> Any:
        """What was on the stage when the edit began, or when the stage first was in one of these states."""
        page.evaluate(
            """(states) => new MutationObserver((_, observer) => {
                const stage = document.querySelector(".stage");
                if (!states.includes(stage.dataset.state)) return;
                observer.disconnect();
                const [after, tag] = [stage.querySelector("[data-at=after]"), stage.querySelector("[data-at=tag]")];
                document.body.began = {
                    state: stage.dataset.state,
                    save: !document.querySelector("[data-at=save]").disabled,
                    edit: getComputedStyle(after).visibility === "visible" && after.width,
                    tag: getComputedStyle(tag).display !== "none" && tag.textContent,
                };
            }).observe(document.querySelector(".stage"), { attributes: true, attributeFilter: ["data-state"] })""",
            list(states),
        )
        before = edits(page)
        act()
        wait_for_edit(page, before)
        page.wait_for_selector('.stage[data-state="ready"]')
        return page.evaluate("document.body.began")

    choose_photo(page, photo(96, 64))
    choose_concept(page, "winter")
    title = page.inner_text("[data-at=tag]")
    began = during(lambda: page.set_input_files("[data-at=file]", file(255 - photo(96, 64))))
    assert began == {"state": "starting", "save": False, "edit": False, "tag": False}
    began = during(lambda: page.check('input[value="paint"]', force=True))
    assert began == {"state": "working", "save": False, "edit": 96, "tag": title}, "the old edit, and its name"
    assert page.inner_text("[data-at=tag]") != title
    during(lambda: page.select_option("[data-at=size]", "384"))
    began = during(lambda: page.set_input_files("[data-at=file]", file(photo(700, 430))), ["working"])
    title = page.inner_text("[data-at=tag]")
    assert began == {"state": "working", "save": False, "edit": 256, "tag": title}, "a first look"
    assert shown(page).shape == (236, 384, 3)
    began = during(lambda: page.select_option("[data-at=size]", "256"))
    assert (began["edit"], began["save"]) == (384, False), "the old edit at its old size"
    page.select_option("[data-at=size]", "384")


def test_a_photo_is_removed_and_a_sample_takes_its_place(page: Any) -> None:
    page.get_by_role("button", name="Remove").click()
    page.wait_for_selector('.stage[data-state="empty"]')
    assert page.get_by_role("button", name="Download").is_disabled()
    page.get_by_role("button", name="Sample: a mountain ridge").click()
    page.wait_for_selector('.stage[data-state="ready"]')
    assert shown(page).shape == (64, 96, 3)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_its_width_and_everybody_can_use_it(
    browser: Any, server: tuple[str, list[str]], scheme: str, width: int, tmp_path: Path
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    with opened(browser, server[0], viewport={"width": width, "height": 844}, color_scheme=scheme) as page:
        page.screenshot(path=tmp_path / f"{width}-{scheme}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        violations = Axe().run(page).response["violations"]
    assert [each["id"] for each in violations if each["impact"] in ("serious", "critical")] == []


def test_the_keyboard_reaches_everything(page: Any) -> None:
    page.wait_for_selector('.stage[data-state="ready"]')  # so that there is something to save
    page.focus("[data-at=split]")
    reached = []
    for _ in range(16):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("(({ dataset, name }) => dataset.at || dataset.name || name)(document.activeElement)")
        )
    assert reached[:8] == ["file", "camera", "clear", "ridge", "strength", "other", "size", "save"]
    assert "concept" in reached and "search" in reached
    page.focus("[data-at=cards] input:checked")
    before = edits(page)
    page.keyboard.press("ArrowDown")
    page.wait_for_function("document.querySelector('[data-at=cards] input:checked').value === 'winter'")
    wait_for_edit(page, before)


def test_everything_that_is_used_has_a_name(page: Any) -> None:
    unnamed = page.evaluate(
        """[...document.querySelectorAll('input, button, select, canvas, progress, fieldset')].filter((element) =>
            !(element.labels?.length || element.getAttribute('aria-label') || element.textContent.trim()
              || element.querySelector('legend'))).map((element) => element.outerHTML)"""
    )
    assert unnamed == []
