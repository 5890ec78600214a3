from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from e2gan.concept import Concept
from e2gan.errors import E2GANError, MissingExtraError
from e2gan.evaluation.closeups import Closeup
from e2gan.evaluation.measure import Example
from e2gan.evaluation.page import write_report
from tests.editor.tiny import photo, write_tiny_base, write_tiny_concept

VOID = {"meta", "img", "br", "line", "circle", "path"}

QUALITY: dict[str, Any] = {
    "pictures": 100,
    "photographs": 10,
    "l1": 0.1685,
    "l1_unedited": 0.2181,
    "l1_ratio": 0.7725,
    "l1_ratio_interval": [0.7053, 0.8309],
    "ssim": 0.41,
    "ssim_interval": [0.4, 0.42],
    "ssim_unedited": 0.3,
    "stroke_energy": 0.762,
    "stroke_energy_unedited": 0.2,
    "stroke_match": 0.123,
    "intervals": "95 %, bootstrap over 10 photographs",
    "headline": "inception",
    "dinov2": {"features": "another network's", "fid": 63.2, "fid_unedited": 201.0, "fid_ratio": 0.314},
    "inception": {
        "features": "Inception features (clean-FID)",
        **{"fid": 120.5, "fid_unedited": 240.9, "fid_ratio": 0.5002, "fid_ratio_interval": [0.45, 0.55]},
        **{"kid": 0.02, "kid_interval": [0.01, 0.03], "kid_unedited": 0.2},
    },
    "forgetting": {
        **{"bit_exact_when_folded_out": True, "pictures": 8, "drift": 0.16, "base_edit": 0.24},
        "drifts": {"stained-glass": 0.2, "spring": 0.12},
    },
    "cost": {"trained_parameters": 91670, "adapter_bytes": 371704, "training_flops": 104_824_569_856_000},
}


