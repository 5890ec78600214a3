"""From a recipe and photographs to a base, with throwaway teachers and tiny networks."""

import shutil
import textwrap
from dataclasses import replace

import pytest
from PIL import Image, ImageOps

from e2gan.base import find_base
from e2gan.concept import Concept
from e2gan.editor import Editor
from e2gan.errors import DataError, RecipeError
from e2gan.plugins import registry
from e2gan.progress import Progress
from e2gan.recipe import BaseRecipe
from e2gan.training import base as base_training
from tests.training import concepts

CANDIDATES = ("negative", "posterise", "mirror", "grey", "bright", "dim")
EDITS = {
    "negative": ImageOps.invert,
    "posterise": lambda photo: ImageOps.posterize(photo, 2),
    "mirror": ImageOps.mirror,
    "grey": lambda photo: photo.convert("L").convert("RGB"),
    "bright": lambda photo: photo.point(lambda v: min(255, v + 80)),
    "dim": lambda photo: photo.point(lambda v: v // 3),
}


@pytest.fixture(autouse=True)
def plugin(monkeypatch):
    monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "")
    concepts.install(EDITS)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return concepts.photos(tmp_path_factory.mktemp("photos"), train=8, val=2, test=4)


@pytest.fixture
def recipe(tmp_path):
    text = textwrap.dedent(
        """
        id = "tiny"
        title = "Tiny"
        version = "1.0.0"
        license = "apache-2.0"
        generator = { prompt_dim = 384, width = 8, heads = 2 }
        choice = { concepts = 2, embedder = "tiny", images = 3 }
        training = { steps = 3, batch_size = 2, crop = 32 }
        """
    )
    for name in CANDIDATES:
        held = "held_out = true" if name == "negative" else ""
        text += f'[[candidate]]\nid = "{name}"\nprompt = "{name}"\nteacher = "edit"\n'
        text += f'teacher_options = {{ name = "{name}" }}\n{held}\n'
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    return path


@pytest.fixture
def base(recipe, photos, tmp_path):
    return base_training.train_base(recipe, photos, tmp_path / "base", work=tmp_path / "work", workers=1, device="cpu")


def test_a_base_says_what_it_was_made_of_and_loads(base, tmp_path):
    recipe = base.manifest["recipe"]
    chosen = [c["id"] for c in recipe["concepts"]]
    assert len(chosen) == 2
    assert set(chosen) <= set(CANDIDATES) - {"negative"}
    assert recipe["held_out"] == ["negative"]
    assert recipe["photos"] == 8
    training = base.manifest["training"]
    assert 3 <= training["photographs"] <= 6, "two concepts' edits of a photo are one photograph"
    assert training["steps"] == 3
    assert training["pictures"] == 6
    assert "CPU" in training["device"]
    assert {f"val_l1/{c}" for c in chosen} <= set(training)
    assert find_base(tmp_path / "base").generator().config.width == 8
    assert (tmp_path / "work" / "run" / "grid.png").is_file()


def test_the_same_recipe_gives_the_same_base(base, recipe, photos, tmp_path):
    again = base_training.train_base(
        recipe, photos, tmp_path / "again", work=tmp_path / "elsewhere", workers=1, device="cpu"
    )
    assert again.sha256 == base.sha256


def test_a_base_of_whole_photos_of_two_folders(recipe, photos, tmp_path):
    for n, size in enumerate([(96, 64), (64, 120)]):
        (tmp_path / "more/train").mkdir(parents=True, exist_ok=True)
        Image.radial_gradient("L").convert("RGB").resize(size).save(tmp_path / f"more/train/{n}.png")
    whole = "pictures = { side = 64, whole = true }\n"
    recipe.write_text(recipe.read_text().replace("training = {", f"{whole}training = {{"))
    made = base_training.train_base(
        recipe, (photos, tmp_path / "more"), tmp_path / "base", work=tmp_path / "work", workers=1, device="cpu"
    )
    assert made.manifest["recipe"]["photos"] == 10
    sizes = {Image.open(file).size for file in (tmp_path / "work/pairs").glob("*/train/input/*.jpg")}
    assert sizes == {(64, 64), (96, 64), (64, 120)}
    recipe.write_text(recipe.read_text().replace("crop = 32", "crop = 72"))
    with pytest.raises(DataError, match=r"recipe\.toml trains on crops of 72 pixels, but its pairs' side is 64"):
        base_training.train_base(recipe, photos, tmp_path / "base", work=tmp_path / "work", device="cpu")


