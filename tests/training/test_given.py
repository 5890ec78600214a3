"""Training on pairs that one has: no teacher edits anything, and the folder stays as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from e2gan.base import Base
from e2gan.concept import Concept
from e2gan.data.folders import METADATA, find_photos
from e2gan.data.import_dataset import import_dataset
from e2gan.data.make_pairs import distilled_pairs, write_pairs
from e2gan.data.pairs import Pairs
from e2gan.data.teachers import make_teacher
from e2gan.errors import DataError, RecipeError, TeacherError
from e2gan.plugins import Registry
from e2gan.progress import Progress
from e2gan.recipe import Recipe, TeacherChoice
from e2gan.training import concept as training
from tests.training import concepts

GIVEN = Recipe((TeacherChoice("given"),))


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "")
    concepts.stand_in(monkeypatch.setattr)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return concepts.tiny_base(tmp_path_factory.mktemp("bases") / "tiny")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Photos with their negatives as pairs, and a concept that is trained on given ones."""
    concepts.photos(tmp_path / "own/before", side=64)
    for photo in (tmp_path / "own/before").rglob("*.jpg"):
        negative = tmp_path / "own/after" / photo.relative_to(tmp_path / "own/before")
        negative.parent.mkdir(parents=True, exist_ok=True)
        ImageOps.invert(Image.open(photo)).save(negative)
    import_dataset("pairs", tmp_path / "own", tmp_path / "pairs", size=64)
    manifest = concepts.distribution(tmp_path / "negative") / "concept.toml"
    options = '[recipe.teacher_options]\nname = "negative"\n'
    manifest.write_text(concepts.CONCEPT.replace('"edit"', '"given"').replace(options, ""))
    return tmp_path


def bundle(place: Path) -> Path:
    return place / "negative/e2gan_concept_negative/bundle"


def train(place: Path, base: Base, data: str = "pairs", **options: object) -> list[str]:
    said: list[str] = []
    training.train_concept(
        place / "negative",
        place / data,
        **{"work": place / "work", "base": base.path, "workers": 1, "device": "cpu", **options},
        progress=Progress(stage=said.append),
    )
    return said


def test_a_concept_is_trained_on_the_pairs_as_they_are(place: Path, base: Base) -> None:
    before = {file: file.read_bytes() for file in (place / "pairs").rglob("*") if file.is_file()}
    said = train(place, base)
    assert "selected 4 of 6 pairs" in said and "train on 4 pairs" in said
    assert not any("distill with" in line for line in said)
    assert {file: file.read_bytes() for file in (place / "pairs").rglob("*") if file.is_file()} == before
    assert not (place / "work/pairs").exists()
    trained = Concept.read(bundle(place))
    assert trained.trained and trained.quality["pictures"] == 2
    assert "| teacher | none, the pairs are given |" in (bundle(place) / "README.md").read_text("utf-8")
    again = train(place, base)
    assert all(f"{step}: unchanged" in again for step in ("distill", "select", "train", "eval"))


def foreign(folder: Path) -> Path:
    """Pairs whose names say nothing of what they show."""
    for split, count in (("train", 6), ("val", 1)):
        (folder / split).mkdir(parents=True)
        rows = []
        for n in range(count):
            photo = Image.linear_gradient("L").resize((64, 64)).convert("RGB").rotate(20 * n)
            photo.save(folder / split / f"{n}.png")
            ImageOps.invert(photo).save(folder / split / f"{n}e.png")
            rows.append({"input_file_name": f"{n}.png", "output_file_name": f"{n}e.png"})
        (folder / split / METADATA).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_a_changed_picture_is_noticed_whatever_its_name(place: Path, base: Base) -> None:
    foreign(place / "foreign")
    train(place, base, "foreign", until="select")
    assert "distill: unchanged" in train(place, base, "foreign", until="select")
    for name in ("0e.png", "1.png"):
        Image.new("RGB", (64, 64), "red").save(place / "foreign/train" / name)
        said = train(place, base, "foreign", until="select")
        assert "distill: unchanged" not in said and "select: unchanged" not in said


