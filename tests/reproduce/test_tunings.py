"""What each tuning trains: something, on the crucial layers alone, and nothing before the first step."""

from __future__ import annotations

import pytest
import torch

from e2gan.models.generator import Generator
from e2gan.models.layout import GeneratorConfig, crucial_layers
from e2gan_reproduce.tunings import ALL, TUNINGS

CONFIG = GeneratorConfig(prompt_dim=8, width=8, heads=2)


@pytest.mark.parametrize("name", TUNINGS)
def test_it_begins_as_the_base_and_changes_crucial_layers_alone(name: str) -> None:
    torch.manual_seed(0)
    generator = Generator(CONFIG)
    generator.initialize()
    photo, prompt = torch.rand(1, 3, 32, 32) * 2 - 1, torch.randn(1, 3, 8)
    with torch.no_grad():
        before = generator.eval()(photo, prompt)
    tuned = TUNINGS[name](generator).eval()
    torch.testing.assert_close(tuned(photo, prompt), before, rtol=1e-4, atol=1e-4)

    trained = [part for part, parameter in tuned.named_parameters() if parameter.requires_grad]
    crucial = [layer.name for layer in crucial_layers(CONFIG)]
    assert trained
    assert all(any(f"{layer}." in part for layer in crucial) for part in trained)
    if "no transposed" in name:
        assert not any("up1." in part or "up2." in part for part in trained)

    optimizer = torch.optim.Adam([p for p in tuned.parameters() if p.requires_grad], 0.01)
    for _ in range(2):  # of factors that begin at zero, only one moves at first
        optimizer.zero_grad()
        tuned(photo, prompt).mean().backward()
        optimizer.step()
    with torch.no_grad():
        assert not torch.allclose(tuned(photo, prompt), before, atol=1e-5)
    frozen = [p for part, p in tuned.named_parameters() if part not in trained]
    assert all(p.grad is None for p in frozen)
    assert (sum(p.numel() for part, p in tuned.named_parameters() if part in trained) > 50_000) == (name == ALL)
