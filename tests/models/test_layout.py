"""The parameter counts the paper gives, and the adapters' layout."""

import pytest
import torch

from e2gan.errors import BaseModelError
from e2gan.models.discriminator import Discriminator
from e2gan.models.generator import Generator
from e2gan.models.layout import GeneratorConfig, Ranks, adapter_parameters, adapter_shapes, crucial_layers


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_the_generator_has_the_papers_counts():
    generator = Generator()
    block = generator.transformers["2"]
    sampling = count(block.down) + count(block.up)
    assert count(generator) == 7_055_619
    assert count(generator.res) == 3_540_480
    assert count(block) - sampling == 1_578_240
    assert count(Generator(GeneratorConfig(tb_sampling="none"))) == 5_875_459
    assert count(generator) - sampling == 5_875_459


@pytest.mark.parametrize("smoothing", ["none", "mean", "binomial"])
def test_skips_and_smoothing_cost_no_parameter_and_rename_none(smoothing):
    config = GeneratorConfig(skips=True, smoothing=smoothing)
    with torch.device("meta"):
        plain, new = Generator(), Generator(config)
    assert count(new) == 7_055_619
    shapes = [{name: value.shape for name, value in model.state_dict().items()} for model in (plain, new)]
    assert shapes[0] == shapes[1]
    assert adapter_parameters(config, Ranks()) == 91_926
    assert adapter_shapes(config, Ranks()) == adapter_shapes(GeneratorConfig(), Ranks())


def test_the_discriminator_has_the_papers_count():
    assert count(Discriminator()) == 2_767_809


@pytest.mark.parametrize(
    ("sampling", "expected"), [((1, 4, 8, 8), 91_926), ((1, 4, 4, 4), 56_086), ((1, 4, 16, 16), 163_606)]
)
def test_adapters_have_the_papers_counts(sampling, expected):
    assert adapter_parameters(GeneratorConfig(), Ranks(sampling, 1)) == expected


def test_macs_at_256():
    """23.7 G multiply-accumulates, counting convolutions, linear layers and attention."""
    total = 0

    def hook(module, inputs, output):
        nonlocal total
        if isinstance(module, torch.nn.ConvTranspose2d):
            total += inputs[0].numel() * module.weight[0].numel()
        elif isinstance(module, torch.nn.Conv2d):
            total += output.numel() * module.weight[0].numel()
        else:
            total += output.numel() * module.weight.shape[1]

    generator = Generator().eval()
    for module in generator.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.ConvTranspose2d, torch.nn.Linear)):
            module.register_forward_hook(hook)
    with torch.inference_mode():
        generator(torch.zeros(1, 3, 256, 256), torch.zeros(1, 8, 512))
    total += 2 * 1024 * 1024 * 256 + 2 * 1024 * 8 * 256  # both attentions' products
    assert total / 1e9 == pytest.approx(23.7, abs=0.1)


@pytest.mark.parametrize(
    ("positions", "sampling"), [((), "conv"), ((0,), "conv"), ((0, 1, 3), "conv"), ((2,), "pool"), ((1, 2), "none")]
)
def test_blocks_stand_where_the_configuration_says(positions, sampling):
    config = GeneratorConfig(prompt_dim=16, width=8, tb_positions=positions, tb_sampling=sampling, heads=2)
    generator = Generator(config).eval()
    assert sorted(generator.transformers) == [str(p) for p in positions]
    side = 3 * config.stride
    with torch.inference_mode():
        out = generator(torch.rand(2, 3, side, 2 * side) * 2 - 1, torch.rand(2, 5, 16))
    assert out.shape == (2, 3, side, 2 * side)
    assert out.abs().max() <= 1


@pytest.mark.parametrize("positions", [(), (0,), (0, 1, 3)])
@pytest.mark.parametrize("sampling", ["conv", "pool", "none"])
def test_crucial_layers_are_the_generators_own(positions, sampling):
    config = GeneratorConfig(prompt_dim=24, width=8, tb_positions=positions, tb_sampling=sampling)
    generator = Generator(config)
    for layer in crucial_layers(config):
        module = generator.get_submodule(layer.name)
        kind = {"linear": torch.nn.Linear, "conv": torch.nn.Conv2d, "conv_transpose": torch.nn.ConvTranspose2d}
        assert isinstance(module, kind[layer.kind])
        a, b = layer.factor_shapes(3)
        rows = b[0] * (a[0] if layer.kind == "conv_transpose" else 1)
        per_rank = torch.Size(a).numel() // 3
        assert rows * per_rank // (a[0] if layer.kind == "conv_transpose" else 1) == module.weight.numel()
    names = adapter_shapes(config, Ranks())
    assert not any(".res." in name for name in names)


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 0},
        {"tb_positions": [4]},
        {"tb_positions": [2, 1]},
        {"tb_sampling": "stride"},
        {"heads": 7},
        {"depth": 1},
        {"skips": 1},
        {"skips": [1, 1, 1]},
        {"smoothing": "gauss"},
        {"smoothing": None},
        {"smoothing": ["mean"]},
    ],
)
def test_a_wrong_configuration_is_refused(wrong):
    with pytest.raises(BaseModelError, match="generator configuration"):
        GeneratorConfig.from_dict(wrong)


def test_a_configuration_survives_its_dictionary():
    config = GeneratorConfig(width=16, tb_positions=(0, 2), skips=True, smoothing="binomial")
    assert GeneratorConfig.from_dict(config.to_dict()) == config
    assert GeneratorConfig.from_dict({}) == GeneratorConfig(), "what older bases do not say is the paper's"


@pytest.mark.parametrize("wrong", [((1, 4, 8), 1), ((0, 4, 8, 8), 1), ((1, 4, 8, 8), 10_000), ((1, 4, 8, True), 1)])
def test_wrong_ranks_are_refused(wrong):
    with pytest.raises(BaseModelError, match="ranks"):
        Ranks(*wrong)
