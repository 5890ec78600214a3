"""Instance norms in both memory formats."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from e2gan.models.norms import OWN


@pytest.mark.parametrize("pictures", [1, 3])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_channels_last_stays_and_is_the_same_norm(pictures: int, offset: float) -> None:
    torch.manual_seed(0)
    x = torch.randn(pictures, 8, 12, 16) * torch.rand(pictures, 8, 1, 1) + offset
    wanted = F.instance_norm(x.double()).float()
    made = OWN.instance("", x.to(memory_format=torch.channels_last))
    assert made.is_contiguous(memory_format=torch.channels_last)
    # Float32 holds a number near 1000 to 6e-5, a few thousandths of the smallest spread here.
    assert (made - wanted).abs().max() < (1e-5 if offset == 0 else 2e-2)


def test_a_constant_channel_stays_constant_in_channels_last() -> None:
    x = torch.full((1, 4, 8, 8), 0.3).to(memory_format=torch.channels_last)
    made = OWN.instance("", x)
    assert (made == made[..., :1, :1]).all()
    assert made.abs().max() < 1e-3
