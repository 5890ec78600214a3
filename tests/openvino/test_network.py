"""The network of OpenVINO computes what the generator computes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import openvino
import pytest
import torch

from e2gan.errors import E2GANError
from e2gan.models import norms as norms_module
from e2gan.models.generator import Generator
from e2gan.models.layout import GeneratorConfig
from e2gan.models.network import arranged
from e2gan_openvino import network as network_module
from e2gan_openvino.network import EDIT, PHOTO, PROMPT, PROMPT_BIAS, SKIPS, GeneratorNetwork
from tests.editor.tiny import CONFIG, NEW

LAYOUTS = {
    "the paper's": CONFIG,
    "the new": NEW,
    "binomial": replace(CONFIG, smoothing="binomial"),
    "no transformer": replace(CONFIG, tb_positions=()),
    "two full-size transformers": replace(CONFIG, tb_positions=(0, 1), tb_sampling="none"),
}


def both(
    config: GeneratorConfig, sizes: list[tuple[int, int, int, int]], *, in_two_steps: bool = False
) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each batch, height, width and number of tokens, the network's picture and the generator's."""
    torch.manual_seed(0)
    generator = Generator(config).eval()
    weights = {name: value.numpy() for name, value in generator.state_dict().items()}
    model = GeneratorNetwork(config, weights, in_two_steps=in_two_steps).model()
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    results = []
    for count, height, width, tokens in sizes:
        x = torch.rand(count, 3, height, width) * 2 - 1
        prompt, bias = torch.randn(count, tokens, config.prompt_dim), torch.randn(count, tokens)
        bias[0, 1:] = -math.inf  # padding
        inputs: dict[str, Any] = {PHOTO: x.numpy(), PROMPT: prompt.numpy(), PROMPT_BIAS: bias.numpy()}
        skips = torch.rand(count, 3) if config.skips else None
        if skips is not None:
            inputs[SKIPS] = skips.numpy()
        picture = compiled({**inputs, **arranged(config, weights, in_two_steps=in_two_steps)})[EDIT]
        with torch.no_grad():
            results.append((np.array(picture), generator(x, prompt, bias, skips).numpy()))
    return results


def decibels(a: np.ndarray, b: np.ndarray) -> float:
    """PSNR of pictures in [-1, 1]."""
    return float(10 * np.log10(4 / np.mean((a.astype(np.float64) - b) ** 2)))


@pytest.mark.parametrize("in_two_steps", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_it_is_the_generator_at_any_size(layout: str, in_two_steps: bool) -> None:
    sizes = [(1, 32, 32, 3), (2, 40, 72, 5), (3, 64, 48, 1), (1, 32, 32, 12)]
    for picture, wanted in both(LAYOUTS[layout], sizes, in_two_steps=in_two_steps):
        assert picture.shape == wanted.shape
        assert decibels(picture, wanted) >= 80


def test_in_a_large_photo_tokens_attend_to_a_share(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (network_module, norms_module):
        monkeypatch.setattr(module, "MAX_KEYS", 7)
    for picture, wanted in both(CONFIG, [(1, 32, 32, 3), (1, 64, 48, 3), (2, 40, 72, 3)]):
        assert decibels(picture, wanted) >= 80


def test_an_operation_that_openvino_lacks_is_one_error() -> None:
    config = replace(CONFIG, tb_sampling="pool")
    weights = {name: value.numpy() for name, value in Generator(config).state_dict().items()}
    with pytest.raises(E2GANError, match="max-unpooling"):
        GeneratorNetwork(config, weights)
