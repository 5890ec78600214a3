"""InstructDiffusion's weights are published as one checkpoint file in the layout of the original Stable Diffusion."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from e2gan.errors import TeacherError
from e2gan_teachers.diffusion.instruct import InstructDiffusion

torch = pytest.importorskip("torch")

# diffusers' names to the original's, in this order.
UNET = {
    # A ResNet block's parts.
    r"(resnets.\d).norm1": r"\1.in_layers.0",
    r"(resnets.\d).conv1": r"\1.in_layers.2",
    r"(resnets.\d).norm2": r"\1.out_layers.0",
    r"(resnets.\d).conv2": r"\1.out_layers.3",
    r"time_emb_proj": "emb_layers.1",
    r"conv_shortcut": "skip_connection",
    r"time_embedding.linear_1": "time_embed.0",
    r"time_embedding.linear_2": "time_embed.2",
    r"^conv_in": "input_blocks.0.0",
    r"^conv_norm_out": "out.0",
    r"^conv_out": "out.2",
    r"mid_block.resnets.0": "middle_block.0",
    r"mid_block.attentions.0": "middle_block.1",
    r"mid_block.resnets.1": "middle_block.2",
    # One layer a block on the way down, two on the way up.
    r"down_blocks.0.resnets.0": "input_blocks.1.0",
    r"down_blocks.0.attentions.0": "input_blocks.1.1",
    r"down_blocks.0.downsamplers.0.conv": "input_blocks.2.0.op",
    r"down_blocks.1.resnets.0": "input_blocks.3.0",
    r"up_blocks.0.resnets.([01])": r"output_blocks.\1.0",
    r"up_blocks.0.upsamplers.0.conv": "output_blocks.1.1.conv",
    r"up_blocks.1.resnets.0": "output_blocks.2.0",
    r"up_blocks.1.resnets.1": "output_blocks.3.0",
    r"up_blocks.1.attentions.0": "output_blocks.2.1",
    r"up_blocks.1.attentions.1": "output_blocks.3.1",
}
VAE = {
    r"conv_norm_out": "norm_out",
    r"conv_shortcut": "nin_shortcut",
    r"mid_block.resnets.0": "mid.block_1",
    r"mid_block.resnets.1": "mid.block_2",
    r"mid_block.attentions.0.group_norm": "mid.attn_1.norm",
    r"mid_block.attentions.0.to_out.0": "mid.attn_1.proj_out",
    r"mid_block.attentions.0.to_([qkv])": r"mid.attn_1.\1",
    r"down_blocks.(\d).resnets": r"down.\1.block",
    r"down_blocks.(\d).downsamplers.0": r"down.\1.downsample",
    r"up_blocks.0.resnets": "up.1.block",
    r"up_blocks.1.resnets": "up.0.block",
    r"up_blocks.0.upsamplers.0": "up.1.upsample",
}


def renamed(weights: dict[str, Any], names: dict[str, str], prefix: str) -> dict[str, Any]:
    found = {}
    for name, weight in weights.items():
        for pattern, replacement in names.items():
            name = re.sub(pattern, replacement, name)
        if "attn_1" in name and name.endswith("weight") and weight.ndim == 2:
            weight = weight[:, :, None, None]  # a 1×1 convolution there
        found[prefix + name] = weight
    return found


@pytest.fixture(scope="module")
def checkpoint(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny InstructPix2Pix pipeline as the authors' `convert_ckpt.py` would write it."""
    from diffusers import StableDiffusionInstructPix2PixPipeline

    pipeline = StableDiffusionInstructPix2PixPipeline.from_pretrained(models / "pix2pix")
    text = {
        f"text_model.{name.removeprefix('text_model.')}": weight
        for name, weight in pipeline.text_encoder.state_dict().items()
    }
    path = tmp_path_factory.mktemp("checkpoint") / "adaption-task.ckpt"
    weights = {
        **renamed(pipeline.unet.state_dict(), UNET, "model.diffusion_model."),
        **renamed(pipeline.vae.state_dict(), VAE, "first_stage_model."),
        **renamed(text, {}, "cond_stage_model.transformer."),
    }
    torch.save({"state_dict": weights}, path)
    return path


def test_a_checkpoint_file_is_the_same_teacher(
    checkpoint: Path, models: Path, square_photos: list[Image.Image]
) -> None:
    options = {"prompt": "a painting", "size": 32, "steps": 3}
    from_file = InstructDiffusion(**options, model=str(checkpoint), config=str(models / "pix2pix"))
    from_folder = InstructDiffusion(**options, model=str(models / "pix2pix"))
    one, other = (np.asarray(teacher(square_photos[0]), int) for teacher in (from_file, from_folder))
    assert np.abs(one - other).max() <= 1
    assert from_file._pipeline.scheduler.config.timestep_spacing == "linspace"


def test_offline_it_is_the_configuration_that_is_missing(checkpoint: Path, square_photos: list[Image.Image]) -> None:
    with pytest.raises(TeacherError, match="'timbrooks/instruct-pix2pix' is not on this computer") as error:
        InstructDiffusion(prompt="a painting", model=str(checkpoint))(square_photos[0])
    assert "\n" not in str(error.value)


def test_a_checkpoint_that_is_none_is_one_error(tmp_path: Path, models: Path, square_photos: list[Image.Image]) -> None:
    path = tmp_path / "weights.ckpt"
    path.write_bytes(b"no checkpoint")
    teacher = InstructDiffusion(prompt="a painting", model=str(path), config=str(models / "pix2pix"))
    with pytest.raises(TeacherError, match=r"weights\.ckpt: not a model that this teacher can read") as error:
        teacher(square_photos[0])
    assert "\n" not in str(error.value)


def test_a_checkpoint_cannot_run_code(tmp_path: Path, models: Path, square_photos: list[Image.Image]) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "ran",)

    path = tmp_path / "evil.ckpt"
    torch.save({"state_dict": Evil()}, path)
    with pytest.raises(TeacherError, match="not a model that this teacher can read"):
        InstructDiffusion(prompt="a painting", model=str(path), config=str(models / "pix2pix"))(square_photos[0])
    assert not (tmp_path / "ran").exists()


def test_a_configuration_without_a_pipeline_is_told_at_once(
    checkpoint: Path, tmp_path: Path, square_photos: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").mkdir()
    with pytest.raises(TeacherError, match=r"'config' must name .* model_index\.json") as error:
        InstructDiffusion(prompt="a painting", model=str(checkpoint), config=str(tmp_path / "config"))
    assert "timbrooks/instruct-pix2pix" in (error.value.hint or "")
    # What the Hub's library gives for a repository that has none of the files.
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: str(tmp_path / "nothing"))
    monkeypatch.setattr("torch.load", lambda *_, **__: pytest.fail("the checkpoint is read first"))
    teacher = InstructDiffusion(prompt="a painting", model=str(checkpoint), config="someone/something")
    with pytest.raises(TeacherError, match=r"model_index\.json, not 'someone/something'"):
        teacher(square_photos[0])
