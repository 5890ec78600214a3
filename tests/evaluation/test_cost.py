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
from e2gan.concept import record_quality
from e2gan.evaluation import cost as cost_module
from e2gan.evaluation.cost import StepKind, concept_flops, cost, macs, step_flops, training_flops
from e2gan.models.generator import UpConv
from e2gan.models.layout import GeneratorConfig, Ranks, adapter_parameters
from e2gan.recipe import TrainingRecipe
from tests.editor.tiny import CONFIG, MIXED, NEW, photo, write_tiny_base, write_tiny_concept

SHORT = TrainingRecipe(steps=4, batch_size=2, crop=32)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return write_tiny_base(tmp_path_factory.mktemp("bases") / "tiny")


@pytest.fixture(scope="module")
def papers_macs() -> int:
    return macs_at_256(GeneratorConfig())


def macs_at_256(config: GeneratorConfig) -> int:
    """Of an edit with all skips there are, counted on tensors without values."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    from e2gan.models.generator import Generator

    with FakeTensorMode():
        skips = (torch.ones(1, 3),) if config.skips else ()
        return macs(Generator(config), torch.zeros(1, 3, 256, 256), torch.zeros(1, 8, config.prompt_dim), None, *skips)


def test_the_papers_generator_takes_what_the_paper_says(papers_macs: int) -> None:
    assert papers_macs / 1e9 == pytest.approx(23.7, abs=0.1)


@pytest.mark.parametrize("skips", [False, True])
def test_smoothing_costs_a_tenth_and_skips_nothing(papers_macs: int, skips: bool) -> None:
    """Three enlarging convolutions with 4×4 taps in the place of 3×3, and nothing else."""
    found = macs_at_256(GeneratorConfig(skips=skips, smoothing="mean"))
    taps = 256 * 256 * 32**2 + 256 * 128 * 64**2 + 128 * 64 * 128**2
    assert found - papers_macs == (16 - 9) * taps
    assert found < 1.12 * papers_macs


def test_an_enlarging_convolution_counts_by_its_input_and_its_smoothed_kernel() -> None:
    for smoothing, side in (("none", 3), ("mean", 4), ("binomial", 6)):
        assert macs(UpConv(5, 7, smoothing=smoothing), torch.zeros(2, 5, 6, 8)) == 2 * 6 * 8 * 5 * 7 * side**2


def step_of(recipe: TrainingRecipe, base: Base, *, warm: bool) -> int:
    from e2gan.models.discriminator import Discriminator
    from e2gan.models.generator import Generator
    from e2gan.models.lora import attach

    generator = attach(Generator(base.config), recipe.adapter_ranks)
    return step_flops(recipe, generator, Discriminator(), base.config.prompt_dim, StepKind(warm=warm))


def count_the_loop(
    generator: nn.Module,
    discriminator: nn.Module,
    recipe: TrainingRecipe,
    folder: Path,
    steps: Iterable[int],
    **says: Any,
) -> list[int]:
    """The operations of steps of the training loop itself."""
    from e2gan.data.pairs import Pair
    from e2gan.training.loop import ConceptPairs, Trainer

    Image.fromarray(photo(recipe.crop, recipe.crop)).save(folder / "photo.png")
    pair = Pair(folder / "photo.png", folder / "photo.png")
    concept = ConceptPairs("dusk", np.zeros((16, CONFIG.prompt_dim), np.float32), [pair] * 2, [], **says)
    trainer = Trainer(generator, discriminator, [concept], recipe, folder / "run", device="cpu", mixed_precision="no")
    counted = []
    for trainer.step in steps:
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
            trainer.train_step()
        counted.append(counter.get_total_flops())
    return counted


def test_a_step_takes_what_the_training_loop_takes(base: Base, tmp_path: Path) -> None:
    """The step is run once by itself to be counted: it must stay the loop's."""
    from e2gan.models.discriminator import Discriminator
    from e2gan.models.generator import Generator
    from e2gan.models.lora import attach

    recipe = replace(SHORT, warmup=0.5, perceptual=1.0, style=1.0)
    generator = attach(Generator(CONFIG), recipe.adapter_ranks)
    counted = count_the_loop(generator, Discriminator(), recipe, tmp_path, range(4))
    assert counted == [2 * step_of(recipe, base, warm=step >= 2) for step in range(4)]
    assert concept_flops(recipe, base) == sum(counted)