class Page(HTMLParser):
    """A page taken apart: its tags must close in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes what is not open"

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def dusk(tmp_path_factory: pytest.TempPathFactory) -> Concept:
    base = write_tiny_base(tmp_path_factory.mktemp("bases") / "tiny")
    concept = write_tiny_concept(tmp_path_factory.mktemp("concepts") / "dusk", base)
    return replace(concept, training={"device": "2 CPU cores", "seconds": 536, "steps": 400})


def example(seed: int, place: str = "") -> Example:
    pictures = [Image.fromarray(photo(48, 40, seed + i)) for i in range(3)]
    return Example(*pictures, source=f"test/p{seed}.jpg", l1=seed / 100, place=place)


EXAMPLES = [example(5, "best"), example(7, "median"), example(9, "worst")]


def report(folder: Path, concept: Concept, quality: Mapping[str, Any] = QUALITY, **options: Any) -> Page:
    options.setdefault("examples", EXAMPLES)
    written = write_report(folder, concept, quality, options.pop("examples"), **options)
    assert written == folder / "report.html"
    return Page(written.read_text(encoding="utf-8"))


def test_the_page_needs_nothing_but_itself(tmp_path: Path, dusk: Concept) -> None:
    page = report(tmp_path, dusk)
    assert {name for name, _ in page.tags}.isdisjoint({"script", "link", "iframe", "object", "a"})
    for attributes in page.attributes("img"):
        assert (attributes["src"] or "").startswith("data:image/webp;base64,")
        assert attributes["alt"] and attributes["width"] and attributes["height"]
    source = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "http:" not in source and "https:" not in source and "url(" not in source
    assert page.attributes("html")[0]["lang"] == "en"
    assert "(prefers-color-scheme: dark)" in source and "width=device-width" in source
    assert {file.name for file in tmp_path.iterdir()} == {"report.html", "sheet.png"}


def test_it_says_what_was_measured(tmp_path: Path, dusk: Concept) -> None:
    text = report(tmp_path, dusk).text
    for words in (
        "Dusk",
        "in the style of dusk",
        "100 test pictures of 10 photographs",
        "95 %, bootstrap over 10 photographs",
        "L1 ratio 0.772 [0.705, 0.831]",
        "Inception features (clean-FID) headline 120",
        "another network's",
        "SSIM",
        "Folded out, nothing is forgotten",
        "spring 0.120",
        "91,670",
        "372 kB",
        "1.05 × 10¹⁴ floating-point operations",
        "training, time 8 min 56 s",
        "teacher options name dusk",
    ):
        assert words in text, words
    # The headline network's figure comes first, and the smallest drift.
    assert text.index("0.500 [") < text.index("0.314")
    assert text.index("spring 0.120") < text.index("stained-glass 0.200")
    assert "Not measured" not in text and "LPIPS" not in text


def test_options_of_any_shape_are_shown(tmp_path: Path, dusk: Concept) -> None:
    recipe = {"teachers": [{"id": "a"}, {"id": "b", "options": {"mixed": [1, {"c": 2}], "none": []}}]}
    text = report(tmp_path, replace(dusk, manifest={**dusk.manifest, "recipe": recipe})).text
    assert "teachers 1 id a teachers 2 id b teachers 2 options mixed 1, c = 2 teachers 2 options none" in text


def test_photos_stand_from_the_best_to_the_worst(tmp_path: Path, dusk: Concept) -> None:
    page = report(tmp_path, dusk)
    assert "best · L1 0.0500 · test/p5.jpg" in page.text
    assert page.text.index("best ·") < page.text.index("median ·") < page.text.index("worst ·")
    assert len(page.attributes("img")) == 2 + 3 * len(EXAMPLES)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.height > 3 * 40


def test_of_many_examples_the_sheet_shows_every_other_one(tmp_path: Path, dusk: Concept) -> None:
    many = [example(i) for i in range(9)]
    assert len(report(tmp_path, dusk, examples=many).attributes("img")) == 27
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert 5 * 40 < sheet.height < 9 * 48


def test_what_is_given_besides_is_shown(tmp_path: Path, dusk: Concept) -> None:
    page = report(
        tmp_path,
        dusk,
        unmeasured={"LPIPS": "AlexNet's weights are not here"},
        history=[{"step": n, "l1": 1 / n, "val_l1": 0.5} for n in range(1, 500)],
        times={"distill": 131.2, "train": 3_700},
        pairs={"photos": 1000, "rejected: nothing was done": 12},
    )
    for words in (
        "Not measured LPIPS AlexNet's weights are not here",
        "distill 2 min 11 s",
        "train 1 h 01 min",
        "together 1 h 03 min",
        "photos 1,000 rejected: nothing was done 12",
        "L1, training: 0.500 to 0.00100, at the end 0.00100; 499 steps",
    ):
        assert words in page.text, words
    curves = [path["d"] or "" for path in page.attributes("path")]
    assert len(curves) == 2
    assert curves[0].startswith("M0.0,0.0 L") and curves[0].endswith("240.0,80.0")
    assert curves[0].count("L") < 300


def test_crops_are_shown_at_full_size(tmp_path: Path, dusk: Concept) -> None:
    crops = [Image.fromarray(photo(120, 200, seed)) for seed in range(3)]
    missing = {"face": "not looked for: pip install 'e2gan[faces]'", "night": "none among the test photos"}
    page = report(tmp_path, dusk, closeups=[Closeup("flat sky", *crops, source="test/p1.jpg")], missing=missing)
    assert "At full size" in page.text and "flat sky · test/p1.jpg" in page.text
    assert (
        "Not here: face (not looked for: pip install 'e2gan[faces]'), night (none among the test photos)." in page.text
    )
    shown = [image for image in page.attributes("img") if (image["alt"] or "").startswith("flat sky")]
    assert [(image["width"], image["height"]) for image in shown] == [("120", "200")] * 3
    assert "object-fit: none" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "At full size" not in report(tmp_path, dusk).text


def test_a_pixel_of_a_crop_is_one_of_the_page(tmp_path: Path, dusk: Concept, browser: Any) -> None:
    crops = [Image.fromarray(photo(304, 304, seed)) for seed in range(3)]
    wide = Example(*(Image.fromarray(photo(96, 40, 1)),) * 3, source="wide", l1=0.1, place="best")
    tall = Example(*(Image.fromarray(photo(40, 96, 1)),) * 3, source="tall", l1=0.2, place="worst")
    write_report(tmp_path, dusk, QUALITY, [wide, tall], closeups=[Closeup("face", *crops, source="a")])
    for width in (1440, 390):
        page = browser.new_page(viewport={"width": width, "height": 900})
        try:
            page.goto((tmp_path / "report.html").as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            boxes = page.eval_on_selector_all(
                ".full img", "all => all.map(e => [e.clientWidth, e.clientHeight, getComputedStyle(e).objectFit])"
            )
            assert len(boxes) == 3 and all(fit == "none" for _, _, fit in boxes)
            assert boxes[0][0] == (304 if width == 1440 else boxes[2][0])
            shapes = page.eval_on_selector_all(".trio img", "all => all.map(e => e.clientWidth / e.clientHeight)")
            assert shapes == pytest.approx([2.4] * 3 + [40 / 96] * 3, rel=0.03)
        finally:
            page.close()


def test_worse_than_doing_nothing_is_said(tmp_path: Path, dusk: Concept) -> None:
    assert "Worse than doing nothing" not in report(tmp_path, dusk).text
    text = report(tmp_path, dusk, {**QUALITY, "l1_ratio": 1.2}).text
    assert "Worse than doing nothing: L1 ratio 1.2:" in text and "Try: more steps" in text


def test_the_lattice_stands_beside_the_teachers(tmp_path: Path, dusk: Concept) -> None:
    assert "Lattice" not in report(tmp_path, dusk).text
    text = report(tmp_path, dusk, {**QUALITY, "lattice_share": 0.08, "lattice_share_teacher": 0.03}).text
    assert "Lattice share" in text and "(the teacher's: 0.0300) 0.0800" in text


def test_a_concept_nothing_was_measured_of_has_a_page_too(tmp_path: Path, dusk: Concept) -> None:
    page = report(tmp_path, replace(dusk, training={}), {}, examples=[])
    assert "Nothing was measured" in page.text
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
    assert "Nothing was measured" in report(tmp_path, dusk, {"l1": 0.25}).text


def test_forgetting_that_happened_is_said(tmp_path: Path, dusk: Concept) -> None:
    quality = {**QUALITY, "forgetting": {"bit_exact_when_folded_out": False, "pictures": 8}}
    assert "Folded out, the base is not what it was" in report(tmp_path, dusk, quality).text


hostile = st.text(min_size=1, max_size=40) | st.sampled_from(
    ["<script>alert(1)</script>", '"><img src=x onerror=x>', "{{ 7 * 7 }}", "</td>"]
)


@settings(max_examples=10)
@given(hostile, hostile, hostile)
def test_nothing_from_outside_becomes_markup(
    tmp_path_factory: pytest.TempPathFactory, dusk: Concept, title: str, name: str, why: str
) -> None:
    few, folder = EXAMPLES[:1], tmp_path_factory.mktemp("report")
    plain = report(folder, dusk, examples=few, unmeasured={"a": "b"}, times={"a": 1}, pairs={"a": 1})
    recipe = {**dusk.manifest["recipe"], "source": name}
    page = report(
        folder,
        replace(dusk, title=title, prompt=why, manifest={**dusk.manifest, "recipe": recipe}),
        {**QUALITY, "dinov2": {**QUALITY["dinov2"], "features": name}},
        examples=[replace(each, source=name) for each in few],
        unmeasured={name: why},
        times={name: 1},
        pairs={name: 1},
    )
    names = [tag for tag, _ in page.tags]
    for tag in ("tr", "th", "td"):  # the row of the recipe's source, which the plain one lacks
        names.remove(tag)
    assert sorted(names) == sorted(tag for tag, _ in plain.tags)
    assert " ".join(why.split()) in page.text or not why.isprintable()


@settings(max_examples=20)
@given(st.lists(st.dictionaries(st.sampled_from(["step", "l1", "gan", "x"]), st.floats()), max_size=6))
@hypothesis.example([{"step": 0.0, "l1": 0.0}, {"step": 1.0, "l1": 1e307}])
@hypothesis.example([{"step": 0.0, "l1": -1e308}, {"step": 1.0, "l1": 1e308}])
def test_any_history_is_drawn(
    tmp_path_factory: pytest.TempPathFactory, dusk: Concept, history: list[dict[str, float]]
) -> None:
    page = report(tmp_path_factory.mktemp("report"), dusk, examples=[], history=history)
    for path in page.attributes("path"):
        numbers = (path["d"] or "").replace("M", "").replace("L", "").replace(",", " ").split()
        assert all(math.isfinite(float(number)) for number in numbers)


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path, dusk: Concept) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(E2GANError, match="cannot write"):
        write_report(tmp_path / "file", dusk, QUALITY, EXAMPLES)


def test_without_jinja_it_is_said(tmp_path: Path, dusk: Concept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtraError, match="jinja2"):
        write_report(tmp_path, dusk, QUALITY, EXAMPLES)
