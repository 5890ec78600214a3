"""From a recipe and photographs to a base, with throwaway teachers and tiny networks."""

import textwrap
import types

import numpy as np
import pytest
from PIL import Image, ImageOps

import e2gan
import e2gan.plugins
from e2gan.base import find_base
from e2gan.errors import RecipeError
from e2gan.plugins import Registry
from e2gan.recipe import BaseRecipe
from e2gan.training import base as base_training

CANDIDATES = ("negative", "posterise", "mirror", "grey", "bright", "dim")
EDITS = {
    "negative": ImageOps.invert,
    "posterise": lambda photo: ImageOps.posterize(photo, 2),
    "mirror": ImageOps.mirror,
    "grey": lambda photo: photo.convert("L").convert("RGB"),
    "bright": lambda photo: photo.point(lambda v: min(255, v + 80)),
    "dim": lambda photo: photo.point(lambda v: v // 3),
}


class Tiny:
    """An embedder: the picture, 4×4."""

    def __call__(self, pictures):
        return np.stack([np.asarray(p.resize((4, 4)), np.float32).ravel() for p in pictures])


@pytest.fixture(autouse=True)
def plugin(monkeypatch):
    @e2gan.hookimpl
    def register_teachers(register):
        register("edit", lambda name: EDITS[name])

    @e2gan.hookimpl
    def register_embedders(register):
        register("tiny", Tiny)

    module = types.SimpleNamespace(
        __name__="throwaway", register_teachers=register_teachers, register_embedders=register_embedders
    )
    monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "")
    registry = Registry.load(extra=[module])
    for home in (e2gan.plugins, base_training):
        monkeypatch.setattr(home, "registry", lambda: registry)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 2), ("test", 4)):
        (folder / split).mkdir()
        for n in range(count):
            small = Image.fromarray(rng.integers(0, 256, (6, 6, 3), np.uint8))
            small.resize((256, 256), Image.Resampling.BICUBIC).save(folder / split / f"p{n:03d}_00.jpg")
    return folder


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


def test_the_choice_is_kept_until_the_recipe_changes(recipe, photos, tmp_path):
    first = base_training.choose(BaseRecipe.read(recipe), photos, tmp_path / "w")
    kept = tmp_path / "w" / "choice.json"
    stamp = kept.stat().st_mtime_ns
    assert base_training.choose(BaseRecipe.read(recipe), photos, tmp_path / "w") == first
    assert kept.stat().st_mtime_ns == stamp
    recipe.write_text(recipe.read_text().replace("concepts = 2", "concepts = 3"))
    assert len(base_training.choose(BaseRecipe.read(recipe), photos, tmp_path / "w")) == 3


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
