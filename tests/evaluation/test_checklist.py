"""The checklist of a maintainer: a good concept passes, and each thing that can be wrong is named."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from e2gan.base import Base
from e2gan.concept import Concept, render_card
from e2gan.evaluation.checklist import FAILED, NOT_CHECKED, PASSED, QUESTIONS, checklist
from e2gan.scaffold import new_concept
from tests.editor.tiny import write_tiny_concept

Change = Callable[[Any], object]

QUALITY = {"l1": 0.2, "l1_ratio": 0.6, "headline": "dinov2", "dinov2": {"features": "DINOv2", "fid_ratio": 0.4}}


def rewrite(bundle: Path, change: Change, *, card: bool = True) -> None:
    """Change the manifest, and by default the card with it."""
    file = bundle / "concept.toml"
    manifest = tomlkit.parse(file.read_text("utf-8"))
    change(manifest)
    file.write_text(tomlkit.dumps(manifest), "utf-8")
    if card:
        (bundle / "README.md").write_text(render_card(Concept.read(bundle)), "utf-8")


def preview() -> bytes:
    both = Image.new("RGB", (64, 32))
    both.paste((200, 100, 50), (32, 0, 64, 32))
    out = io.BytesIO()
    both.save(out, "WEBP", lossless=True)
    return out.getvalue()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, base: Base) -> Path:
    """A concept without fault, in a distribution; not to be changed."""
    folder = tmp_path_factory.mktemp("made") / "dusk"
    bundle = folder / "e2gan_concept_dusk" / "bundle"
    concept = write_tiny_concept(folder / "dusk", base)
    bundle.parent.mkdir(parents=True)
    shutil.move(concept.path, bundle)
    (bundle.parent / "__init__.py").write_text("")
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "e2gan-concept-dusk"\nversion = "1.2.0"\nlicense = "Apache-2.0"\n'
    )
    (bundle / "preview.webp").write_bytes(preview())

    def complete(manifest: Any) -> None:
        manifest["authors"] = ["Ada Lovelace"]
        manifest["licenses"] = {"teacher": "Apache-2.0", "photos": "CC-BY-4.0"}
        manifest["quality"] = QUALITY

    rewrite(bundle, complete)
    return folder


@pytest.fixture
def concept(made: Path, tmp_path: Path, bases: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it to change; its base is installed."""
    monkeypatch.setattr("e2gan.base.BUNDLED", bases)
    return Path(shutil.copytree(made, tmp_path / "dusk"))


def bundle_of(folder: Path) -> Path:
    return folder / "e2gan_concept_dusk" / "bundle"


def answers(folder: Path) -> dict[str, tuple[str, str]]:
    return {check.name: (check.status, check.detail) for check in checklist(folder)[1]}


def wrong(folder: Path) -> dict[str, str]:
    return {name: detail for name, (status, detail) in answers(folder).items() if status == FAILED}


def test_a_concept_without_fault_passes_everything(concept: Path) -> None:
    for folder in (concept, bundle_of(concept)):
        found, checks = checklist(folder)
        assert found is not None and found.id == "dusk"
        assert [check.name for check in checks] == list(QUESTIONS)
        assert {check.status for check in checks} == {PASSED}, checks


@pytest.mark.parametrize(
    ("change", "name", "text"),
    [
        (lambda m: m.pop("quality"), "quality", "no measured figures"),
        (lambda m: m["quality"].pop("l1_ratio") and m["quality"].pop("dinov2"), "quality", "no measured figures"),
        (lambda m: m["quality"].update(l1_ratio=3.84), "better than nothing", "L1 ratio 3.84"),
        (lambda m: m["quality"]["dinov2"].update(fid_ratio=1.0), "better than nothing", "FID ratio (dinov2) 1"),
        (lambda m: m.pop("licenses"), "licences", "the licence of the photos and the teacher"),
        (lambda m: m["licenses"].pop("photos"), "licences", "the licence of the photos"),
        (lambda m: m["licenses"].pop("teacher"), "licences", "the licence of the teacher"),
        (lambda m: m.pop("authors"), "authors", "names no authors"),
        (lambda m: m.update(version="1.3.0"), "package", "version is '1.2.0', but the bundle says '1.3.0'"),
        (lambda m: m.update(license="mit"), "package", "license is 'Apache-2.0', but the bundle says 'mit'"),
        (lambda m: m["base"].update(sha256="0" * 64), "base", "made for another 'tiny'"),
    ],
)
def test_what_the_manifest_lacks(concept: Path, change: Change, name: str, text: str) -> None:
    rewrite(bundle_of(concept), change)
    faults = wrong(concept)
    assert text in faults[name]
    assert faults.keys() <= {name, "bundle"} and ("bundle" in faults) == (name == "base")
    told = ("package", "licences", "authors")  # whose lines say it all
    assert all(check.hint for check in checklist(concept)[1] if check.status == FAILED and check.name not in told)


