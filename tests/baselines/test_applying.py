"""A trained baseline applied as a concept is: in the editor and from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import save_file

from e2gan.blend import OtherModel, find_concept, resolve
from e2gan.cli import cli
from e2gan.concept import Concept
from e2gan.editor import Editor
from e2gan.errors import BaseModelError, ConceptError
from e2gan.files import sha256_file
from e2gan.images import open_image, read_provenance
from e2gan_baselines.baseline import Prompted, find_baseline, make_baseline
from tests.editor.tiny import photo, write_tiny_base, write_tiny_concept

SHAPES = {
    "pix2pix": {"width": 4, "blocks": 1},
    "comodgan": {"side": 64, "widest": 8, "base": 128},
    "resnet-transformer": {"depth": 1, "feed_forward": 8},
}


def write(folder: Path, id: str) -> Path:
    """A baseline as a training leaves it, its weights random."""
    torch.manual_seed(0)
    made = make_baseline(id, 6, **SHAPES[id])
    trained = Prompted(made.generator, np.random.default_rng(0).normal(size=(3, 6)).astype("f4"))
    folder.mkdir(parents=True)
    save_file(
        {name: tensor.contiguous() for name, tensor in trained.state_dict().items()}, folder / "generator.safetensors"
    )
    manifest = {
        "model": id,
        "shape": made.shape,
        "stride": made.stride,
        "longest": made.longest or 0,
        "concept": "dusk",
        "version": "1.2.0",
        "tokens": 3,
        "prompt_dim": 6,
        "sha256": sha256_file(folder / "generator.safetensors"),
    }
    (folder / "baseline.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("baselines")
    return {id: write(root / id, id) for id in SHAPES}


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Editor:
    return Editor(write_tiny_base(tmp_path_factory.mktemp("bases") / "tiny"), device="cpu")


@pytest.fixture
def dusk(editor: Editor, tmp_path: Path) -> Concept:
    return write_tiny_concept(tmp_path / "dusk", editor.base)


def test_the_edit_is_the_generators(editor: Editor, folders: dict[str, Path]) -> None:
    picture = photo(64, 64)
    x = torch.from_numpy(picture).permute(2, 0, 1)[None] / 127.5 - 1
    for folder in folders.values():
        with torch.inference_mode():
            y = find_baseline(folder).load()(x)
        wanted = ((y[0].clamp(-1, 1).permute(1, 2, 0) + 1) * 127.5).numpy()
        edited = editor.apply(Image.fromarray(picture), f"baseline:{folder}")
        assert np.abs(np.asarray(edited) - wanted).max() <= 1
        assert not np.array_equal(edited, picture)


@pytest.mark.parametrize("id", SHAPES)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
@pytest.mark.parametrize("size", [(1, 1), (30, 90), (150, 70)])
def test_every_size_goes_in_and_comes_out(
    editor: Editor, folders: dict[str, Path], id: str, mode: str, size: tuple[int, int]
) -> None:
    picture = Image.fromarray(photo(*size)).convert(mode)
    edited = editor.apply(picture, f"baseline:{folders[id]}")
    assert edited.size == size
    assert edited.mode == ("RGBA" if mode == "RGBA" else "RGB")


def test_what_takes_one_side_edits_all_of_a_large_photo(editor: Editor, folders: dict[str, Path]) -> None:
    """It sees the photo made smaller, not a part of it: a small photo's edit is the large one's, but for detail."""
    soft = Image.fromarray(photo(6, 4)).resize((60, 40), Image.Resampling.BICUBIC)
    small, large = (
        editor.apply(picture, f"baseline:{folders['comodgan']}") for picture in (soft, soft.resize((240, 160)))
    )
    again = np.asarray(large.resize(small.size, Image.Resampling.BOX)).astype(int)
    assert (
        np.abs(again - np.asarray(small)).mean() < 0.2 * np.abs(np.asarray(small).astype(int) - np.asarray(soft)).mean()
    )


def test_strength_and_batches(editor: Editor, folders: dict[str, Path], dusk: Concept) -> None:
    picture, model = Image.fromarray(photo()), f"baseline:{folders['pix2pix']}"
    assert np.array_equal(editor.apply(picture, model, strength=0), picture)
    both = editor.apply_batch([picture, picture], [dusk, model])
    assert np.array_equal(both[0], editor.apply(picture, dusk))
    assert np.array_equal(both[1], editor.apply(picture, find_baseline(folders["pix2pix"])))
    assert not np.array_equal(both[0], both[1])


def test_the_picture_says_what_made_it(folders: dict[str, Path], tmp_path: Path) -> None:
    Image.fromarray(photo()).save(tmp_path / "photo.png")
    folder, out = folders["pix2pix"], tmp_path / "out.jpg"
    command = ["apply", f"baseline:{folder}", str(tmp_path / "photo.png"), "-o", str(out), "--device", "cpu"]
    result = CliRunner().invoke(cli, command)
    assert (result.exit_code, result.stderr) == (0, f"wrote {out}\n")
    assert open_image(out).size == (48, 40)
    provenance = read_provenance(out)
    assert provenance is not None
    assert provenance["concepts"] == [{"id": "dusk", "version": "1.2.0", "weight": 1.0}]
    assert provenance["base"] == {"id": "pix2pix", "sha256": sha256_file(folder / "generator.safetensors")}


def test_it_is_no_concept_and_takes_no_weight(folders: dict[str, Path], dusk: Concept) -> None:
    name = f"baseline:{folders['pix2pix']}"
    assert isinstance(resolve(name), OtherModel)
    for meant in (f"{name}=0.5", {name: 0.5, dusk: 0.5}, {find_baseline(folders["pix2pix"]): 1.0}):
        with pytest.raises(ConceptError, match=r"a model \(pix2pix\), not a concept") as caught:
            resolve(meant)
        assert "--strength" in str(caught.value.hint)
    with pytest.raises(ConceptError, match="not a concept"):
        find_concept(name)


def test_what_is_not_there_or_another_trainings(editor: Editor, tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match="holds no baseline"):
        editor.apply(Image.new("RGB", (8, 8)), f"baseline:{tmp_path}")
    folder = write(tmp_path / "made", "pix2pix")
    weights = folder / "generator.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    with pytest.raises(BaseModelError, match=r"generator\.safetensors: differs from the digest in baseline\.json"):
        find_baseline(folder).load()
    weights.unlink()
    with pytest.raises(BaseModelError, match=r"generator\.safetensors: cannot be read"):
        find_baseline(folder).load()


def test_an_edit_that_is_not_finite_is_an_error(editor: Editor) -> None:
    class Broken(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x / 0

    broken = OtherModel("dusk", "1.0.0", "broken", "0" * 64, Broken)
    with pytest.raises(ConceptError, match="dusk: the edit of the model 'broken' is not finite"):
        editor.apply(Image.new("RGB", (8, 8)), broken)
