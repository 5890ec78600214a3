"""The penalty for channels that a few spots dominate."""

from __future__ import annotations

import pytest
import torch

from e2gan.models.norms import OWN, Watched


def spotted(strength: float) -> torch.Tensor:
    torch.manual_seed(0)
    x = torch.randn(2, 4, 32, 32)
    x[0, 1, 5:7, 8:10] += strength
    return x.requires_grad_()


def test_it_norms_as_usual() -> None:
    x, watched = spotted(30), Watched()
    for name in ("res.0.conv1", "up1"):
        assert torch.equal(watched.instance(name, x), OWN.instance(name, x))
        assert torch.equal(watched.instance_relu(name, x, True), OWN.instance_relu(name, x, True))


def test_only_a_spot_is_penalised_and_more_if_it_is_stronger() -> None:
    penalties = []
    for strength in (0, 10, 100):
        watched = Watched()
        watched.instance_relu("res.0.conv1", spotted(strength), True)
        penalties.append(watched.penalty().item())
    assert penalties[0] == 0 < penalties[1] < penalties[2]


def test_its_gradient_weakens_the_spot() -> None:
    x, watched = spotted(10), Watched()
    optimizer = torch.optim.Adam([x], lr=0.1)
    before = OWN.instance("", x.detach()).abs().max()
    for _ in range(60):
        optimizer.zero_grad()
        watched.instance("res.0.conv1", x)
        watched.penalty().backward()
        optimizer.step()
    assert OWN.instance("", x.detach()).abs().max() < 0.6 * before


@pytest.mark.parametrize("name", ["conv_in", "down1", "up1"])
def test_large_layers_are_left_alone(name: str) -> None:
    watched = Watched()
    watched.instance_relu("res.0.conv1", spotted(0), True)
    watched.instance_relu(name, spotted(100), True)
    assert watched.penalty() == 0


def test_without_gradients_nothing_is_kept() -> None:
    watched = Watched()
    with torch.no_grad():
        watched.instance("res.0.conv1", spotted(100))
    watched.instance("res.0.conv1", spotted(0))
    assert watched.penalty() == 0


def test_a_picture_of_one_colour_has_a_gradient() -> None:
    x, watched = torch.full((1, 2, 8, 8), 0.5, requires_grad=True), Watched()
    watched.instance("res.0.conv1", x)
    watched.penalty().backward()
    assert x.grad is not None and bool((x.grad == 0).all())
