"""From a recipe and photographs to a concept, step by step, with a throwaway teacher and tiny networks."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from e2gan.base import Base
from e2gan.concept import Concept, bundle_folder, concept_in
from e2gan.errors import ConceptError, DataError, E2GANError, RecipeError, TeacherError
from e2gan.files import sha256_file
from e2gan.progress import Progress
from e2gan.training import concept as training
from e2gan.training.trainer import Trainer
from tests.training import concepts

ALL = ["distill: unchanged", "select: unchanged", "train: unchanged", "eval: unchanged", "preview: unchanged"]


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "")
    concepts.stand_in(monkeypatch.setattr)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return concepts.tiny_base(tmp_path_factory.mktemp("bases") / "tiny")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, base: Base) -> Path:
    """A folder with photos, a trained concept and its work folder, not to be changed."""
    folder = tmp_path_factory.mktemp("trained")
    concepts.photos(folder / "photos")
    concepts.distribution(folder / "negative")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("E2GAN_LOAD_PLUGINS", "")
        concepts.stand_in(patch.setattr)
        train(folder, base)
    return folder


@pytest.fixture
def place(tmp_path: Path, trained: Path) -> Path:
    """A copy of it."""
    shutil.copytree(trained, tmp_path / "place")
    return tmp_path / "place"


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """The same before anything was done."""
    concepts.photos(tmp_path / "photos")
    concepts.distribution(tmp_path / "negative")
    return tmp_path


def train(folder: Path, base: Base, **options: object) -> list[str]:
    """Train the concept in ``folder``; what was said."""
    said: list[str] = []
    training.train_concept(
        folder / "negative",
        folder / "photos",
        **{"work": folder / "work", "base": base.path, "workers": 1, "device": "cpu", **options},
        progress=Progress(stage=said.append),
    )
    return said


def bundle(folder: Path) -> Path:
    return folder / "negative" / "e2gan_concept_negative" / "bundle"


def change(folder: Path, old: str, new: str) -> None:
    """Change the concept's manifest."""
    file = bundle(folder) / "concept.toml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def test_a_concept_is_trained_pinned_measured_drawn_and_described(trained: Path, base: Base) -> None:
    concept = Concept.read(bundle(trained))
    assert concept.base_sha256 == base.sha256
    assert concept.training["steps"] == 3
    assert concept.quality == {"pictures": 2, "l1": 0.25}
    assert concept.preview is not None
    assert Image.open(concept.preview).size == (512, 256)
    card = (bundle(trained) / "README.md").read_text()
    assert "before and after" in card and "0.25" in card
    adapter = concept.load(base)
    assert adapter.prompt.shape == (3, 8)
    assert any(np.abs(t).sum() > 0 for name, t in adapter.tensors.items() if "lora_B" in name)


