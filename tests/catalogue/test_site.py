"""The site as files: whole or not at all, again and again, whatever the concepts are."""

from __future__ import annotations

import io
import json
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors.numpy import save_file

import e2gan
from e2gan import plugins
from e2gan.about import judgements, measured, verdict
from e2gan.base import Base
from e2gan.cli import cli
from e2gan.concept import ADAPTER, PREVIEW, Concept
from e2gan.errors import E2GANError
from e2gan_catalogue.command import catalogue
from e2gan_catalogue.getting import steps_to_get
from e2gan_catalogue.site import INDEX, build
from e2gan_catalogue.trying import FILES, MEDIABUNNY, write_page
from tests.catalogue.conftest import HOSTILE, QUALITY, tiny


def files(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def run(*arguments: str | Path) -> Result:
    cli.add_command(catalogue)
    return CliRunner().invoke(cli, ["catalogue", *map(str, arguments)])


class TestPages:
    def test_every_concept_has_a_page_pictures_and_an_archive(self, concepts: list[Concept], tmp_path: Path) -> None:
        built = build(concepts, tmp_path / "site", title="Ours")
        assert built.shown == ["dusk", "dawn", "trick"] and not built.left_out and not built.edits
        index = json.loads((tmp_path / "site" / INDEX).read_text(encoding="utf-8"))
        assert [entry["id"] for entry in index["concepts"]] == built.shown
        for entry in index["concepts"]:
            assert (tmp_path / "site" / entry["page"]).is_file()
            with zipfile.ZipFile(tmp_path / "site" / entry["bundle"]) as archive:
                archive.extractall(tmp_path / "unpacked")
            Concept.read(tmp_path / "unpacked" / entry["id"]).check()
        front = (tmp_path / "site/index.html").read_text(encoding="utf-8")
        assert "<title>Ours</title>" in front and front.count('class="tile"') == 3

    def test_every_address_leads_somewhere_on_the_site(self, concepts: list[Concept], tmp_path: Path) -> None:
        build(concepts, tmp_path)
        for page in tmp_path.rglob("*.html"):
            text = page.read_text(encoding="utf-8")
            addresses = re.findall(r'(?:href|src|action)="([^"#]*)', text)
            addresses += [part.split()[0] for each in re.findall(r'srcset="([^"]+)"', text) for part in each.split(",")]
            assert len(addresses) > 10
            for address in filter(None, addresses):
                assert (page.parent / address).is_file(), f"{page.name}: {address}"

    def test_a_preview_is_split_into_before_and_after(self, concepts: list[Concept], tmp_path: Path) -> None:
        build(concepts, tmp_path)
        whole = Image.open(concepts[0].path / PREVIEW).convert("RGB")
        for name, box in (("before", (0, 0, 90, 60)), ("after", (90, 0, 180, 60))):
            (file,) = tmp_path.glob(f"pictures/dusk-*-{name}-90.webp")
            small = [picture.convert("L").resize((9, 6)).tobytes() for picture in (Image.open(file), whole.crop(box))]
            assert max(abs(a - b) for a, b in zip(*small)) < 12

    def test_large_previews_come_in_several_sizes(self, base: Base, tmp_path: Path) -> None:
        concept = tiny(tmp_path / "big", base)
        Image.new("RGB", (2400, 800), "navy").save(concept.path / PREVIEW)
        build([concept], tmp_path / "site")
        sizes = [Image.open(file).size for file in sorted(tmp_path.glob("site/pictures/*-after-*"))]
        assert sorted(sizes) == [(256, 171), (512, 341), (1024, 683)]

    def test_one_without_a_readable_preview_is_shown_without(self, base: Base, tmp_path: Path) -> None:
        concept = tiny(tmp_path / "plain", base)
        Image.new("RGB", (1, 40)).save(concept.path / PREVIEW)
        assert build([concept], tmp_path / "site").shown == ["plain"]
        assert not (tmp_path / "site/pictures").exists()

    def test_strangers_texts_are_text(self, concepts: list[Concept], tmp_path: Path) -> None:
        build(concepts, tmp_path, title=HOSTILE)
        for page in tmp_path.rglob("*.html"):
            text = page.read_text(encoding="utf-8")
            assert "<script>document" not in text and "<img src=x" not in text

    def test_concepts_of_one_id_have_pages_of_their_own(self, base: Base, tmp_path: Path) -> None:
        both = [tiny(tmp_path / name / "dusk", base, seed=seed) for seed, name in enumerate(("a", "b"), start=1)]
        build(both, tmp_path / "site")
        assert {file.name for file in (tmp_path / "site/concepts").iterdir()} == {"dusk.html", "dusk-2.html"}

    def test_how_to_get_one_from_the_hub(self, concepts: list[Concept]) -> None:
        pulled = Concept.read(concepts[0].path, source=f"hub:me/dusk@{'0' * 40}")
        commands = [step.command for step in steps_to_get(pulled, "dusk.zip")]
        assert commands == [f"e2gan pull me/dusk@{'0' * 40}", "e2gan apply hub:me/dusk photo.jpg -o edited.jpg"]


class TestWhole:
    def test_a_second_run_gives_the_same_files(self, concepts: list[Concept], tmp_path: Path) -> None:
        build(concepts, tmp_path)
        first = files(tmp_path)
        build(concepts, tmp_path)
        assert files(tmp_path) == first

    def test_what_is_not_of_the_site_any_more_goes_and_what_is_theirs_stays(
        self, concepts: list[Concept], tmp_path: Path
    ) -> None:
        build(concepts, tmp_path)
        (tmp_path / "CNAME").write_text("concepts.example.org")
        (tmp_path / ".git").mkdir()
        (tmp_path / ".git/HEAD").write_text("ref")
        build(concepts[:1], tmp_path)
        build(concepts[:1], tmp_path)
        assert not (tmp_path / "concepts/dawn.html").exists()
        assert (tmp_path / "CNAME").read_text() == "concepts.example.org"
        assert (tmp_path / ".git/HEAD").read_text() == "ref"

    def test_a_foreign_folder_is_refused_and_stays_as_it_is(self, concepts: list[Concept], tmp_path: Path) -> None:
        for content in ("my photo", '{"files": 3}', "[]"):
            (tmp_path / INDEX).write_text(content)
            (tmp_path / "photo.jpg").write_text("mine")
            before = files(tmp_path)
            with pytest.raises(E2GANError, match="is not a site"):
                build(concepts, tmp_path)
            assert files(tmp_path) == before

    def test_a_fault_leaves_the_earlier_site(
        self, concepts: list[Concept], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        build(concepts, tmp_path / "site")
        before = files(tmp_path)

        def fail(*_: Any) -> None:
            raise OSError(28, "No space left on device", str(tmp_path / "site"))

        monkeypatch.setattr("e2gan_catalogue.site._write_pages", fail)
        with pytest.raises(E2GANError, match="No space left"):
            build(concepts[:1], tmp_path / "site")
        assert files(tmp_path) == before


class TestBroken:
    def test_they_are_left_out_and_named(self, concepts: list[Concept], base: Base, tmp_path: Path) -> None:
        cut = tiny(tmp_path / "cut", base)
        (cut.path / ADAPTER).write_bytes((cut.path / ADAPTER).read_bytes()[:100])
        gone = tiny(tmp_path / "gone", base)
        shutil.rmtree(gone.path)
        built = build([cut, *concepts, gone], tmp_path / "site")
        assert built.shown == ["dusk", "dawn", "trick"]
        assert len(built.left_out) == 2 and "cut" in built.left_out[0] and "gone" in built.left_out[1]
        assert not list(tmp_path.glob("site/*/cut*"))

    def test_tensors_that_do_not_fit_the_installed_base(
        self, concepts: list[Concept], base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("e2gan.base.BUNDLED", base.path.parent)
        odd = tiny(tmp_path / "odd", base)
        adapter = odd.load(base)
        first = next(name for name in adapter.tensors if name.endswith("conv_in.lora_A.weight"))
        tensors = {**adapter.tensors, first: adapter.tensors[first][..., :1].copy()}
        save_file(tensors, odd.path / ADAPTER, metadata=odd.header())
        built = build([odd, *concepts], tmp_path / "site")
        assert built.shown == ["dusk", "dawn", "trick"] and first in built.left_out[0]

    def test_none_that_can_be_shown(self, base: Base, tmp_path: Path) -> None:
        cut = tiny(tmp_path / "cut", base)
        (cut.path / ADAPTER).unlink()
        with pytest.raises(E2GANError, match="no concept to show"):
            build([cut], tmp_path / "site")
        assert not (tmp_path / "site").exists()

    @pytest.mark.parametrize("content", [b"", b"RIFF", b"no picture"])
    def test_a_broken_preview_names_its_concept(self, base: Base, tmp_path: Path, content: bytes) -> None:
        bad, good = tiny(tmp_path / "bad", base), tiny(tmp_path / "good", base)
        (bad.path / PREVIEW).write_bytes(content)
        built = build([bad, good], tmp_path / "site")
        assert built.shown == ["good"] and "preview.webp" in built.left_out[0]


@pytest.mark.parametrize("clips", [False, True])
def test_the_page_that_edits_clips_has_mediabunny_and_its_licence(tmp_path: Path, clips: bool) -> None:
    (tmp_path / MEDIABUNNY).write_text("// a library")
    write_page(tmp_path / "try", [{"name": "dusk"}], tmp_path if clips else None)
    about = json.loads((tmp_path / "try/page.json").read_text())
    assert about == {"cards": [{"name": "dusk"}], "lite": [], "clips": clips}
    files = {path.name: path.read_text() for path in (tmp_path / "try").glob("clips/*")}
    assert set(files) == ({MEDIABUNNY, "NOTICE"} if clips else set())
    assert not clips or ("Mozilla Public License 2.0" in files["NOTICE"] and "github.com" in files["NOTICE"])


class TestCommand:
    @pytest.fixture(autouse=True)
    def installed(self, concepts: list[Concept], monkeypatch: pytest.MonkeyPatch) -> None:
        class Plugin:
            @staticmethod
            @e2gan.hookimpl
            def register_concepts(register: Any) -> None:
                register(concepts[0].path)

        monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "")
        plugins.use_registry(lambda: plugins.Registry.load([Plugin]))

    def test_the_installed_ones_by_default(self, tmp_path: Path) -> None:
        result = run("-o", tmp_path / "site")
        assert (result.exit_code, result.stdout) == (0, f"{tmp_path / 'site/index.html'} shows 1 concept\n")
        assert "--runtime" in result.stderr

    def test_given_ones_and_what_is_missing(self, concepts: list[Concept], tmp_path: Path) -> None:
        result = run("dusk", concepts[1].path, "nowhere", "-o", tmp_path / "site", "--json")
        assert result.exit_code == 0
        told = json.loads(result.stdout)
        assert told["concepts"] == ["dusk", "dawn"] and len(told["left_out"]) == 1 and "nowhere" in told["left_out"][0]
        assert not result.stderr

    def test_clips_need_the_page_that_edits(self, tmp_path: Path) -> None:
        result = run("-o", tmp_path / "site", "--clips", tmp_path)
        assert result.exit_code == 2 and "--runtime" in result.stderr
        assert not (tmp_path / "site").exists()

    def test_a_folder_that_is_not_mediabunny(self, tmp_path: Path) -> None:
        for name in FILES:
            (tmp_path / name).touch()
        result = run("-o", tmp_path / "site", "--runtime", tmp_path, "--clips", tmp_path)
        assert result.exit_code == 1 and "mediabunny.min.mjs is not there" in result.stderr
        assert not (tmp_path / "site").exists()

    def test_a_folder_that_is_no_runtime(self, tmp_path: Path) -> None:
        result = run("-o", tmp_path / "site", "--runtime", tmp_path)
        assert result.exit_code == 1 and "onnxruntime-web is not there" in result.stderr
        assert not (tmp_path / "site").exists()


class TestWords:
    def test_of_a_good_one(self) -> None:
        assert verdict(QUALITY) == "very close to what it learned from"
        assert [judgement.label for judgement in judgements(QUALITY)] == [
            "Look as a whole",
            "Pixel by pixel",
            "Fine detail",
        ]
        assert "85 % of the way" in judgements(QUALITY)[0].words
        assert "Softer" in judgements(QUALITY)[2].words and "50 %" in judgements(QUALITY)[2].words

    @pytest.mark.parametrize(
        "ratio, words",
        [
            (0.0, "very close"),
            (0.3, "close to"),
            (0.6, "about halfway"),
            (0.9, "far from"),
            (1.0, "no closer"),
            (9.0, "no closer"),
        ],
    )
    def test_more_is_worse(self, ratio: float, words: str) -> None:
        assert verdict({"l1_ratio": ratio}).startswith(words)

    def test_what_it_is_based_on(self) -> None:
        assert "on photos that it never saw" in measured(QUALITY)
        assert "on 39 photos that it never saw" in measured({**QUALITY, "photographs": 39})
        assert measured({}) == measured({"photographs": 39}) == ""

    def test_what_is_measured_beside_it_changes_nothing(self) -> None:
        assert verdict({"stroke_energy": 1.0}) == verdict({}) == "not measured yet"

    @given(
        st.dictionaries(
            st.sampled_from(["l1_ratio", "headline", "net", "stroke_energy"]),
            st.one_of(
                st.floats(), st.integers(), st.just(10**400), st.booleans(), st.text(), st.none(),
                st.just("net"), st.dictionaries(st.just("fid_ratio"), st.floats()),
            ),
        )
    )  # fmt: skip
    def test_whatever_the_figures_are(self, quality: dict[str, Any]) -> None:
        for judgement in judgements(quality):
            assert 0 <= judgement.share <= 1 and len(judgement.words) < 120
        assert verdict(quality)


def test_an_archive_is_the_same_every_time(concepts: list[Concept], tmp_path: Path) -> None:
    for name in ("a", "b"):
        build(concepts, tmp_path / name)
    one, two = ((tmp_path / name / "bundles/dusk-1.2.0.zip").read_bytes() for name in ("a", "b"))
    assert one == two and zipfile.ZipFile(io.BytesIO(one)).testzip() is None
