"""The operations of a training, counted without training."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from e2gan.base import Base
from e2gan.data.pairs import Pair
from e2gan.models.discriminator import Discriminator
from e2gan.models.generator import Generator
from e2gan.models.layout import Keeps
from e2gan.models.lora import attach
from e2gan.recipe import TrainingRecipe
from e2gan.training import flops as module
from e2gan.training.batches import ConceptPairs
from e2gan.training.flops import adapter_flops, recorded_flops, step_flops, training_flops
from e2gan.training.objective import Objective, StepKind
from e2gan.training.trainer import Trainer
from e2gan_baselines.baseline import make_baseline
from e2gan_baselines.training import BaselineObjective, BaselineTrainer
from tests.editor.tiny import CONFIG, MIXED, NEW, photo, write_tiny_concept

SHORT = TrainingRecipe(steps=4, batch_size=2, crop=32)


def step_of(recipe: TrainingRecipe, base: Base, *, warm: bool) -> int:
    generator = attach(Generator(base.config), recipe.adapter_ranks)
    return step_flops(Objective(generator, Discriminator(), recipe), base.config.prompt_dim, StepKind(warm=warm))


def count_the_loop(
    generator: nn.Module,
    discriminator: nn.Module,
    recipe: TrainingRecipe,
    folder: Path,
    steps: Iterable[int],
    kind: type[Trainer] = Trainer,
    **says: Any,
) -> list[int]:
    """The operations of steps of the training loop itself."""
    Image.fromarray(photo(recipe.crop, recipe.crop)).save(folder / "photo.png")
    pair = Pair(folder / "photo.png", folder / "photo.png")
    concept = ConceptPairs("dusk", np.zeros((16, CONFIG.prompt_dim), np.float32), [pair] * 2, [], **says)
    trainer = kind(generator, discriminator, [concept], recipe, folder / "run", device="cpu", mixed_precision="no")
    counted = []
    for trainer.step in steps:
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
            trainer.train_step()
        counted.append(counter.get_total_flops())
    return counted


def test_a_step_takes_what_the_training_loop_takes(base: Base, tmp_path: Path) -> None:
    """Without the loop, its optimisers and its pairs."""
    recipe = replace(SHORT, warmup=0.5, perceptual=1.0, style=1.0)
    generator = attach(Generator(CONFIG), recipe.adapter_ranks)
    counted = count_the_loop(generator, Discriminator(), recipe, tmp_path, range(4))
    assert counted == [2 * step_of(recipe, base, warm=step >= 2) for step in range(4)]
    assert adapter_flops(recipe, base) == sum(counted)


def test_so_it_does_with_skips_smoothing_and_noise(tmp_path: Path, new_base: Base) -> None:
    recipe = replace(SHORT, steps=2)
    generator = attach(Generator(NEW), recipe.adapter_ranks)
    counted = count_the_loop(generator, Discriminator(), recipe, tmp_path, range(2), **MIXED)
    assert adapter_flops(recipe, new_base, Keeps.COLOUR) == sum(counted)


def test_the_penalties_count_as_often_as_the_loop_has_them(tmp_path: Path) -> None:
    made = make_baseline("comodgan", CONFIG.prompt_dim, side=32, widest=8, base=128)
    recipe = replace(made.recipe, steps=20, batch_size=2, warmup=0.1)
    before = {name: tensor.clone() for name, tensor in made.generator.state_dict().items()}
    total = training_flops(recipe, made.generator, made.discriminator, CONFIG.prompt_dim, objective=BaselineObjective)
    assert all(torch.equal(tensor, before[name]) for name, tensor in made.generator.state_dict().items())
    counted = count_the_loop(made.generator, made.discriminator, recipe, tmp_path, range(20), BaselineTrainer)
    assert len(set(counted)) == 5, "cold and warm, each without and with the path's penalty, and warm with both"
    assert total == sum(counted)


def test_what_spares_work_counts_as_the_loop_does_it(base: Base, tmp_path: Path) -> None:
    spared = {"half_size": 0.5, "perceptual_shrink": 2, "discriminator_every": 3}
    usual = replace(SHORT, steps=8, crop=64, style=1.0, perceptual=1.0)
    recipe = replace(usual, **spared)
    generator = attach(Generator(CONFIG), recipe.adapter_ranks)
    counted = count_the_loop(generator, Discriminator(), recipe, tmp_path, range(8))
    assert len(set(counted)) == 4, "half the size and whole, each with the discriminator's update and without"
    assert adapter_flops(recipe, base) == sum(counted) < 0.5 * adapter_flops(usual, base)
    for name, value in spared.items():
        assert adapter_flops(replace(usual, **{name: value}), base) < 0.95 * adapter_flops(usual, base), name


def test_the_perceptual_terms_and_the_ranks_count(base: Base) -> None:
    bare = step_of(SHORT, base, warm=True)
    assert step_of(replace(SHORT, style=1.0), base, warm=True) > 1.1 * bare
    assert step_of(replace(SHORT, ranks=(8, 8, 8, 8)), base, warm=True) > bare
    # A warm-up has neither the discriminator nor the perceptual terms.
    cold = step_of(SHORT, base, warm=False)
    assert step_of(replace(SHORT, style=1.0), base, warm=False) == cold < 0.5 * bare


def test_flops_grow_with_steps_batch_and_area(base: Base) -> None:
    once = adapter_flops(SHORT, base)
    assert adapter_flops(replace(SHORT, steps=8), base) == 2 * once
    assert adapter_flops(replace(SHORT, batch_size=6), base) == 3 * once
    # A little more than four times, for the discriminator gives less of a small picture.
    assert 4 * once < adapter_flops(replace(SHORT, crop=64), base) < 5 * once
    with pytest.raises(ValueError, match="give steps"):
        adapter_flops(TrainingRecipe(epochs=3), base)


def test_a_concept_of_whose_training_there_is_a_record(
    base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    concept = write_tiny_concept(tmp_path / "dusk", base)
    assert recorded_flops(concept, base) is None
    monkeypatch.setattr(module, "adapter_flops", lambda recipe, base, keeps: recipe.steps * 10)
    assert recorded_flops(replace(concept, training={"steps": 400}), base) == 4000


def test_without_the_training_packages_it_is_not_known(
    base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    concept = replace(write_tiny_concept(tmp_path / "dusk", base), training={"steps": 400})
    assert recorded_flops(concept, base) is None