def test_its_figures_are_said_at_the_end(place: Path, base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    def worse(*words: object, **options: object) -> object:
        measured = concepts.quality(*words, **options)  # type: ignore[arg-type]
        measured.quality |= {"l1_ratio": 1.5, "photographs": 2}
        return measured

    monkeypatch.setattr(training, "examine", worse)
    (place / "work" / "report.html").unlink()
    said = train(place, base)
    names = [line.split("  ")[0] for line in said[said.index(f"wrote {bundle(place)}") + 1 :]]
    assert names[:3] == ["L1 ratio", "photographs", "training"]
    assert names[3].startswith("worse than doing nothing: L1 ratio 1.5")
    assert "seen in training; tested on 2" in said[-4]
    again = train(place, base)
    assert again[-4:] == said[-4:], "also when there is nothing left to do"
    assert not any(line.startswith("wrote ") for line in again)
    assert not any(line.startswith("training ") for line in train(place, base, until="select"))


@pytest.fixture(scope="module")
def lite(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return concepts.tiny_base(tmp_path_factory.mktemp("bases") / "lite", id="lite", seed=1)


def test_another_base_gets_a_bundle_of_its_own(place: Path, base: Base, lite: Base) -> None:
    change(place, "steps = 3", "# as few as can be\nsteps = 3")
    first = {file.name: file.read_bytes() for file in bundle(place).iterdir()}
    pairs = sorted((place / "work" / "pairs" / "train").rglob("*.jpg"))
    made = [file.stat().st_mtime_ns for file in pairs]
    own = bundle(place).with_name("bundle-lite")

    said = train(place, lite)
    assert f"made {own}, with the recipe of the bundle beside it" in said and f"wrote {own}" in said
    concept = concept_in(place / "negative")
    assert [one.path for one in concept.for_all_bases] == [bundle(place), own]
    assert (concept.on("lite").base_sha256, concept.on("lite").quality) == (lite.sha256, {"pictures": 2, "l1": 0.25})
    assert concept.on("lite").load(lite).prompt.shape == (3, 8)
    assert concept.on("lite").preview is not None
    assert "# as few as can be" in (own / "concept.toml").read_text()
    assert (place / "work" / "lite" / "report.html").is_file()
    assert {file.name: file.read_bytes() for file in bundle(place).iterdir()} == first
    assert made and [file.stat().st_mtime_ns for file in pairs] == made, "the pairs serve both"
    assert set(train(place, lite)) >= set(ALL) and set(train(place, base)) >= set(ALL)

    text = (own / "concept.toml").read_text()
    (own / "concept.toml").write_text(text.replace("steps = 3", "steps = 2"))
    assert "train: unchanged" not in train(place, lite)
    assert concept_in(place / "negative").on("lite").training["steps"] == 2
    assert set(train(place, base)) >= set(ALL), "each bundle has a recipe of its own"


def test_a_fault_seen_at_once_leaves_no_bundle_for_the_other_base(fresh: Path, lite: Base) -> None:
    change(fresh, "crop = 32", "crop = 264")
    with pytest.raises(DataError, match="crops of 264 pixels"):
        train(fresh, lite)
    assert [folder.name for folder in bundle(fresh).parent.iterdir()] == ["bundle"]


def test_a_bundle_beside_it_that_is_something_else(place: Path, lite: Base) -> None:
    other = Path(shutil.copytree(bundle(place), bundle(place).with_name("bundle-lite")))
    with pytest.raises(ConceptError, match=r"bundle-lite/concept\.toml: its base is 'tiny', not 'lite'"):
        train(place, lite)
    text = (other / "concept.toml").read_text()
    (other / "concept.toml").write_text(text.replace('"tiny"', '"lite"').replace('"negative"', '"positive"'))
    with pytest.raises(ConceptError, match="its id is 'positive', not 'negative'"):
        train(place, lite)
    with pytest.raises(ConceptError, match="it is 'positive', but the bundle beside it 'negative'"):
        concept_in(place / "negative")


def test_whole_photos_of_several_folders(fresh: Path, base: Base) -> None:
    more = fresh / "more"
    for n, (split, size) in enumerate(
        [("train", (96, 64)), ("train", (70, 130)), ("val", (400, 90)), ("test", (64, 90))]
    ):
        (more / split).mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(n).integers(0, 256, (5, 5, 3), np.uint8)
        Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC).save(more / split / f"{n}.png")
    change(fresh, "[recipe.teacher_options]", "[recipe.pictures]\nside = 64\nwhole = true\n[recipe.teacher_options]")
    change(fresh, 'method = "similarity-clustering"', 'method = "all"')
    said: list[str] = []
    concept = training.train_concept(
        fresh / "negative",
        [fresh / "photos", more],
        work=fresh / "work",
        base=base.path,
        workers=1,
        device="cpu",
        progress=Progress(stage=said.append),
    )
    assert concept.training["pictures"] == concept.training["photographs"] == 6, "three steps of two, all different"
    assert concept.quality["pictures"] == 3
    sizes = {Image.open(file).size for file in (fresh / "work/pairs/train/input").iterdir()}
    assert sizes == {(64, 64), (96, 64), (64, 112)}
    assert Image.open(next(iter((fresh / "work").glob("run-*/grid.png")))).size[1] > 64


def test_crops_larger_than_the_pictures_are_one_error_at_once(fresh: Path, base: Base) -> None:
    change(fresh, "crop = 32", "crop = 264")
    with pytest.raises(DataError, match="crops of 264 pixels, but its pairs' side is 256"):
        train(fresh, base)
    assert not (fresh / "work" / "pairs").exists()


def test_its_makers_comments_stay(trained: Path) -> None:
    text = (bundle(trained) / "concept.toml").read_text()
    assert text.startswith(concepts.CONCEPT.split("sha256")[0])
    assert "   # pinned by training\n" in text and "clusters = 4   # of six\n" in text


def test_the_times_of_the_steps_are_kept(trained: Path) -> None:
    steps = json.loads((trained / "work" / "steps.json").read_text())
    assert list(steps) == list(training.STEPS)
    assert all(step["done"]["seconds"] >= 0 and "begun" not in step for step in steps.values())


def test_nothing_is_done_twice(place: Path, base: Base) -> None:
    before = {file: file.stat().st_mtime_ns for file in bundle(place).iterdir()}
    said = train(place, base)
    assert [line for line in said if "unchanged" in line] == [*ALL, "card: unchanged"]
    assert {file: file.stat().st_mtime_ns for file in bundle(place).iterdir()} == before


@pytest.mark.parametrize(
    ("old", "new", "unchanged"),
    [
        ('title = "Negative"', 'title = "Otherwise"', 5),
        ("steps = 3", "steps = 4", 2),
        ("clusters = 4", "clusters = 5", 1),
        ('name = "negative"', 'name = "mirror"', 0),
    ],
)
def test_what_is_changed_is_done_again_and_what_depends_on_it(
    place: Path, base: Base, old: str, new: str, unchanged: int
) -> None:
    change(place, old, new)
    said = train(place, base)
    assert [line for line in said if "unchanged" in line] == ALL[:unchanged]
    if unchanged < 5:
        assert any(line.startswith("note: a new training, in") and "run-" in line for line in said)
    concept = Concept.read(bundle(place))
    concept.load(base)
    assert concept.quality and concept.preview
    assert "card: unchanged" in train(place, base)


def test_a_new_test_photo_is_measured_on_and_not_trained_on(place: Path, base: Base) -> None:
    shutil.copy(place / "photos/train/train0.jpg", place / "photos/test/new.jpg")
    said = train(place, base)
    assert [line for line in said if "unchanged" in line] == ["select: unchanged", *ALL[2:3], "preview: unchanged"]
    assert Concept.read(bundle(place)).quality["pictures"] == 3


def test_what_is_gone_is_made_again_from_the_training(place: Path, base: Base) -> None:
    adapter = bundle(place) / "adapter_model.safetensors"
    before = adapter.read_bytes()
    for file in ("adapter_model.safetensors", "adapter_config.json", "prompt.safetensors", "preview.webp"):
        (bundle(place) / file).unlink()
    said = train(place, base)
    assert "train: unchanged" not in said
    assert adapter.read_bytes() == before
    assert len(list((place / "work").glob("run-*"))) == 1


def test_one_seed_gives_one_adapter(trained: Path, fresh: Path, base: Base) -> None:
    train(fresh, base, until="train")
    assert sha256_file(bundle(fresh) / "adapter_model.safetensors") == sha256_file(
        bundle(trained) / "adapter_model.safetensors"
    )
    assert not Concept.read(bundle(fresh)).quality


def test_steps_can_be_gone_one_by_one(fresh: Path, base: Base) -> None:
    train(fresh, base, until="distill")
    assert not (fresh / "work/embeddings").exists()
    assert "selected 4 of 6 pairs" in train(fresh, base, until="select")
    assert not Concept.read(bundle(fresh)).trained
    said = train(fresh, base)
    assert [line for line in said if "unchanged" in line] == ALL[:2]
    assert "train on 4 pairs" in said
    assert Concept.read(bundle(fresh)).preview


def test_the_preview_is_of_the_photo_that_was_last_named(place: Path, base: Base) -> None:
    first = (bundle(place) / "preview.webp").read_bytes()
    said = train(place, base, preview=place / "photos/train/train1.jpg")
    assert [line for line in said if "unchanged" in line] == [*ALL[:4], "card: unchanged"]
    second = (bundle(place) / "preview.webp").read_bytes()
    assert second != first
    train(place, base)
    assert (bundle(place) / "preview.webp").read_bytes() == second


# What is wrong


def test_fewer_photos_than_clusters_are_all_selected(fresh: Path, base: Base) -> None:
    change(fresh, "clusters = 4", "clusters = 7")
    said = train(fresh, base, until="select")
    assert "select all 6 pairs, fewer than the 7 of the recipe" in said
    assert "selected 6 of 6 pairs" in said


def test_skips_on_a_base_without_them_are_said_before_anything_is_made(fresh: Path, base: Base) -> None:
    change(fresh, "[base]", "skips = [1, 1, 1]\n[base]")
    with pytest.raises(
        ConceptError, match=r"concept\.toml: it has skips, but the generator of the base 'tiny' has none"
    ):
        train(fresh, base)
    assert not (fresh / "work").exists()


def test_one_photo_that_is_not_for_training(fresh: Path, base: Base) -> None:
    shutil.rmtree(fresh / "photos")
    (fresh / "photos").mkdir()
    Image.new("RGB", (64, 64)).save(fresh / "photos/1.jpg")  # which falls into the test split
    with pytest.raises(DataError, match="none of the 1 photos here is in the training split") as caught:
        train(fresh, base)
    assert caught.value.hint is not None and "train, val and test" in caught.value.hint


def test_one_photo_is_enough_when_nothing_is_selected(fresh: Path, base: Base) -> None:
    shutil.rmtree(fresh / "photos")
    concepts.photos(fresh / "some")
    (fresh / "photos").mkdir()
    shutil.copy(fresh / "some/train/train0.jpg", fresh / "photos/0.jpg")
    change(fresh, 'method = "similarity-clustering"', 'method = "all"')
    said = train(fresh, base)
    assert any(line.startswith("eval: skipped") for line in said)
    concept = Concept.read(bundle(fresh))
    assert concept.trained and concept.preview and not concept.quality


def test_no_photos(fresh: Path, base: Base) -> None:
    shutil.rmtree(fresh / "photos")
    (fresh / "photos").mkdir()
    with pytest.raises(DataError, match="photos: no photos here"):
        train(fresh, base)


def test_a_preview_that_cannot_be_read_is_said_before_anything_is_made(fresh: Path, base: Base) -> None:
    with pytest.raises(E2GANError, match=r"nowhere\.jpg"):
        train(fresh, base, preview="nowhere.jpg")
    assert not (fresh / "work").exists()


def test_a_misspelt_key(fresh: Path, base: Base) -> None:
    change(fresh, "batch_size = 2", "batchsize = 2")
    with pytest.raises(RecipeError, match=r"concept\.toml.*batchsize") as caught:
        train(fresh, base)
    assert caught.value.hint == "did you mean 'batch_size'?"


def test_a_teacher_that_is_not_installed(fresh: Path, base: Base) -> None:
    change(fresh, 'teacher = "edit"', 'teacher = "edits"')
    with pytest.raises(TeacherError, match="no teacher 'edits'"):
        train(fresh, base)


def test_a_folder_without_a_concept_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConceptError, match=r"holds no concept\.toml"):
        bundle_folder(tmp_path)


