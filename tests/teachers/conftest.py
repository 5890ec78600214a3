"""Diffusion pipelines of a few thousand random weights, in folders as the Hub has them."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the folders `stable-diffusion`, `pix2pix`, `controlnet` and `depth`."""
    for package in ("diffusers", "transformers", "accelerate"):
        pytest.importorskip(package, reason=f"the diffusion teachers need {package}: e2gan-teachers[diffusion]")
    import diffusers
    import torch

    folder = tmp_path_factory.mktemp("models")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        parts: dict[str, Any] = {
            "vae": diffusers.AutoencoderKL(
                block_out_channels=(8, 8),
                down_block_types=("DownEncoderBlock2D",) * 2,
                up_block_types=("UpDecoderBlock2D",) * 2,
                latent_channels=4,
                norm_num_groups=4,
                sample_size=32,
                scaling_factor=2.4,  # gives latents unit variance, as a trained VAE's has
            ),
            "tokenizer": tokenizer(),
            "text_encoder": text_encoder(),
            "scheduler": diffusers.PNDMScheduler(
                beta_start=0.00085,
                beta_end=0.012,
                beta_schedule="scaled_linear",
                skip_prk_steps=True,
                set_alpha_to_one=False,
                steps_offset=1,
            ),
            "safety_checker": None,
            "feature_extractor": None,
        }
        plain = unet(channels=4)
        diffusers.StableDiffusionPipeline(**parts, unet=plain, requires_safety_checker=False).save_pretrained(
            folder / "stable-diffusion"
        )
        diffusers.ControlNetModel.from_unet(plain, conditioning_embedding_out_channels=(4, 8)).save_pretrained(
            folder / "controlnet"
        )
        ancestral = diffusers.EulerAncestralDiscreteScheduler.from_config(parts["scheduler"].config)
        diffusers.StableDiffusionInstructPix2PixPipeline(
            **(parts | {"scheduler": ancestral}), unet=unet(channels=8), requires_safety_checker=False
        ).save_pretrained(folder / "pix2pix")
        depth(folder / "depth")
    return folder


def tokenizer() -> Any:
    """CLIP's, with letters for tokens: a word has as many tokens as letters, but "photo" and "painting" have one."""
    from transformers import CLIPTokenizer

    merges: list[tuple[str, str]] = []
    for word in ("photo", "painting"):
        left = word[0]
        for letter in [*word[1:-1], f"{word[-1]}</w>"]:
            merges.append((left, letter))
            left += letter
    letters = string.ascii_lowercase + string.digits + string.punctuation
    vocab = [*letters, *(f"{letter}</w>" for letter in letters), *dict.fromkeys(left + right for left, right in merges)]
    vocab += ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(
        vocab={token: number for number, token in enumerate(vocab)}, merges=merges, model_max_length=77
    )


def text_encoder() -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel

    words = tokenizer()
    config = CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=77,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
        # Random weights of the usual size would hardly tell one text from another.
        initializer_factor=20.0,
    )
    return CLIPTextModel(config)


def unet(channels: int) -> Any:
    """A network that predicts little noise: one that predicts much at random could not be inverted."""
    from diffusers import UNet2DConditionModel

    network = UNet2DConditionModel(
        sample_size=16,
        in_channels=channels,
        out_channels=4,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=2,
        norm_num_groups=4,
    )
    for part in network.conv_out.parameters():
        part.data *= 0.1
    return network


def depth(folder: Path) -> None:
    from transformers import DPTConfig, DPTForDepthEstimation
    from transformers.models.dpt.image_processing_pil_dpt import DPTImageProcessorPil

    config = DPTConfig(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        is_hybrid=False,
    )
    DPTForDepthEstimation(config).save_pretrained(folder)
    DPTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)


@pytest.fixture(scope="session")
def square_photos() -> list[Image.Image]:
    """Three different photos of 32 × 32: smooth skies over grounds of spots."""
    rng = np.random.default_rng(0)
    photos = []
    for hue in ((110, 160, 230), (230, 160, 110), (120, 200, 160)):
        sky = np.linspace(0.6, 1.1, 16)[:, None, None] * np.array(hue)
        ground = np.repeat(np.repeat(rng.integers(20, 160, (4, 8, 1)), 4, 0), 4, 1) * np.array([0.7, 1.0, 0.4])
        both = np.concatenate([np.broadcast_to(sky, (16, 32, 3)), ground])
        photos.append(Image.fromarray(both.clip(0, 255).astype(np.uint8)))
    return photos