def test_so_it_does_with_skips_smoothing_and_noise(tmp_path: Path, new_base: Base) -> None:
    from e2gan.models.discriminator import Discriminator
    from e2gan.models.generator import Generator
    from e2gan.models.lora import attach

    recipe = replace(SHORT, steps=2)
    generator = attach(Generator(NEW), recipe.adapter_ranks)
    counted = count_the_loop(generator, Discriminator(), recipe, tmp_path, range(2), **MIXED)
    assert concept_flops(recipe, new_base) == sum(counted)


def test_the_penalties_count_as_often_as_the_loop_has_them(tmp_path: Path) -> None:
    from e2gan_baselines.baseline import make_baseline

    made = make_baseline("comodgan", CONFIG.prompt_dim, side=32, widest=8, base=128)
    # Augmented, for the counter cannot follow into a discriminator by whose own input a gradient is taken.
    recipe = replace(made.recipe, steps=20, batch_size=2, warmup=0.1, diffaugment=True)
    before = {name: tensor.clone() for name, tensor in made.generator.state_dict().items()}
    total = training_flops(recipe, made.generator, made.discriminator, CONFIG.prompt_dim)
    assert all(torch.equal(tensor, before[name]) for name, tensor in made.generator.state_dict().items())
    counted = count_the_loop(made.generator, made.discriminator, recipe, tmp_path, range(20))
    assert len(set(counted)) == 5, "cold and warm, each without and with the path's penalty, and warm with both"
    assert total == sum(counted)


def test_what_spares_work_counts_as_the_loop_does_it(base: Base, tmp_path: Path) -> None:
    from e2gan.models.discriminator import Discriminator
    from e2gan.models.generator import Generator
    from e2gan.models.lora import attach

    spared = {"half_size": 0.5, "perceptual_shrink": 2, "discriminator_every": 3}
    usual = replace(SHORT, steps=8, crop=64, style=1.0, perceptual=1.0)
    recipe = replace(usual, **spared)
    generator = attach(Generator(CONFIG), recipe.adapter_ranks)
    counted = count_the_loop(generator, Discriminator(), recipe, tmp_path, range(8))
    assert len(set(counted)) == 4, "half the size and whole, each with the discriminator's update and without"
    assert concept_flops(recipe, base) == sum(counted) < 0.5 * concept_flops(usual, base)
    for name, value in spared.items():
        assert concept_flops(replace(usual, **{name: value}), base) < 0.95 * concept_flops(usual, base), name


def test_the_perceptual_terms_and_the_ranks_count(base: Base) -> None:
    bare = step_of(SHORT, base, warm=True)
    assert step_of(replace(SHORT, style=1.0), base, warm=True) > 1.1 * bare
    assert step_of(replace(SHORT, ranks=(8, 8, 8, 8)), base, warm=True) > bare
    # A warm-up has neither the discriminator nor the perceptual terms.
    cold = step_of(SHORT, base, warm=False)
    assert step_of(replace(SHORT, style=1.0), base, warm=False) == cold < 0.5 * bare


def test_flops_grow_with_steps_batch_and_area(base: Base) -> None:
    once = concept_flops(SHORT, base)
    assert concept_flops(replace(SHORT, steps=8), base) == 2 * once
    assert concept_flops(replace(SHORT, batch_size=6), base) == 3 * once
    # A little more than four times, for the discriminator gives less of a small picture.
    assert 4 * once < concept_flops(replace(SHORT, crop=64), base) < 5 * once
    with pytest.raises(ValueError, match="give steps"):
        concept_flops(TrainingRecipe(epochs=3), base)


def test_a_concepts_cost(base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    concept = write_tiny_concept(tmp_path / "dusk", base)
    parameters = adapter_parameters(CONFIG, Ranks())
    size = (concept.path / "adapter_model.safetensors").stat().st_size
    assert cost(concept, base) == {"trained_parameters": parameters, "adapter_bytes": size}  # no record of a training
    monkeypatch.setattr(cost_module, "concept_flops", lambda recipe, base: recipe.steps * 10)
    trained = replace(concept, training={"steps": 400})
    assert cost(trained, base)["training_flops"] == 4000
    assert record_quality(concept, {"cost": cost(trained, base)}).quality["cost"]["training_flops"] == 4000


def test_without_the_training_packages_the_rest_is_told(
    base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    concept = replace(write_tiny_concept(tmp_path / "dusk", base), training={"steps": 400})
    assert set(cost(concept, base)) == {"trained_parameters", "adapter_bytes"}