def stopped(folder: Path, base: Base, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stop the training of what is in ``folder`` after a step; the run's folder."""

    class Stop(Exception):
        pass

    def step(self: Trainer) -> dict[str, float]:
        if self.step == 1:
            self.save_checkpoint()
            raise Stop
        return train_step(self)

    train_step = Trainer.train_step
    with monkeypatch.context() as patch, pytest.raises(Stop):
        patch.setattr(Trainer, "train_step", step)
        train(folder, base)
    (run,) = (folder / "work").glob("run-*")
    return run


def test_a_stopped_training_goes_on_and_gives_the_same(
    fresh: Path, base: Base, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = stopped(fresh, base, monkeypatch)
    assert (run / "checkpoint.pt").is_file()
    assert not Concept.read(bundle(fresh)).trained
    train(fresh, base)
    assert sha256_file(bundle(fresh) / "adapter_model.safetensors") == sha256_file(
        bundle(trained) / "adapter_model.safetensors"
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [("train0", "'train/train0.jpg' is gone"), ("new", "'train/new.jpg' is new")],
)
def test_photos_that_change_under_a_stopped_training(
    fresh: Path, base: Base, monkeypatch: pytest.MonkeyPatch, name: str, words: str
) -> None:
    run = stopped(fresh, base, monkeypatch)
    photo = fresh / f"photos/train/{name}.jpg"
    if photo.exists():
        photo.unlink()
    else:
        Image.new("RGB", (64, 64), "red").save(photo)
    with pytest.raises(DataError, match=f"{run}.*stopped.*{words}") as caught:
        train(fresh, base)
    assert caught.value.hint is not None and f"delete {run}" in caught.value.hint
    shutil.rmtree(run)
    train(fresh, base)
    assert Concept.read(bundle(fresh)).trained


def test_a_recipe_that_changes_while_it_is_trained(fresh: Path, base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(self: Trainer) -> dict[str, float]:
        change(fresh, "steps = 3", "steps = 2")
        return run_to_the_end(self)

    run_to_the_end = Trainer.run
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "run", run)
        with pytest.raises(ConceptError, match=r"concept\.toml: the recipe was changed during its training"):
            train(fresh, base)
    assert not Concept.read(bundle(fresh)).trained
    train(fresh, base)
    assert Concept.read(bundle(fresh)).training["steps"] == 2


@pytest.mark.parametrize("write", range(1, 42, 8))
def test_a_full_disk(fresh: Path, base: Base, monkeypatch: pytest.MonkeyPatch, write: int) -> None:
    """The disk is full from some write on; with room again, the same command goes on."""
    calls = []

    def full(file: Path, data: bytes) -> int:
        calls.append(file)
        if len(calls) >= write:
            raise OSError(errno.ENOSPC, "No space left on device", str(file))
        return write_bytes(file, data)

    write_bytes = Path.write_bytes
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(E2GANError, match="No space left on device") as caught:
            train(fresh, base)
    assert caught.value.hint is not None and caught.value.hint.startswith("free some disk space")
    train(fresh, base)
    assert Concept.read(bundle(fresh)).quality
    assert not list(fresh.rglob(".*.tmp*"))
