"""Recipes: defaults, ranges, misspellings, and the base's recipe file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from e2gan.errors import E2GANError, RecipeError
from e2gan.models.layout import GeneratorConfig, Ranks
from e2gan.recipe import BaseRecipe, Recipe, TrainingRecipe


class TestTraining:
    def test_defaults_are_the_papers(self) -> None:
        recipe = TrainingRecipe()
        assert (recipe.epochs, recipe.learning_rate, recipe.betas) == (100, 2e-4, (0.5, 0.999))
        assert (recipe.l1, recipe.gan, recipe.adapter_ranks) == (100, 1, Ranks((1, 4, 8, 8), 1))

    def test_goes_through_toml_and_back(self) -> None:
        recipe = TrainingRecipe(seed=3, steps=500, betas=(0.9, 0.99), ranks=(1, 2, 3, 4), gan_loss="vanilla")
        assert TrainingRecipe.from_dict(recipe.to_dict(), "here") == recipe
        assert TrainingRecipe.from_dict(TrainingRecipe().to_dict(), "here").steps is None

    def test_settings_that_came_later_are_in_the_digest_only_where_they_are_used(self) -> None:
        """A training kept before they were there goes on, and its digest holds."""
        later = {"scales": [0.5, 1.0], "half_size": 0.5, "perceptual_shrink": 2, "discriminator_every": 2}
        later |= {"saturation": 1.0, "clip_gradient": 30.0}
        assert not later.keys() & TrainingRecipe().to_dict().keys()
        assert later.items() <= TrainingRecipe.from_dict(later, "here").to_dict().items()

    @pytest.mark.parametrize("crop", [32, 72])
    def test_a_crop_that_has_no_half(self, crop: int) -> None:
        assert TrainingRecipe(crop=crop).crop == crop
        with pytest.raises(RecipeError, match=f"here: with half_size, crop must be .* not {crop}"):
            TrainingRecipe.from_dict({"crop": crop, "half_size": 0.5}, "here")

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("seed", -1),
            ("seed", True),
            ("epochs", 0),
            ("epochs", 1.5),
            ("steps", 0),
            ("batch_size", "8"),
            ("crop", 100),
            ("crop", 0),
            ("learning_rate", 0),
            ("learning_rate", float("nan")),
            ("discriminator_learning_rate", 0),
            ("betas", [0.5]),
            ("betas", [0.5, 1.0]),
            ("betas", 0.5),
            ("lr_decay_from", 1.1),
            ("ranks", [1, 4, 8]),
            ("ranks", [1, 4, 8, 0]),
            ("ranks", "1488"),
            ("transformer_rank", 0),
            ("l1", -1),
            ("gan", float("inf")),
            ("gan_loss", "hinge"),
            ("ema", 1.0),
            ("diffaugment", 1),
            ("half_size", 1.1),
            ("half_size", True),
            ("perceptual_shrink", 3),
            ("perceptual_shrink", 8),
            ("discriminator_every", 0),
            ("saturation", -1),
            ("clip_gradient", -0.1),
            ("clip_gradient", "30"),
        ],
    )
    def test_out_of_range(self, key: str, value: Any) -> None:
        with pytest.raises(RecipeError, match="here: "):
            TrainingRecipe.from_dict({key: value}, "here")
        with pytest.raises(RecipeError):
            TrainingRecipe(**{key: value})

    def test_needs_a_loss(self) -> None:
        with pytest.raises(RecipeError, match="nothing to train on"):
            TrainingRecipe(l1=0, gan=0)

    def test_misspelt_key(self) -> None:
        with pytest.raises(RecipeError, match="here: unknown key 'epoch'") as caught:
            TrainingRecipe.from_dict({"epoch": 1}, "here")
        assert caught.value.hint == "did you mean 'epochs'?"

    @given(
        st.dictionaries(
            st.sampled_from([*TrainingRecipe().to_dict(), "steps", "x"]),
            st.none() | st.integers() | st.floats() | st.text(max_size=3) | st.lists(st.floats(), max_size=5),
        )
    )
    def test_only_errors_for_people(self, data: dict[str, Any]) -> None:
        try:
            TrainingRecipe.from_dict(data, "here")
        except E2GANError as error:
            assert str(error).startswith("here: ")


class TestConcepts:
    def test_only_the_teacher_is_required(self) -> None:
        recipe = Recipe.from_dict({"teacher": "grade"}, "here")
        assert (recipe.selection.method, recipe.training) == ("all", TrainingRecipe())
        with pytest.raises(RecipeError, match=r"here: \[recipe\]: teacher is missing") as caught:
            Recipe.from_dict({"techer": "grade"}, "here")
        assert "techer" in str(caught.value.hint)

    @pytest.mark.parametrize(
        ("data", "match"),
        [
            ({"selecton": {}}, r"\[recipe\]: unknown key 'selecton'"),
            ({"selection": {"method": "kmeans"}}, r"\[recipe\.selection\]: method must be"),
            ({"selection": {"clusters": 0}}, r"\[recipe\.selection\]: clusters must be"),
            ({"training": {"seed": "a"}}, r"\[recipe\.training\]: seed must be"),
            ({"teacher": "../x"}, r"\[recipe\]: teacher must be"),
            ({"teacher_options": {"x": float("inf")}}, r"\[recipe\.teacher_options\]: numbers must be finite"),
        ],
    )
    def test_faults_name_file_table_and_key(self, data: dict[str, Any], match: str) -> None:
        with pytest.raises(RecipeError, match=f"here: {match}"):
            Recipe.from_dict({"teacher": "grade", **data}, "here")


def base_recipe(**changes: Any) -> dict[str, Any]:
    candidate = {"prompt": "a painting", "teacher": "magenta-multistyle", "teacher_options": {"style": 1}}
    return {
        "id": "scenery",
        "title": "Scenery",
        "version": "1.0.0",
        "license": "apache-2.0",
        "generator": {"prompt_dim": 384},
        "candidate": [{"id": f"style-{i}", "held_out": i > 2, **candidate} for i in range(5)],
        "choice": {"method": "kmeans", "concepts": 2, "embedder": "efficientnet-lite0", "images": 8, "seed": 1},
        "training": {"l1": 10.0, "steps": 1000},
        **changes,
    }


class TestBases:
    def write(self, folder: Path, data: dict[str, Any]) -> Path:
        (folder / "recipe.toml").write_text(tomlkit.dumps(data))
        return folder / "recipe.toml"

    def test_reads(self, tmp_path: Path) -> None:
        recipe = BaseRecipe.read(self.write(tmp_path, base_recipe()))
        assert recipe.generator == GeneratorConfig(prompt_dim=384)
        assert [c.id for c in recipe.candidates if c.held_out] == ["style-3", "style-4"]
        assert recipe.candidates[0].teacher_options == {"style": 1}
        assert (recipe.choice.concepts, recipe.choice.seed, recipe.training.steps) == (2, 1, 1000)

    @pytest.mark.parametrize(
        ("changes", "match"),
        [
            ({"trainin": {}}, "unknown key 'trainin'"),
            ({"candidate": []}, "candidate must be an array"),
            ({"candidate": [{"id": "a"}]}, r"\[\[candidate\]\] number 1: prompt is missing"),
            ({"candidate": base_recipe()["candidate"][:1] * 2}, "number 2: two candidates have the id"),
            ({"choice": {"concepts": 4}}, "only 3 candidates are not held out"),
            ({"choice": {"concepts": 2, "method": "kmean"}}, r"\[choice\]: method must be 'kmeans'"),
            ({"generator": {"promt_dim": 3}}, r"\[generator\]: .*unknown key 'promt_dim'"),
            ({"generator": {"tb_positions": 3}}, r"\[generator\]: "),
            ({"training": {"epochs": 0}}, r"\[training\]: epochs must be"),
        ],
    )
    def test_faults(self, tmp_path: Path, changes: dict[str, Any], match: str) -> None:
        path = self.write(tmp_path, base_recipe(**changes))
        with pytest.raises(RecipeError, match=match) as caught:
            BaseRecipe.read(path)
        assert str(path) in str(caught.value)

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(RecipeError, match="cannot read"):
            BaseRecipe.read(tmp_path / "none.toml")