def test_a_base_trained_with_adapters_gives_its_concepts_too(recipe, photos, tmp_path):
    text = recipe.read_text().replace("crop = 32", "crop = 32, adapter_learning_rate = 0.01")
    text = text.replace("heads = 2 }", "heads = 2, skips = true }")
    recipe.write_text(
        'authors = ["Ada"]\nphotos = "CC0-1.0"\n'
        + text.replace(
            'prompt = "dim"',
            'prompt = "dim"\nskips = [1, 0, 0.5]\nnoise = 0.1\nkeeps = "colour"\n'
            'title = "Dimmed"\ndescription = "Darker."',
        )
    )
    teachers = registry().all("teacher")
    teachers["edit"] = replace(teachers["edit"], license="MIT")
    photos = shutil.copytree(photos, tmp_path / "photos")
    (photos / "train/notes.txt").touch()
    stages = []
    base = base_training.train_base(
        recipe,
        photos,
        tmp_path / "base",
        work=tmp_path / "work",
        workers=1,
        device="cpu",
        progress=Progress(stages.append),
    )
    assert stages[-1].endswith(str(tmp_path / "work" / "concepts"))
    assert sum(stage.startswith("left out: ") for stage in stages) == 1  # not once for each concept
    ids = [entry["id"] for entry in base.manifest["recipe"]["concepts"]]
    assert sorted(folder.name for folder in (tmp_path / "work" / "concepts").iterdir()) == sorted(ids)
    photo = Image.radial_gradient("L").convert("RGB").resize((64, 64))
    editor = Editor(base, device="cpu", backend="torch")
    for entry in base.manifest["recipe"]["concepts"]:
        concept = Concept.read(tmp_path / "work" / "concepts" / entry["id"])
        assert concept.recipe.teachers[0].options == {"name": entry["id"]}
        assert (list(concept.skips), concept.noise) == (entry.get("skips", [0, 0, 0]), entry.get("noise", 0))
        assert str(concept.keeps) == entry.get("keeps", "nothing")
        assert (concept.authors, concept.licenses) == (("Ada",), ("MIT", "CC0-1.0"))
        assert concept.title == ("Dimmed" if concept.id == "dim" else concept.id.capitalize())
        assert concept.description == "Darker." if concept.id == "dim" else "was trained with" in concept.description
        assert editor.apply(photo, concept).size == (64, 64)
        factors = concept.load(base).tensors
        assert all(factor.any() for factor in factors.values()), "it has been trained"


def test_the_choice_is_kept_until_the_recipe_changes(recipe, photos, tmp_path):
    first = base_training.choose(BaseRecipe.read(recipe), photos, tmp_path / "w")
    kept = tmp_path / "w" / "choice.json"
    stamp = kept.stat().st_mtime_ns
    assert base_training.choose(BaseRecipe.read(recipe), photos, tmp_path / "w") == first
    assert kept.stat().st_mtime_ns == stamp
    recipe.write_text(recipe.read_text().replace("concepts = 2", "concepts = 3"))
    assert len(base_training.choose(BaseRecipe.read(recipe), photos, tmp_path / "w")) == 3


def test_an_interrupted_choice_continues(recipe, photos, tmp_path, monkeypatch):
    made, make = [], base_training.make_teacher

    def counted(id, options):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(id)
        return make(id, options)

    with monkeypatch.context() as patch:
        patch.setattr(base_training, "make_teacher", counted)
        with pytest.raises(KeyboardInterrupt):
            base_training.choose(BaseRecipe.read(recipe), photos, tmp_path / "w")
    rest = []
    monkeypatch.setattr(base_training, "make_teacher", lambda id, options: rest.append(id) or make(id, options))
    chosen = base_training.choose(BaseRecipe.read(recipe), photos, tmp_path / "w")
    candidates = [c for c in BaseRecipe.read(recipe).candidates if not c.held_out]
    assert (len(made), len(rest)) == (2, len(candidates) - 2)
    assert base_training.choose(BaseRecipe.read(recipe), photos, tmp_path / "whole") == chosen


def test_candidates_are_included_by_name(recipe, photos, tmp_path):
    text = recipe.read_text()
    recipe.write_text(text.replace("concepts = 2", 'concepts = 3, include = ["mirror", "dim"]'))
    chosen = base_training.choose(BaseRecipe.read(recipe), photos, tmp_path / "w")
    assert len(chosen) == 3
    assert {"mirror", "dim"} < {c.id for c in chosen}
    recipe.write_text(text.replace("concepts = 2", 'concepts = 2, include = ["mirror", "dim"]'))
    assert {c.id for c in base_training.choose(BaseRecipe.read(recipe), photos, tmp_path / "w")} == {"mirror", "dim"}


@pytest.mark.parametrize("include, fault", [("mirro", "includes 'mirro'"), ("negative", "includes 'negative'")])
def test_only_open_candidates_are_included(recipe, include, fault):
    recipe.write_text(recipe.read_text().replace("concepts = 2", f'concepts = 2, include = ["{include}"]'))
    with pytest.raises(RecipeError, match=fault):
        BaseRecipe.read(recipe)
