from __future__ import annotations

from pathlib import Path

import pytest
import torch

from e2gan.base import Base
from e2gan.concept import record_quality
from e2gan.evaluation.cost import cost, macs
from e2gan.models.generator import UpConv
from e2gan.models.layout import GeneratorConfig, Ranks, adapter_parameters
from tests.editor.tiny import CONFIG, write_tiny_concept


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


def test_a_concepts_cost(base: Base, tmp_path: Path) -> None:
    concept = write_tiny_concept(tmp_path / "dusk", base)
    parameters = adapter_parameters(CONFIG, Ranks())
    size = (concept.path / "adapter_model.safetensors").stat().st_size
    assert cost(concept, base) == {"trained_parameters": parameters, "adapter_bytes": size}
    known = cost(concept, base, 4000)
    assert known["training_flops"] == 4000
    assert record_quality(concept, {"cost": known}).quality["cost"]["training_flops"] == 4000
