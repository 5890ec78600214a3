"""Folded, unfolded and PEFT-merged adapters are one and the same."""

import copy
from dataclasses import replace

import pytest
import torch

from e2gan.models.deltas import delta_weights
from e2gan.models.generator import Generator, load_generator
from e2gan.models.layout import GeneratorConfig, Ranks, adapter_shapes
from e2gan.models.lora import CrucialWeights, adapter_state, attach, lora_config

peft = pytest.importorskip("peft")

CONFIG = GeneratorConfig(prompt_dim=24, width=16, heads=4)
RANKS = Ranks((1, 2, 3, 4), 2)


@pytest.fixture(scope="module", params=["none", "mean", "binomial"])
def generator(request: pytest.FixtureRequest) -> Generator:
    torch.manual_seed(0)
    return Generator(replace(CONFIG, smoothing=request.param)).eval()


@pytest.fixture(scope="module")
def picture() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.rand(2, 3, 64, 48) * 2 - 1, torch.randn(2, 7, 24)


def adapter(seed: int) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return {k: torch.randn(s, generator=draw) * 0.1 for k, s in adapter_shapes(CONFIG, RANKS).items()}


def with_peft(generator: Generator, tensors: dict[str, torch.Tensor]):
    model = attach(copy.deepcopy(generator), RANKS).eval()
    result = peft.set_peft_model_state_dict(model, tensors)
    assert not result.unexpected_keys
    return model


def test_a_fresh_adapter_changes_nothing_and_has_the_documented_tensors(generator, picture):
    model = attach(copy.deepcopy(generator), RANKS).eval()
    with torch.inference_mode():
        assert torch.equal(model(*picture), generator(*picture))
    state = adapter_state(model)
    assert {k: tuple(v.shape) for k, v in state.items()} == adapter_shapes(CONFIG, RANKS)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert trained == sum(v.numel() for v in state.values())


def test_folded_unfolded_and_merged_agree(generator, picture):
    tensors = adapter(0)
    model = with_peft(generator, tensors)
    folded = copy.deepcopy(generator)
    CrucialWeights(folded).fold([(1.0, delta_weights(CONFIG, tensors))])
    with torch.inference_mode():
        unfolded = model(*picture)
        merged = model.merge_and_unload()(*picture)
        ours = folded(*picture)
        base = generator(*picture)
    assert (ours - unfolded).abs().max() < 1e-4
    assert (merged - unfolded).abs().max() < 1e-4
    assert (ours - base).abs().max() > 0.05


def test_every_crucial_layer_is_trained(generator, picture):
    model = attach(copy.deepcopy(generator), RANKS)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-2, eps=1e-30)
    before = adapter_state(model)
    for _ in range(2):  # in the first step B is zero, so that A has no gradient
        optimizer.zero_grad()
        (model(*picture) - 0.5).square().mean().backward()
        optimizer.step()
    after = adapter_state(model)
    assert [k for k in before if torch.equal(before[k], after[k])] == []
    frozen = {k: v for k, v in model.named_parameters() if not v.requires_grad}
    assert all(v.grad is None for v in frozen.values())


def test_base_a_b_base_is_bit_exact(generator, picture):
    switched = copy.deepcopy(generator)
    weights = CrucialWeights(switched)
    a, b = (delta_weights(CONFIG, adapter(seed)) for seed in (1, 2))
    with torch.inference_mode():
        base = switched(*picture)
        weights.fold([(1.0, a)])
        only_a = switched(*picture)
        weights.fold([(0.7, b), (0.3, a)])
        weights.fold([(1.0, a)])
        assert torch.equal(switched(*picture), only_a)
        weights.unfold()
        assert torch.equal(switched(*picture), base)
    for (name, p), q in zip(switched.named_parameters(), generator.parameters(), strict=True):
        assert torch.equal(p, q), name


def test_a_blend_is_the_weighted_sum_of_the_changes(generator):
    blended = copy.deepcopy(generator)
    a, b = (delta_weights(CONFIG, adapter(seed)) for seed in (1, 2))
    CrucialWeights(blended).fold([(0.6, a), (0.4, b)])
    expected = generator.up1.weight + 0.6 * a["up1"] + 0.4 * b["up1"]
    assert torch.allclose(blended.up1.weight, expected, atol=1e-6)


def test_peft_saves_and_loads_the_adapter(generator, picture, tmp_path):
    tensors = adapter(3)
    model = with_peft(generator, tensors)
    model.save_pretrained(tmp_path)
    # The layer for ConvTranspose2d must be registered again, so the configuration is passed in.
    loaded = peft.PeftModel.from_pretrained(
        copy.deepcopy(generator), tmp_path, config=lora_config(CONFIG, RANKS)
    ).eval()
    with torch.inference_mode():
        assert torch.equal(loaded(*picture), model(*picture))


def test_half_precision_on_disk_loads_as_float32(generator, tmp_path):
    from safetensors.torch import save_file

    save_file({k: v.half() for k, v in generator.state_dict().items()}, tmp_path / "g.safetensors")
    loaded = load_generator(tmp_path / "g.safetensors", CONFIG)
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    assert torch.equal(loaded.down1.weight, generator.down1.weight.half().float())


def test_prompt_bias_masks_and_weighs(generator, picture):
    x, prompt = picture
    doubled = torch.cat([prompt, torch.randn_like(prompt)], dim=1)
    masked = torch.zeros(2, 14).masked_fill(torch.arange(14) >= 7, float("-inf"))
    with torch.inference_mode():
        plain = generator(x, prompt)
        assert torch.allclose(generator(x, doubled, masked), plain, atol=1e-5)
        assert torch.allclose(generator(x, prompt, torch.full((2, 7), 0.5).log()), plain, atol=1e-5)
        assert not torch.allclose(generator(x, doubled), plain, atol=1e-3)
