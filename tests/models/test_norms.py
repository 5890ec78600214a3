"""Instance norms in place, strip by strip, are those of the whole."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from e2gan.models import norms
from e2gan.models.norms import IN_PLACE


@pytest.fixture(params=[2**20, 1, 2**11])
def strips(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All rows at once, one row, a few rows."""
    monkeypatch.setattr(norms, "CACHED", request.param)


@pytest.mark.usefixtures("strips")
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("pictures", [1, 3])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
@torch.inference_mode()
def test_in_place_it_is_the_same_norm(pictures: int, offset: float, relu: bool) -> None:
    torch.manual_seed(0)
    x = torch.randn(pictures, 8, 12, 16) * torch.rand(pictures, 8, 1, 1) + offset
    wanted = F.instance_norm(x.double()).float()
    x = x.to(memory_format=torch.channels_last)
    made = IN_PLACE.instance_relu("", x) if relu else IN_PLACE.instance("", x)
    assert made.is_contiguous(memory_format=torch.channels_last)
    assert made.data_ptr() == x.data_ptr()
    # Float32 holds a number near 1000 to 6e-5, a few thousandths of the smallest spread here.
    assert (made - (wanted.relu() if relu else wanted)).abs().max() < (1e-5 if offset == 0 else 2e-2)


@pytest.mark.usefixtures("strips")
@torch.inference_mode()
def test_a_constant_channel_stays_constant() -> None:
    made = IN_PLACE.instance("", torch.full((1, 4, 8, 8), 0.3).to(memory_format=torch.channels_last))
    assert (made == made[..., :1, :1]).all()
    assert made.abs().max() < 1e-3
