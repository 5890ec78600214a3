"""The Inception network, with a tiny TorchScript program for it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from e2gan.errors import E2GANError
from e2gan.evaluation import inception
from e2gan.evaluation.inception import FILE, Inception, find_inception

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of TorchScript, which clean-FID's file is


class Layers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.squeeze = nn.AdaptiveAvgPool2d(4)
        self.widen = nn.Linear(48, 2048)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.widen(self.squeeze(x).flatten(1))[:, :, None, None]


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = Layers()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file laid out as the real one, whose digest is taken for the real one's."""
    torch.manual_seed(0)
    file = tmp_path / "weights" / FILE
    file.parent.mkdir()
    torch.jit.save(torch.jit.trace(Network().eval(), torch.zeros(2, 3, 299, 299)), file)
    monkeypatch.setattr(inception, "SHA256", hashlib.sha256(file.read_bytes()).hexdigest())
    return file


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing in torch hub's cache, and clean-FID's place empty, whatever this machine has; the cache's place."""
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(inception, "CLEAN_FID", tmp_path / "cleanfid" / FILE)
    return tmp_path / "hub" / "checkpoints" / FILE


def pictures() -> list[Image.Image]:
    random = np.random.default_rng(0)
    return [Image.fromarray(random.integers(0, 256, (40, 50, 3), dtype=np.uint8)) for _ in range(3)]


def test_pictures_become_2048_numbers(weights: Path) -> None:
    embed = Inception(weights)
    vectors = embed(pictures())
    assert (vectors.shape, vectors.dtype) == ((3, 2048), np.float32)
    assert np.allclose(vectors[1:2], embed(pictures()[1:2]), atol=1e-5)
    assert embed([]).shape == (0, 2048)


def test_features_are_what_clean_fid_makes_of_the_files(weights: Path, cleanfid: Any, tmp_path: Path) -> None:
    from cleanfid.inception_torchscript import InceptionV3W

    (tmp_path / "pictures").mkdir()
    for number, picture in enumerate(pictures()):
        picture.save(tmp_path / "pictures" / f"{number}.png")
    theirs = cleanfid.get_folder_features(
        str(tmp_path / "pictures"),
        InceptionV3W(str(weights.parent), download=False),
        num_workers=0,
        device=torch.device("cpu"),
        mode="clean",
        verbose=False,
    )
    assert np.allclose(Inception(weights)(pictures()), theirs, atol=1e-4)


def test_another_file_is_not_run_and_named(weights: Path) -> None:
    weights.write_bytes(weights.read_bytes() + b"more")
    with pytest.raises(E2GANError, match="not the Inception network of clean-FID") as caught:
        Inception(weights)
    assert str(weights) in str(caught.value)
    assert caught.value.hint and "delete it" in caught.value.hint


def test_the_digest_is_that_of_the_file_clean_fid_downloads() -> None:
    assert inception.SHA256 == "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4"
    assert inception.URL.startswith("https://") and inception.URL.endswith(FILE)


def test_it_is_found_in_order(weights: Path, nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_inception() is None
    for place in (inception.CLEAN_FID, nowhere):
        place.parent.mkdir(parents=True)
        place.write_bytes(b"")
        assert find_inception() == place
    named = nowhere.with_name("named")
    named.write_bytes(b"")
    monkeypatch.setenv("E2GAN_INCEPTION", str(named))
    assert find_inception() == named
    assert find_inception(weights) == weights


def test_a_named_file_that_is_not_there_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(E2GANError, match="no such file, but --inception names it"):
        find_inception(tmp_path / "missing.pt")
    monkeypatch.setenv("E2GAN_INCEPTION", str(tmp_path / "missing.pt"))
    with pytest.raises(E2GANError, match="no such file, but E2GAN_INCEPTION names it"):
        find_inception()


def test_it_is_downloaded_only_where_that_is_allowed(
    weights: Path, nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inception, "URL", weights.as_uri())
    assert find_inception() is None
    assert find_inception(download=True) == nowhere
    assert nowhere.read_bytes() == weights.read_bytes()
    assert find_inception() == nowhere


def test_a_download_of_something_else_leaves_nothing(
    weights: Path, nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inception, "SHA256", "0" * 64)
    monkeypatch.setattr(inception, "URL", weights.as_uri())
    with pytest.raises(E2GANError, match="could not be downloaded"):
        find_inception(download=True)
    assert list(nowhere.parent.iterdir()) == []
    monkeypatch.setattr(inception, "URL", weights.with_name("gone").as_uri())
    with pytest.raises(E2GANError, match="could not be downloaded"):
        find_inception(download=True)