def test_an_untrained_concept_is_to_be_trained_and_nothing_else(tmp_path: Path) -> None:
    new_concept(tmp_path / "crayon", "crayon", author="Ada Lovelace")
    checks = checklist(tmp_path / "crayon")[1]
    assert [check.hint for check in checks if check.hint] == [f"e2gan train {tmp_path / 'crayon'} --data PHOTOS"]
    later = {check.name for check in checks if (check.status, check.detail) == (NOT_CHECKED, "not trained yet")}
    assert later == {"quality", "better than nothing", "preview", "card"}


def test_the_bundles_for_other_bases_are_of_one_version(concept: Path) -> None:
    other = Path(shutil.copytree(bundle_of(concept), bundle_of(concept).with_name("bundle-lite")))
    assert not wrong(concept)
    rewrite(other, lambda manifest: manifest.update(version="1.3.0"))
    assert "bundle-lite: 1.3.0, apache-2.0, but the bundle beside it 1.2.0, apache-2.0" in wrong(concept)["package"]


def test_given_pairs_have_no_teacher(concept: Path) -> None:
    def change(manifest: Any) -> None:
        manifest["licenses"].pop("teacher")
        manifest["recipe"] = {"teacher": "given"}

    rewrite(bundle_of(concept), change)
    assert answers(concept)["licences"] == (PASSED, "concept: apache-2.0; photos: CC-BY-4.0")


@pytest.mark.parametrize(
    ("name", "content", "check", "text"),
    [
        ("preview.webp", None, "preview", "no preview"),
        ("preview.webp", b"RIFF\x04\x00\x00\x00WEBP", "preview", "preview.webp"),
        ("README.md", None, "card", "no model card"),
        ("README.md", b"# Dusk\n", "card", "does not say what concept.toml says"),
        ("adapter_model.safetensors", b"{}", "bundle", "not a safetensors file"),
        ("prompt.safetensors", None, "bundle", "prompt.safetensors"),
        ("run.py", b"print(1)", "bundle", "unexpected file 'run.py'"),
    ],
)
def test_what_a_file_lacks(concept: Path, name: str, content: bytes | None, check: str, text: str) -> None:
    file = bundle_of(concept) / name
    file.unlink(missing_ok=True)
    if content is not None:
        file.write_bytes(content)
    assert text in wrong(concept)[check]


def test_a_preview_that_shows_no_difference(concept: Path) -> None:
    Image.new("RGB", (64, 32)).save(bundle_of(concept) / "preview.webp")
    assert "the same before and after" in wrong(concept)["preview"]


def test_a_card_as_it_was_published_is_up_to_date(concept: Path) -> None:
    card = render_card(Concept.read(bundle_of(concept)), "license: other\nbase_model: me/tiny", "hub:me/dusk")
    (bundle_of(concept) / "README.md").write_text(card, "utf-8")
    assert wrong(concept) == {}


def test_code_in_the_distribution_is_found(concept: Path) -> None:
    (concept / "tests").mkdir()
    (concept / "tests" / "test_dusk.py").write_text("")
    assert wrong(concept) == {}
    (concept / "setup.py").write_text("")
    assert wrong(concept) == {"package": "setup.py: code, but a concept is data"}


def test_without_the_base_it_is_said_what_was_not_checked(
    concept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "none").mkdir()
    monkeypatch.setattr("e2gan.base.BUNDLED", tmp_path / "none")
    found = answers(concept)
    assert found["base"][0] == NOT_CHECKED
    assert found["bundle"] == (PASSED, "every file is sound, as far as that can be seen without its base")


@pytest.mark.parametrize("text", [None, "", "schema = 1", "\x00", "[["])
def test_what_cannot_be_read_is_one_failure(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "concept.toml").write_text(text)
    found, checks = checklist(tmp_path)
    assert found is None
    assert [check.status for check in checks] == [FAILED] + [NOT_CHECKED] * (len(QUESTIONS) - 1)


@given(
    st.dictionaries(
        st.sampled_from(["l1_ratio", "headline", "dinov2", "photographs"]),
        st.one_of(
            st.booleans(),
            st.integers(-5, 5),
            st.floats(allow_nan=False, allow_infinity=False),
            st.text(st.characters(codec="ascii", categories=["L"]), max_size=3),
            st.dictionaries(st.just("fid_ratio"), st.floats(0, 9)),
        ),
    )
)
def test_any_figures_get_an_answer(made: Path, base: Base, quality: dict[str, Any]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        folder = Path(shutil.copytree(bundle_of(made), Path(place) / "dusk"))
        rewrite(folder, lambda manifest: manifest.update(quality=quality))
        found = answers(folder)
    ratio = quality.get("l1_ratio")
    if isinstance(ratio, (int, float)) and not isinstance(ratio, bool) and ratio >= 1:
        assert found["better than nothing"][0] == FAILED