@pytest.mark.parametrize(("photo", "edit"), [((64, 60), (64, 60)), ((64, 64), (64, 72)), ((64, 64), None)])
def test_sizes_that_cannot_be_trained_on_are_known_at_once(
    place: Path, base: Base, photo: tuple[int, int], edit: tuple[int, int] | None
) -> None:
    foreign(place / "foreign")
    Image.new("RGB", photo).save(place / "foreign/val/0.png")
    if edit:
        Image.new("RGB", edit).save(place / "foreign/val/0e.png")
    else:
        (place / "foreign/val/0e.png").write_text("no picture")
    with pytest.raises(DataError, match=r"val/0e\.png"):
        train(place, base, "foreign")
    assert not (place / "work").exists()


def test_a_picture_that_we_made_is_known_by_its_name(place: Path) -> None:
    for pair in Pairs.open(place / "pairs").split("train"):
        assert pair.key == pair.output.name
    assert len({pair.key for pair in Pairs.open(foreign(place / "foreign")).split("train")}) == 6


def test_photos_are_no_given_pairs(place: Path, base: Base) -> None:
    with pytest.raises(DataError, match="own: no pairs here") as caught:
        train(place, base, "own")
    assert "e2gan import" in str(caught.value.hint)
    assert not (place / "work").exists()
    with pytest.raises(DataError, match="no pairs here"):
        distilled_pairs(place / "own", place / "work", GIVEN, progress=Progress())


def test_pairs_are_no_photos_for_a_teacher(place: Path, base: Base) -> None:
    (bundle(place) / "concept.toml").write_text(concepts.CONCEPT)
    with pytest.raises(DataError, match="these are pairs, not photos") as caught:
        train(place, base)
    assert 'teacher = "given"' in str(caught.value.hint)
    with pytest.raises(DataError, match="these are pairs"):
        find_photos(place / "pairs")


def test_no_folder_of_pairs_is_one_error(place: Path, base: Base) -> None:
    with pytest.raises(DataError, match="no folder of photographs is given") as caught:
        training.train_concept(place / "negative", None, work=place / "work", base=base.path, device="cpu")
    assert "--data" in str(caught.value.hint)


def test_pairs_smaller_than_the_crops_are_known_at_once(place: Path, base: Base) -> None:
    manifest = bundle(place) / "concept.toml"
    manifest.write_text(manifest.read_text().replace("crop = 32", "crop = 72"))
    with pytest.raises(DataError, match=r"64×64, smaller than the crops of 72 pixels") as caught:
        train(place, base)
    assert "lower crop" in str(caught.value.hint)


def test_pairs_of_two_folders_are_trained_on_together(place: Path, base: Base) -> None:
    said: list[str] = []
    concept = training.train_concept(
        place / "negative",
        [place / "pairs", foreign(place / "more")],
        work=place / "work",
        base=base.path,
        device="cpu",
        progress=Progress(stage=said.append),
    )
    assert "selected 4 of 12 pairs" in said
    assert concept.training["photographs"] == 4


def test_there_is_nothing_to_distil(place: Path) -> None:
    assert Registry.load().all("teacher")["given"].summary
    with pytest.raises(TeacherError, match="edits no photos"):
        write_pairs(place / "own/before", place / "out", GIVEN, workers=2)
    assert not (place / "out").exists()
    with pytest.raises(TeacherError, match="has no option 'style'"):
        make_teacher("given", {"style": 3})


@pytest.mark.parametrize(
    ("recipe", "fault"),
    [
        ({"teachers": [{"id": "grade"}, {"id": "given"}]}, "cannot be combined with other teachers"),
        ({"teacher": "given", "teacher_options": {"a": 1}}, "has no options"),
        ({"teacher": "given", "rejection": {}}, "given pairs are never rejected"),
    ],
)
def test_what_would_be_without_effect_is_refused(recipe: dict[str, object], fault: str) -> None:
    with pytest.raises(RecipeError, match=fault):
        Recipe.from_dict(recipe, "concept.toml")
