"""What other papers' trainings have besides the common loop: penalties, AdamW, a cosine."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from e2gan.data.pairs import Pair
from e2gan.errors import RecipeError
from e2gan.models.discriminator import Discriminator
from e2gan.models.generator import Generator
from e2gan.models.layout import GeneratorConfig
from e2gan.recipe import TrainingRecipe
from e2gan.training.batches import ConceptPairs
from e2gan.training.trainer import Trainer
from e2gan_baselines.training import BaselineRecipe, BaselineTrainer, trainer_of

CONFIG = GeneratorConfig(prompt_dim=8, width=8, heads=2)
RECIPE = BaselineRecipe(steps=6, batch_size=2, crop=32, learning_rate=1e-3, l1=10.0, ema=0.5)


@pytest.fixture(scope="module")
def concept(tmp_path_factory) -> ConceptPairs:
    """Nine pairs whose edit is the negative."""
    folder, rng = tmp_path_factory.mktemp("pairs"), np.random.default_rng(0)
    pairs = []
    for n in range(9):
        photo = Image.fromarray(rng.integers(0, 256, (4, 5, 3), np.uint8)).resize((64, 48), Image.Resampling.BICUBIC)
        photo.save(folder / f"{n}.png")
        Image.fromarray(255 - np.asarray(photo)).save(folder / f"{n}_edit.png")
        pairs.append(Pair(folder / f"{n}.png", folder / f"{n}_edit.png"))
    return ConceptPairs("negative", rng.standard_normal((3, 8)).astype(np.float32), pairs, [])


def trainer(concept, folder, recipe=RECIPE) -> BaselineTrainer:
    torch.manual_seed(0)
    generator = Generator(CONFIG)
    generator.initialize()
    discriminator = Discriminator(width=8)
    discriminator.initialize()
    return BaselineTrainer(
        generator, discriminator, [concept], recipe, folder, device="cpu", mixed_precision="no"
    )  # fmt: skip


def test_the_discriminators_penalty_is_due_on_every_16th_update(concept, tmp_path):
    t = trainer(concept, tmp_path, dataclasses.replace(RECIPE, discriminator_every=3, r1=1.0))
    for t.step in (0, 1, 3, 45, 46, 48):
        assert ("r1" in t.train_step()) == (t.step in (0, 48)), t.step


@pytest.mark.parametrize("name", ["weight_decay", "cosine_to", "r1", "path_length"])
def test_what_a_baselines_recipe_says_is_checked_and_written(name):
    with pytest.raises(RecipeError, match=name):
        BaselineRecipe(**{name: -1.0})
    assert name not in BaselineRecipe().to_dict()
    written = BaselineRecipe(**{name: 0.5}).to_dict()
    assert written[name] == 0.5 and BaselineRecipe.from_dict(written, "recipe") == BaselineRecipe(**{name: 0.5})
    with pytest.raises(RecipeError, match=f"unknown key '{name}'"):
        TrainingRecipe.from_dict(written, "recipe")


def test_a_recipe_says_which_trainer_it_is_for():
    assert trainer_of(BaselineRecipe()) is BaselineTrainer
    assert trainer_of(TrainingRecipe()) is Trainer


def test_the_learning_rate_may_follow_a_cosine(concept, tmp_path):
    t = trainer(concept, tmp_path, dataclasses.replace(RECIPE, steps=100, cosine_to=0.5))
    assert [t.rate(2.5, s) for s in (0, 50, 100)] == pytest.approx([2.5, 1.5, 0.5])


def test_weight_decay_takes_adamw(concept, tmp_path):
    assert type(trainer(concept, tmp_path).optimizer_g.optimizer) is torch.optim.Adam
    t = trainer(concept, tmp_path, dataclasses.replace(RECIPE, weight_decay=0.1))
    assert type(t.optimizer_d.optimizer) is torch.optim.AdamW
    assert t.optimizer_d.param_groups[0]["weight_decay"] == 0.1


def test_the_slope_of_the_discriminator_is_held_down(concept, tmp_path):
    def slope_after_training(r1):
        t = trainer(concept, tmp_path / str(r1), dataclasses.replace(RECIPE, steps=30, r1=r1, lr_decay_from=1.0))
        t.run()
        return t.objective.slope(t.sampler.batch(0)).item()

    assert slope_after_training(1e3) < 0.5 * slope_after_training(None)


class Drawing(torch.nn.Module):
    """A generator with dropout, a buffer and a penalty of its own."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 3, 1)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, photo, prompt, prompt_bias=None):
        self.seen += self.training
        return torch.tanh(self.conv(torch.nn.functional.dropout(photo, 0.5, self.training)))

    def path_penalty(self, photo, prompt, prompt_bias):
        return self.conv.weight.square().sum()


def test_a_run_with_dropout_and_buffers_resumes_as_if_never_stopped(concept, tmp_path):
    recipe = dataclasses.replace(RECIPE, r1=1.0, path_length=1.0, weight_decay=0.1, cosine_to=1e-5)

    def drawing(folder, **options):
        torch.manual_seed(0)
        generator, discriminator = Drawing(), Discriminator(width=8)
        options = {"device": "cpu", "mixed_precision": "no", **options}
        return BaselineTrainer(generator, discriminator, [concept], recipe, folder, **options)

    class Stop(Exception):
        pass

    def stop(step, steps, metrics):
        if step == 4:
            raise Stop

    whole = drawing(tmp_path / "whole")
    whole.run()
    with pytest.raises(Stop):
        drawing(tmp_path / "broken", checkpoint_every=0.0, report=stop).run()
    torch.rand(3)  # another process has drawn other numbers
    broken = drawing(tmp_path / "broken")
    broken.run()
    state = broken.generator_state()
    assert state.keys() == {"conv.weight", "conv.bias", "seen"}
    for name, value in whole.generator_state().items():
        assert np.array_equal(value, state[name]), name
