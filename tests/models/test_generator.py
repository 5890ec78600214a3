"""The generator computes what it says, however it is asked to."""

import copy

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from e2gan.models import norms
from e2gan.models.generator import Generator, OutConv, UpConv, norm_relu
from e2gan.models.layout import GeneratorConfig

CONFIG = GeneratorConfig(prompt_dim=8, width=8, heads=2)

SMOOTH = ("mean", "binomial")


@pytest.mark.parametrize("size", [(10, 12), (9, 12), (10, 7), (7, 7)])
def test_the_last_convolution_is_the_same_at_once_and_pixel_by_pixel(size):
    torch.manual_seed(0)
    conv = OutConv(5, 3, 7)
    x = torch.randn(2, 5, *(n + 6 for n in size))
    conv.at_once = True
    at_once = conv(x)
    conv.at_once = False
    assert at_once.shape == (2, 3, *size)
    assert torch.allclose(at_once, conv(x), atol=1e-5)


@pytest.mark.parametrize("at_once", [False, True])
def test_a_gradient_reaches_the_last_convolution(at_once):
    conv = OutConv(5, 3, 7)
    conv.at_once = at_once
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
        monkeypatch.setattr(norms, "MAX_KEYS", 64)
        share = model(photo, prompt)
        other = model(photo.flip(-1), prompt)
    assert not torch.equal(share, whole)
    assert (share - whole).abs().mean() < 0.1 * (other - whole).abs().mean()


@pytest.mark.parametrize("smoothing", SMOOTH)
@settings(max_examples=15)
@given(st.integers(2, 7), st.integers(2, 7), st.integers(1, 3), st.integers(1, 4), st.booleans(), st.integers(0, 99))
def test_what_is_enlarged_is_the_plain_convolution_and_then_means(
    smoothing, height, width, inputs, outputs, bias, seed
):
    """Values and gradients; away from the border, where the plain one has less to take the mean of."""
    torch.manual_seed(seed)
    smooth = UpConv(inputs, outputs, bias=bias, smoothing=smoothing)
    plain = torch.nn.ConvTranspose2d(inputs, outputs, 3, 2, 1, output_padding=1, bias=bias)
    plain.load_state_dict(smooth.state_dict())
    x = torch.randn(2, inputs, height, width)
    times = {"mean": 1, "binomial": 3}[smoothing]
    inner = slice((times + 1) // 2, None if times == 1 else -(times // 2))
    weights = torch.randn(2, outputs, 2 * height - times, 2 * width - times)

    def mean_of(x):
        y = plain(x)
        for _ in range(times):
            y = F.avg_pool2d(y, 2, stride=1)
        return y

    results = []
    for model, edit in ((plain, mean_of), (smooth, smooth), (smooth, smooth.filtered)):
        leaf = x.clone().requires_grad_()
        y = edit(leaf)
        if model is smooth:
            assert y.shape == (2, outputs, 2 * height, 2 * width)
            y = y[..., inner, inner]
        model.zero_grad()
        (y * weights).sum().backward()
        results.append([y, leaf.grad, *(parameter.grad for parameter in model.parameters())])
    for other in results[1:]:
        assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(results[0], other, strict=True))
    assert torch.allclose(smooth(x), smooth.filtered(x), atol=1e-5), "at the border, too"


def test_the_longer_filter_is_stylegans():
    smooth = UpConv(1, 1, bias=False, smoothing="binomial")
    with torch.no_grad():
        smooth.weight.copy_(torch.eye(9)[4].view(1, 1, 3, 3))  # so that the plain convolution puts zeros between
    taps = torch.tensor([1, 3, 3, 1]) / 8
    assert torch.allclose(smooth.smoothed()[0, 0, 1:5, 1:5], torch.outer(taps, taps))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("smoothing", SMOOTH)
def test_what_is_constant_stays_so_in_every_precision(smoothing, dtype):
    torch.manual_seed(0)
    x = torch.randn(1, 40, 1, 1).expand(1, 40, 9, 9)
    smooth, plain = (UpConv(40, 16, smoothing=name).to(dtype) for name in (smoothing, "none"))
    with torch.no_grad():
        inner, lattice = (model(x.to(dtype))[..., 4:-4, 4:-4].float() for model in (smooth, plain))
    spread = (inner.amax((2, 3)) - inner.amin((2, 3))).max()
    assert spread < 1e-6 if dtype == torch.float32 else spread == 0
    assert (lattice.amax((2, 3)) - lattice.amin((2, 3))).max() > 0.1
    if dtype != torch.float32:
        with torch.no_grad():
            rounded = smooth.folded()(x.to(dtype))[..., 4:-4, 4:-4]
        assert not torch.equal(rounded, rounded[..., :1, :1].expand_as(rounded)), "so it may not be folded"


