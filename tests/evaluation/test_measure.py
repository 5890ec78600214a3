from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from e2gan.base import Base
from e2gan.concept import Concept, record_quality
from e2gan.data.pairs import Pair
from e2gan.editor import Editor
from e2gan.errors import DataError, ImageError
from e2gan.evaluation import measure as measuring
from e2gan.evaluation.measure import draw_preview, examine, photograph
from e2gan.progress import Progress
from tests.editor.tiny import photo, write_tiny_base, write_tiny_concept
from tests.evaluation.test_report import colours


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return write_tiny_base(tmp_path_factory.mktemp("bases") / "tiny")


@pytest.fixture(scope="module")
def dusk(tmp_path_factory: pytest.TempPathFactory, base: Base) -> Concept:
    return write_tiny_concept(tmp_path_factory.mktemp("concepts") / "dusk", base)


@pytest.fixture(scope="module")
def editor(base: Base) -> Editor:
    return Editor(base, device="cpu")


@pytest.fixture(autouse=True)
def networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """One network, of means and deviations, and no Inception whatever this machine has."""
    monkeypatch.setattr(measuring, "NETWORKS", {"colours": lambda: colours})
    monkeypatch.setattr(measuring, "find_inception", lambda file=None, *, download=False: None)


@pytest.fixture
def pairs(tmp_path: Path) -> list[Pair]:
    """Twelve photos of four photographs, and a teacher's negatives of them."""
    made = []
    for number in range(12):
        picture = Image.fromarray(photo(48, 48, number))
        files = [tmp_path / f"{number}-{part}.png" for part in ("input", "output")]
        picture.save(files[0])
        ImageOps.invert(picture).save(files[1])
        made.append(Pair(*files, source=f"test/p{number // 3}_{number % 3:02}.jpg"))
    return made


def test_everything_is_measured_or_said_to_be_left_out(
    editor: Editor, dusk: Concept, pairs: list[Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = examine(editor, dusk, pairs)
    quality = measured.quality
    assert (quality["pictures"], quality["photographs"], quality["headline"]) == (12, 4, "colours")
    assert {"l1_ratio", "l1_ratio_interval", "ssim", "stroke_energy", "stroke_match", "colours"} <= set(quality)
    assert quality["forgetting"]["bit_exact_when_folded_out"] is True
    assert quality["cost"]["adapter_bytes"] > 0
    assert set(measured.unmeasured) == {
        *("FID on Inception features", "LPIPS"),
        *("forgetting when not folded out", "operations of the training"),
    }
    assert record_quality(dusk, quality).quality == quality


def test_the_examples_run_from_the_best_to_the_worst(editor: Editor, dusk: Concept, pairs: list[Pair]) -> None:
    examples = examine(editor, dusk, pairs).examples
    distances = [example.l1 for example in examples]
    assert len(examples) == 9
    assert distances == sorted(distances)
    assert [example.place for example in examples if example.place] == ["best", "median", "worst"]
    assert (examples[0].place, examples[-1].place) == ("best", "worst")
    every = sorted(
        np.abs(np.asarray(editor.apply(pair.input, dusk), float) - np.asarray(Image.open(pair.output), float)).mean()
        / 255
        for pair in pairs
    )
    middle = next(example.l1 for example in examples if example.place == "median")
    assert [distances[0], middle, distances[-1]] == pytest.approx([every[0], every[5], every[-1]], rel=1e-3)
    assert examples[0].caption == f"best, L1 {distances[0]:.3f}"


def test_two_photos_have_a_best_and_a_worst(editor: Editor, dusk: Concept, pairs: list[Pair]) -> None:
    assert [example.place for example in examine(editor, dusk, pairs[:2]).examples] == ["best", "worst"]


def test_inception_leads_where_it_is(
    editor: Editor, dusk: Concept, pairs: list[Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(
        measuring, "find_inception", lambda file=None, *, download=False: asked.append((file, download)) or Path("w.pt")
    )
    monkeypatch.setattr(measuring, "Inception", lambda file, device: colours)
    measured = examine(editor, dusk, pairs[:3], inception="w.pt", download=True)
    assert asked == [("w.pt", True)]
    assert measured.quality["headline"] == "inception"
    assert measured.quality["inception"]["features"] == "Inception features (clean-FID)"
    assert "colours" in measured.quality  # a second network stands beside it
    assert "FID on Inception features" not in measured.unmeasured


def test_one_pair_or_a_broken_one_is_an_error(editor: Editor, dusk: Concept, pairs: list[Pair]) -> None:
    for few in (0, 1):
        with pytest.raises(DataError, match="at least two photos"):
            examine(editor, dusk, pairs[:few])
    pairs[1].output.write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"1-output\.png"):
        examine(editor, dusk, pairs)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("test/p044_03.jpg", "test/p044"),
        ("p044_03", "p044"),
        ("sea.jpg", "sea"),
        ("IMG_2041.jpg", "IMG_2041"),
        ("mine/train/IMG_2041.jpg", "mine/train/IMG_2041"),
        ("_03.jpg", "_03"),
        ("", ""),
    ],
)
def test_crops_of_one_photograph_are_known_by_their_names(source: str, name: str) -> None:
    assert photograph(source) == name


def test_the_preview_shows_before_and_after(editor: Editor, dusk: Concept, tmp_path: Path) -> None:
    import io

    Image.fromarray(photo(600, 400)).save(tmp_path / "photo.jpg")
    with Image.open(io.BytesIO(draw_preview(editor, dusk, tmp_path / "photo.jpg"))) as preview:
        assert (preview.format, preview.size) == ("WEBP", (2 * 512, 341))


def test_it_takes_none_of_the_training_packages() -> None:
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('accelerate', 'h5py', 'matplotlib', 'peft', 'transformers'))); "
        "import e2gan.evaluation.page, e2gan.data.pairs"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_picture_that_is_measured_moves_the_bar(editor: Editor, dusk: Concept, pairs: list[Pair]) -> None:
    """And does not change what is measured."""
    told: list[tuple[int, int]] = []
    many = [pair for pair in pairs for _ in range(3)]
    counted = examine(editor, dusk, many, progress=Progress(advance=lambda done, total, _: told.append((done, total))))
    edits, looks = ([done for done, total in told if total == all] for all in (36, 3 * 36))
    assert edits[-1] == 36 and looks == sorted(looks) and looks[-1] == 3 * 36
    assert max(b - a for a, b in zip([0, *looks], looks)) <= 16
    assert counted.quality["colours"] == examine(editor, dusk, many).quality["colours"]
