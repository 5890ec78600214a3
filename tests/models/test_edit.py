"""The whole edit: looks of concepts, of blends and of batches, and the forms that its sums may take."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from e2gan.models.edit import Edit
from e2gan.models.generator import Generator, OutConv, UpConv
from e2gan.models.layout import NEUTRAL, GeneratorConfig, Keeps, Tone
from e2gan.models.light import keep, toned
from e2gan.models.look import Look, batched, blended, look_of

CONFIG = GeneratorConfig(
    prompt_dim=8, width=8, res_blocks=1, tb_positions=(1,), heads=2, skips=True, smoothing="mean"
)  # fmt: skip

WARM: Tone = ((0.9, 0.1, 0.0, 0.2), (0.0, 1.0, 0.0, 0.0), (0.0, 0.1, 0.6, -0.2))


@pytest.fixture(scope="module")
def generator() -> Generator:
    torch.manual_seed(0)
    return Generator(CONFIG).eval().requires_grad_(False)


def photos(count: int, height: int = 48, width: int = 64, seed: int = 0) -> torch.Tensor:
    """Soft shapes with some grain, in [-1, 1]."""
    torch.manual_seed(seed)
    shapes = torch.nn.functional.interpolate(torch.rand(count, 3, 4, 5), (height, width), mode="bicubic")
    return ((shapes + 0.05 * torch.randn(count, 3, height, width)) * 2 - 1).clamp(-1, 1)


@st.composite
def looks(draw: st.DrawFn) -> Look:
    """A concept's, in one row."""
    torch.manual_seed(draw(st.integers(0, 9)))
    return look_of(
        torch.randn(draw(st.integers(1, 3)), CONFIG.prompt_dim),
        draw(st.sampled_from(Keeps)),
        draw(st.sampled_from([NEUTRAL, WARM])),
        draw(st.sampled_from([(0.0, 0.0, 0.0), (0.25, 0.5, 1.0)])),
        draw(st.sampled_from([0.0, 0.1])),
    )


def flags(edit: Edit) -> Iterator[tuple[bool | None, bool | None]]:
    for module in edit.modules():
        if isinstance(module, OutConv):
            yield module.at_once, None
        elif isinstance(module, UpConv):
            yield None, module.in_two_steps


def test_how_sums_are_computed_is_the_edits_choice_and_no_one_elses(generator: Generator) -> None:
    for grad in (False, True):
        with torch.set_grad_enabled(grad):
            assert set(flags(Edit(generator, at_once=True))) == {(True, None), (None, False)}
            assert set(flags(Edit(generator, half=True))) == {(False, None), (None, True)}
            assert set(flags(Edit(generator))) == {(False, None), (None, False)}


@settings(max_examples=20)
@given(look=looks(), at_once=st.booleans(), half=st.booleans())
def test_in_every_form_it_is_the_same_edit(generator: Generator, look: Look, at_once: bool, half: bool) -> None:
    photo = photos(1, 64, 72)
    usual = Edit(generator)(photo, look)
    other = Edit(generator, at_once=at_once, half=half)(photo, look)
    # Half precision's deviation is without Bessel's correction.
    assert (other - usual).abs().max() < (5e-3 if half else 1e-4)


@settings(max_examples=10)
@given(rows=st.lists(looks(), min_size=1, max_size=3))
def test_each_picture_of_a_batch_has_its_own_look(generator: Generator, rows: list[Look]) -> None:
    edit = Edit(generator)
    photo = photos(len(rows))
    together = edit(photo, batched(rows))
    for i, look in enumerate(rows):
        assert torch.allclose(edit(photo[i : i + 1], look), together[i : i + 1], atol=1e-4)


@settings(max_examples=10)
@given(look=looks(), weights=st.lists(st.floats(0.125, 3, width=16), min_size=1, max_size=3))
def test_a_blend_of_a_concept_with_itself_is_its_edit(generator: Generator, look: Look, weights: list[float]) -> None:
    edit = Edit(generator)
    photo = photos(2)
    blend = blended([look] * len(weights), weights)
    assert torch.allclose(edit(photo, blend.expand(2)), edit(photo, look.expand(2)), atol=1e-4)


def test_a_blend_is_a_mean_by_weight() -> None:
    prompt = torch.zeros(2, 8)
    drawing = look_of(prompt, Keeps.DETAIL, WARM, (1.0, 1.0, 1.0))
    painting = look_of(torch.zeros(3, 8), noise=0.08)
    blend = blended([drawing, painting], [1.0, 3.0])
    assert blend.prompt.shape == (1, 5, 8)
    assert blend.prompt_bias is not None and blend.skips is not None and blend.noise is not None
    assert blend.shares is not None and blend.tones is not None
    assert blend.prompt_bias[0].tolist() == pytest.approx([0, 0] + [math.log(3)] * 3)
    assert blend.skips.tolist() == [pytest.approx([0.25] * 3)]
    assert blend.noise.tolist() == pytest.approx([0.06])
    assert blend.keeps == (Keeps.NOTHING, Keeps.DETAIL)
    assert blend.shares.tolist() == [[0.75, 0.25]]
    assert torch.equal(blend.tones, torch.tensor([WARM])), "the painting has no tone to say"


def test_what_no_concept_asks_for_is_left_out() -> None:
    plain = look_of(torch.zeros(2, 8))
    for look in (plain, blended([plain, plain], [1.0, 2.0]), batched([plain, plain])):
        assert look.skips is look.noise is look.shares is look.tones is None
        assert look.keeps == ()


@pytest.mark.parametrize("keeps", [Keeps.LIGHT, Keeps.COLOUR, Keeps.DETAIL])
def test_what_is_kept_in_half_precision_is_what_is_kept_in_full(keeps: Keeps) -> None:

    class Still(torch.nn.Module):
        def forward(self, x: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
            return 0.3 * x.flip(1)

    photo, look = photos(1, 256, 512) * 0.3 + 0.6, look_of(torch.zeros(1, 8), keeps, WARM)
    assert look.tones is not None
    exact = Edit(Still())(photo, look)
    seen = toned(photo, look.tones, half=True)
    half = keep(0.3 * photo.flip(1).half(), seen.half(), look.keeps, half=True)
    assert torch.isfinite(half).all()
    assert (half.float() - exact).abs().max() < 3e-3
