"""LPIPS, with a stand-in for its package and for AlexNet's file: neither is on the machines that test."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest
from PIL import Image

from e2gan.errors import E2GANError
from e2gan.evaluation import lpips
from e2gan.evaluation.lpips import Lpips

PACKAGE = """
import torch

class LPIPS(torch.nn.Module):
    def __init__(self, net, verbose):
        super().__init__()
        assert (net, verbose) == ("alex", False)

    def forward(self, a, b):
        assert a.shape == b.shape == (1, 3, 40, 30) and a.min() >= -1 and a.max() <= 1
        return (a - b).abs().mean().view(1, 1, 1, 1)
"""


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    digest = hashlib.sha256(b"alexnet").hexdigest()
    monkeypatch.setattr(lpips, "ALEXNET", f"alexnet-owt-{digest[:8]}.pth")
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "hub"))
    file = tmp_path / "hub" / "checkpoints" / lpips.ALEXNET
    file.parent.mkdir(parents=True)
    file.write_bytes(b"alexnet")
    return file


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "lpips.py").write_text(PACKAGE)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.delitem(sys.modules, "lpips", raising=False)


@pytest.mark.usefixtures("weights", "package")
def test_pictures_go_in_from_minus_1_to_1() -> None:
    black, white = (Image.new("RGB", (30, 40), name) for name in ("black", "white"))
    assert Lpips()(black, white) == pytest.approx(2)
    assert Lpips()(white, white) == 0


@pytest.mark.usefixtures("package")
def test_without_weights_it_says_where_they_are_looked_for(weights: Path) -> None:
    weights.unlink()
    with pytest.raises(E2GANError, match="AlexNet's weights are not in torch hub's cache") as caught:
        Lpips()
    assert str(weights) in (caught.value.hint or "")


@pytest.mark.usefixtures("package")
def test_another_file_in_their_place_is_named(weights: Path) -> None:
    weights.write_bytes(b"another")
    with pytest.raises(E2GANError, match="not torchvision's AlexNet"):
        Lpips()


@pytest.mark.usefixtures("weights")
def test_without_the_package_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lpips", None)
    with pytest.raises(E2GANError, match="the package 'lpips' is not installed"):
        Lpips()
