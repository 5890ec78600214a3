"""The graph of onnxruntime's editor computes what the generator computes."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from e2gan.errors import E2GANError
from e2gan.models import norms as norms_module
from e2gan.models.generator import Generator
from e2gan.models.layout import GeneratorConfig
from e2gan_onnx import network as network_module
from e2gan_onnx.network import PHOTO, PROMPT, PROMPT_BIAS, SKIPS, initializers, network
from tests.editor.tiny import CONFIG, NEW

LAYOUTS = {
    "the paper's": CONFIG,
    "the new": NEW,
    "binomial": replace(CONFIG, smoothing="binomial"),
    "no transformer": replace(CONFIG, tb_positions=()),
    "two full-size transformers": replace(CONFIG, tb_positions=(0, 1), tb_sampling="none"),
}


def check(config: GeneratorConfig, sizes: list[tuple[int, int, int, int]]) -> None:
    """Compare them for each batch, height, width and number of tokens."""
    torch.manual_seed(0)
    generator = Generator(config).eval()
    weights = {name: value.numpy() for name, value in generator.state_dict().items()}
    model = network(config, weights) + initializers(config, weights)
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    for count, height, width, tokens in sizes:
        x = torch.rand(count, 3, height, width) * 2 - 1
        prompt, bias = torch.randn(count, tokens, config.prompt_dim), torch.randn(count, tokens)
        bias[0, 1:] = -math.inf  # padding
        inputs = {PHOTO: x.numpy(), PROMPT: prompt.numpy(), PROMPT_BIAS: bias.numpy()}
        skips = torch.rand(count, 3) if config.skips else None
        if skips is not None:
            inputs[SKIPS] = skips.numpy()
        (picture,) = session.run(None, inputs)
        with torch.no_grad():
            wanted = generator(x, prompt, bias, skips).numpy()
        assert picture.shape == wanted.shape
        assert np.allclose(picture, wanted, atol=2e-4)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_it_is_the_generator_at_any_size(layout: str) -> None:
    check(LAYOUTS[layout], [(1, 32, 32, 3), (2, 40, 72, 5), (3, 64, 48, 1), (1, 32, 32, 12)])


def test_in_a_large_photo_tokens_attend_to_a_share(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (network_module, norms_module):
        monkeypatch.setattr(module, "MAX_KEYS", 7)
    check(CONFIG, [(1, 32, 32, 3), (1, 64, 48, 3), (2, 40, 72, 3)])


def test_an_operation_that_onnx_lacks_is_one_error() -> None:
    config = replace(CONFIG, tb_sampling="pool")
    weights = {name: value.numpy() for name, value in Generator(config).state_dict().items()}
    with pytest.raises(E2GANError, match="max-unpooling"):
        network(config, weights)
