from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from e2gan.base import Base
from e2gan.concept import record_quality
from e2gan.evaluation import cost as cost_module
from e2gan.evaluation.cost import cost, step_flops, training_flops
from e2gan.models.layout import Ranks, adapter_parameters
from e2gan.recipe import TrainingRecipe
from tests.editor.tiny import CONFIG, photo, write_tiny_base, write_tiny_concept

SHORT = TrainingRecipe(steps=4, batch_size=2, crop=32)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return write_tiny_base(tmp_path_factory.mktemp("bases") / "tiny")


def test_a_step_takes_what_the_training_loop_takes(base: Base, tmp_path: Path) -> None:
    """The step is run once by itself to be counted: it must stay the loop's."""
    import numpy as np
    from PIL import Image

    from e2gan.models.discriminator import Discriminator
    from e2gan.models.generator import Generator
    from e2gan.models.lora import attach
    from e2gan.training.loop import ConceptPairs, Trainer
    from e2gan.training.pairs import Pair

    recipe = replace(SHORT, warmup=0.5, perceptual=1.0, style=1.0)
    Image.fromarray(photo(32, 32)).save(tmp_path / "photo.png")
    pair = Pair(tmp_path / "photo.png", tmp_path / "photo.png")
    concept = ConceptPairs("dusk", np.zeros((16, CONFIG.prompt_dim), np.float32), [pair] * 2, [])
    trainer = Trainer(
        attach(Generator(CONFIG), recipe.adapter_ranks),
        Discriminator(),
        [concept],
        recipe,
        tmp_path / "run",
        device="cpu",
        mixed_precision="no",
    )
    counted = []
    for trainer.step in range(4):
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
            trainer.train_step()
        counted.append(counter.get_total_flops())
    per_picture = [step_flops(recipe, base, warm=step >= 2) for step in range(4)]
    assert counted == [2 * count for count in per_picture]
    assert training_flops(recipe, base) == sum(counted)


def test_the_perceptual_terms_and_the_ranks_count(base: Base) -> None:
    bare = step_flops(SHORT, base, warm=True)
    assert step_flops(replace(SHORT, style=1.0), base, warm=True) > 1.1 * bare
    assert step_flops(replace(SHORT, ranks=(8, 8, 8, 8)), base, warm=True) > bare
    # A warm-up has neither the discriminator nor the perceptual terms.
    cold = step_flops(SHORT, base, warm=False)
    assert step_flops(replace(SHORT, style=1.0), base, warm=False) == cold < 0.5 * bare


def test_flops_grow_with_steps_batch_and_area(base: Base) -> None:
    once = training_flops(SHORT, base)
    assert training_flops(replace(SHORT, steps=8), base) == 2 * once
    assert training_flops(replace(SHORT, batch_size=6), base) == 3 * once
    # A little more than four times, for the discriminator gives less of a small picture.
    assert 4 * once < training_flops(replace(SHORT, crop=64), base) < 5 * once
    with pytest.raises(ValueError, match="give steps"):
        training_flops(TrainingRecipe(epochs=3), base)


def test_a_concepts_cost(base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    concept = write_tiny_concept(tmp_path / "dusk", base)
    parameters = adapter_parameters(CONFIG, Ranks())
    size = (concept.path / "adapter_model.safetensors").stat().st_size
    assert cost(concept, base) == {"trained_parameters": parameters, "adapter_bytes": size}  # no record of a training
    monkeypatch.setattr(cost_module, "training_flops", lambda recipe, base: recipe.steps * 10)
    trained = replace(concept, training={"steps": 400})
    assert cost(trained, base)["training_flops"] == 4000
    assert record_quality(concept, {"cost": cost(trained, base)}).quality["cost"]["training_flops"] == 4000


def test_without_the_training_packages_the_rest_is_told(
    base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    concept = replace(write_tiny_concept(tmp_path / "dusk", base), training={"steps": 400})
    assert set(cost(concept, base)) == {"trained_parameters", "adapter_bytes"}