def test_in_mixed_precision_what_is_constant_stays_so_exactly():
    torch.manual_seed(0)
    x = torch.randn(1, 40, 1, 1).expand(1, 40, 9, 9)
    with torch.autocast("cpu", torch.bfloat16):
        made = UpConv(40, 16, smoothing="mean")(x)[..., 4:-4, 4:-4]
    assert made.dtype == torch.bfloat16
    assert torch.equal(made, made[..., :1, :1].expand_as(made))


@pytest.mark.parametrize("sampling", ["conv", "none"])  # unpooling puts each value among three zeros
@pytest.mark.parametrize("smoothing", SMOOTH)
@pytest.mark.parametrize("skips", [None, (1.0, 1.0, 1.0), (0.25, 0.5, 1.0)])
def test_a_constant_photo_has_a_constant_edit(skips, smoothing, sampling):
    config = GeneratorConfig(
        prompt_dim=8, width=8, res_blocks=1, tb_positions=(1,), tb_sampling=sampling, heads=2,
        skips=skips is not None, smoothing=smoothing,
    )  # fmt: skip
    torch.manual_seed(0)
    model = Generator(config).eval()
    photo = torch.tensor([0.3, -0.2, 0.6]).view(1, 3, 1, 1).expand(1, 3, 128, 128)
    share = None if skips is None else torch.tensor([skips])
    with torch.inference_mode():
        middle = model(photo, torch.randn(1, 3, 8), None, share)[..., 48:80, 48:80]
    assert (middle - middle[..., :1, :1]).abs().max() < 1e-5


@pytest.fixture(scope="module")
def skipping():
    torch.manual_seed(0)
    return Generator(
        GeneratorConfig(prompt_dim=8, width=8, res_blocks=1, tb_positions=(1,), heads=2, skips=True)
    ).eval()


@settings(max_examples=8)
@given(rows=st.lists(st.tuples(*[st.floats(0, 1, width=32)] * 3), min_size=1, max_size=3))
def test_each_picture_of_a_batch_has_its_own_skips(skipping, rows):
    x, prompt = torch.rand(len(rows), 3, 32, 40) * 2 - 1, torch.randn(len(rows), 2, 8)
    shares = torch.tensor(rows)
    with torch.inference_mode():
        together = skipping(x, prompt, None, shares)
        for i in range(len(rows)):
            own = slice(i, i + 1)
            assert torch.allclose(skipping(x[own], prompt[own], None, shares[own]), together[own], atol=1e-4)


def test_each_skip_changes_the_edit_and_none_is_no_skips(skipping):
    x, prompt = torch.rand(1, 3, 32, 40) * 2 - 1, torch.randn(1, 2, 8)
    with torch.inference_mode():
        without = skipping(x, prompt)
        assert torch.equal(skipping(x, prompt, None, torch.zeros(1, 3)), without)
        for skips in torch.eye(3).split(1):
            assert (skipping(x, prompt, None, skips) - without).abs().mean() > 0.01


def test_the_bottleneck_can_be_gone_round(skipping):
    """Where nothing passes the trunk, what goes round it still makes a picture of the photo."""
    closed = copy.deepcopy(skipping)
    for layer in (closed.down2, closed.up2):
        torch.nn.init.zeros_(layer.weight)
    x = torch.rand(2, 3, 32, 40) * 2 - 1
    prompt = torch.zeros(2, 2, 8)
    with torch.inference_mode():
        blind = closed(x, prompt)
        seeing = closed(x, prompt, None, torch.tensor([[1.0, 0.0, 0.0]]).expand(2, 3))
    assert torch.allclose(blind[0], blind[1], atol=1e-4)
    assert (seeing[0] - seeing[1]).abs().mean() > 0.01


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("height", [32, 128, 264])
@torch.inference_mode()
def test_in_strips_and_in_place_the_edit_is_the_same(height, at_once):
    torch.manual_seed(0)
    config = GeneratorConfig(prompt_dim=8, width=8, heads=2, res_blocks=2, tb_positions=(1,), skips=True)
    generator = Generator(config).eval()
    generator.conv_out.at_once = at_once
    inputs = (torch.rand(2, 3, height, 40) * 2 - 1, torch.randn(2, 3, 8), None, torch.rand(2, 3))
    whole = generator(*inputs)
    generator.work_in_place()
    before = inputs[0].clone()
    assert (generator(*inputs) - whole).abs().max() < 5e-5
    assert torch.equal(inputs[0], before)
