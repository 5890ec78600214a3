"""A base trained together with an adapter for each of its concepts."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from e2gan.data.pairs import Pair
from e2gan.models.discriminator import Discriminator
from e2gan.models.generator import Generator
from e2gan.models.layout import GeneratorConfig, Ranks, generator_shapes
from e2gan.models.lora import fold_adapter
from e2gan.recipe import TrainingRecipe
from e2gan.training.adapters import WithAdapters
from e2gan.training.batches import ConceptPairs
from e2gan.training.trainer import Trainer

CONFIG = GeneratorConfig(prompt_dim=8, width=8, heads=2, skips=True, smoothing="mean")
RECIPE = TrainingRecipe(steps=6, batch_size=4, crop=32, learning_rate=1e-3, adapter_learning_rate=3e-3, ema=0.5)


@pytest.fixture(scope="module")
def concepts(tmp_path_factory: pytest.TempPathFactory) -> list[ConceptPairs]:
    """One turns every photo red, one blue; their prompts are the same."""
    folder = tmp_path_factory.mktemp("pairs")
    rng = np.random.default_rng(0)
    prompt = rng.standard_normal((3, 8)).astype(np.float32)
    concepts = []
    for name, kept in (("red", 0), ("blue", 2)):
        pairs = []
        for n in range(12):
            photo = Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8)).resize(
                (32, 32), Image.Resampling.BICUBIC
            )
            edit = np.zeros((32, 32, 3), np.uint8)
            edit[..., kept] = 255
            pair = Pair(folder / f"{name}-{n}.png", folder / f"{name}-{n}-edit.png")
            photo.save(pair.input)
            Image.fromarray(edit).save(pair.output)
            pairs.append(pair)
        concepts.append(ConceptPairs(name, prompt, pairs[:9], pairs[9:]))
    return concepts


def generator() -> Generator:
    torch.manual_seed(0)
    made = Generator(CONFIG)
    made.initialize()
    return made


def trainer(concepts: list[ConceptPairs], folder: Path, recipe: TrainingRecipe = RECIPE, **options: object) -> Trainer:
    made: Generator | WithAdapters = generator()
    if recipe.adapter_learning_rate is not None:
        made = WithAdapters(made, [concept.id for concept in concepts], Ranks())
    discriminator = Discriminator(width=8)
    discriminator.initialize()
    given = {"device": "cpu", "mixed_precision": "no", **options}
    return Trainer(made, discriminator, concepts, recipe, folder, **given)  # type: ignore[arg-type]


def test_each_picture_has_the_adapter_of_its_concept() -> None:
    several = WithAdapters(generator(), ["red", "blue"], Ranks()).requires_grad_(False)
    for number, factor in enumerate(several.adapters.parameters()):
        factor.copy_(0.3 * torch.randn(factor.shape, generator=torch.Generator().manual_seed(number)))
    rng = torch.Generator().manual_seed(1)
    photos, prompts, skips = (torch.rand(3, *size, generator=rng) for size in ((3, 16, 24), (5, 8), (3,)))
    several.concepts = ["blue", "red", "blue"]
    edits = several(photos, prompts, None, skips)
    alone = {}
    for concept in ("red", "blue"):
        alone[concept] = generator().requires_grad_(False)
        factors = {name: factor.numpy() for name, factor in several.adapter(concept).items()}
        fold_adapter(alone[concept], factors)
    for place, concept in enumerate(several.concepts):
        expected = alone[concept](photos[place : place + 1], prompts[place : place + 1], None, skips[place : place + 1])
        torch.testing.assert_close(edits[place : place + 1], expected, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(edits[0], alone["red"](photos[:1], prompts[:1], None, skips[:1])[0], atol=0.02)


def test_concepts_of_one_prompt_are_told_apart(concepts: list[ConceptPairs], tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPE, steps=120, l1=100.0, ema=0.9, learning_rate=2e-3)
    both = trainer(concepts, tmp_path / "with", recipe).run()
    none = trainer(concepts, tmp_path / "without", dataclasses.replace(recipe, adapter_learning_rate=None)).run()
    assert max(both["val_l1/red"], both["val_l1/blue"]) < 0.3 < 0.5 < none["val_l1/red"] + none["val_l1/blue"]


def test_a_stopped_run_resumes_as_if_it_never_stopped(concepts: list[ConceptPairs], tmp_path: Path) -> None:
    whole = trainer(concepts, tmp_path / "whole")
    whole.run()

    class Stop(Exception):
        pass

    def stop(step: int, *_: object) -> None:
        if step == 4:
            raise Stop

    with pytest.raises(Stop):
        trainer(concepts, tmp_path / "halves", checkpoint_every=0.0, report=stop).run()
    resumed = trainer(concepts, tmp_path / "halves")
    resumed.run()
    for one, other in zip(whole.ema.parameters, resumed.ema.parameters, strict=True):
        assert torch.equal(one, other)


def test_the_base_is_kept_without_the_adapters(concepts: list[ConceptPairs], tmp_path: Path) -> None:
    trained = trainer(concepts, tmp_path)
    before = [factor.detach().clone() for factor in trained.networks.generator.adapters.parameters()]
    trained.run()
    assert {name: value.shape for name, value in trained.generator_state().items()} == generator_shapes(CONFIG)
    after = trained.networks.generator.adapters.parameters()
    assert sum(bool((a != b).any()) for a, b in zip(after, before, strict=True)) == len(before)


def test_the_adapters_have_a_rate_of_their_own(concepts: list[ConceptPairs], tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPE, lr_decay_from=0.0)
    trained = trainer(concepts, tmp_path, recipe)
    for trained.step in (0, 3):
        trained.train_step()
        rates = [group["lr"] for group in trained.optimizer_g.param_groups]
        assert rates == pytest.approx([trained.rate(1e-3, trained.step), trained.rate(3e-3, trained.step)])
