"""The networks: the papers' counts, and what each part does."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from e2gan.errors import E2GANError
from e2gan_ssd import commands
from e2gan_ssd.models import VARIANTS, Discriminator, Generator, variant


def count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(("name", "parameters"), [("ssd", 3_809_104), ("dcgan", 3_576_704)])
def test_the_generators_have_the_papers_parameters(name: str, parameters: int) -> None:
    assert count(Generator(variant(name))) == parameters


@pytest.mark.parametrize("name", VARIANTS)
def test_every_discriminator_has_the_papers_parameters(name: str) -> None:
    assert count(Discriminator(variant(name))) == 2_765_568


@pytest.mark.parametrize("name", VARIANTS)
def test_shapes_and_ranges(name: str) -> None:
    made = Generator(variant(name))(torch.randn(3, 100))
    assert made.shape == (3, 3, 64, 64)
    assert made.abs().max() <= 1
    assert Discriminator(variant(name))(made).shape == (3,)


def test_spectral_norm_bounds_every_convolution() -> None:
    discriminator = Discriminator(variant("ssd"))
    for _ in range(15):  # the power iteration has its say in training mode
        discriminator(torch.randn(2, 3, 64, 64))
    norms = [
        torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item()
        for layer in discriminator.modules()
        if isinstance(layer, nn.Conv2d)
    ]
    assert len(norms) == 5
    assert norms == pytest.approx([1] * 5, rel=0.05)


def test_the_style_of_w_sets_mean_and_deviation() -> None:
    norm = Generator(variant("ssd")).norms[0]
    with torch.no_grad():
        norm.alpha.bias.fill_(3)
        norm.beta.bias.fill_(-2)
        norm.alpha.weight.zero_()
        norm.beta.weight.zero_()
    styled = norm(torch.randn(2, 512, 8, 8), torch.randn(2, 100)).detach()
    assert torch.allclose(styled.mean(dim=(2, 3)), torch.tensor(-2.0), atol=1e-4)
    assert torch.allclose(styled.std(dim=(2, 3), correction=0), torch.tensor(3.0), rtol=1e-2)


def test_an_unknown_model_names_the_known() -> None:
    with pytest.raises(E2GANError) as caught:
        variant("stylegan")
    assert "no-adain" in (caught.value.hint or "")


def test_the_help_knows_every_model() -> None:
    assert tuple(VARIANTS) == commands.VARIANTS
