"""The generator computes what it says, however it is asked to."""

import pytest
import torch

from e2gan.models import generator as module
from e2gan.models.generator import Generator, OutConv, norm_relu
from e2gan.models.layout import GeneratorConfig

CONFIG = GeneratorConfig(prompt_dim=8, width=8, heads=2)


@pytest.mark.parametrize("size", [(10, 12), (9, 12), (10, 7), (7, 7)])
def test_the_last_convolution_is_the_same_with_and_without_gradients(size):
    torch.manual_seed(0)
    conv = OutConv(5, 3, 7)
    x = torch.randn(2, 5, *(n + 6 for n in size))
    with torch.no_grad():
        at_once = conv(x)
    assert at_once.shape == (2, 3, *size)
    assert torch.allclose(at_once, conv(x), atol=1e-5)


def test_a_gradient_reaches_the_last_convolution():
    conv = OutConv(5, 3, 7)
    conv(torch.randn(1, 5, 12, 12)).sum().backward()
    assert conv.weight.grad is not None and conv.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("half", [False, True])
def test_in_training_the_norm_is_the_same_to_the_last_bit(half):
    x, weight = torch.randn(2, 4, 9, 12), torch.randn(2, 4, 9, 12)
    results = []
    for training in (False, True):
        leaf = x.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            y = norm_relu(leaf.bfloat16() if half else leaf * 1, training)
        (y * weight).sum().backward()
        results.append((y, leaf.grad))
    assert all(torch.equal(a, b) for a, b in zip(*results))


def test_attention_to_a_share_of_the_tokens_changes_a_smooth_photo_little(monkeypatch):
    torch.manual_seed(0)
    model = Generator(CONFIG).eval()
    photo = torch.nn.functional.interpolate(torch.rand(1, 3, 8, 8) * 2 - 1, size=128, mode="bicubic")
    prompt = torch.randn(1, 3, 8)
    with torch.no_grad():
        whole = model(photo, prompt)
        monkeypatch.setattr(module, "MAX_KEYS", 64)
        share = model(photo, prompt)
        other = model(photo.flip(-1), prompt)
    assert not torch.equal(share, whole)
    assert (share - whole).abs().mean() < 0.1 * (other - whole).abs().mean()
