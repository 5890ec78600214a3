"""What an edit keeps of its photo's light."""

import pytest
import torch

from e2gan.models.generator import Generator
from e2gan.models.layout import NEUTRAL, GeneratorConfig, Keeps
from e2gan.models.light import SHIFT, SPAN, keep, toned
from e2gan.models.look import blended, look_of


@pytest.fixture
def photo() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.rand(2, 3, 24, 32) * torch.tensor([0.4, 1.0, 0.7]).view(1, 3, 1, 1) - 0.6


def test_the_generator_alone_cannot_tell_a_photo_from_a_darker_or_tinted_one(photo):
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(prompt_dim=8, width=8, heads=2)).eval()
    prompt = torch.randn(2, 3, 8)
    other = 0.7 * photo + torch.tensor([0.1, -0.2, 0.3]).view(1, 3, 1, 1)
    with torch.no_grad():
        made, made_of_other = generator(photo, prompt), generator(other, prompt)
    assert torch.allclose(made, made_of_other, atol=5e-3)
    kept, kept_of_other = (keep(m, p, [Keeps.COLOUR]) for m, p in ((made, photo), (made_of_other, other)))
    # What is kept follows the photo: darker in, darker out.
    assert torch.allclose(kept_of_other, 0.7 * kept + (other - 0.7 * photo), atol=2e-2)


def test_nothing_kept_leaves_the_picture(photo):
    made = torch.rand_like(photo)
    assert torch.equal(keep(made, photo, [Keeps.NOTHING]), made)


def test_the_photos_deviations_give_the_photo_back(photo):
    deviation, mean = torch.std_mean(photo, dim=(2, 3), keepdim=True)
    made = (photo - mean) / (SPAN * deviation)
    assert torch.allclose(keep(made, photo, [Keeps.COLOUR]), photo, atol=1e-5)


def test_light_without_colour_gives_grey_for_grey(photo):
    grey = torch.rand(2, 1, 24, 32).expand(-1, 3, -1, -1)
    kept = keep(grey, photo, [Keeps.LIGHT])
    assert torch.allclose(kept[:, 0], kept[:, 1]) and torch.allclose(kept[:, 1], kept[:, 2])


def test_each_picture_keeps_its_own_and_a_blend_mixes(photo):
    made = torch.rand_like(photo)
    kinds = [Keeps.NOTHING, Keeps.COLOUR]
    kept = keep(made, photo, kinds, torch.eye(2))
    assert torch.equal(kept[0], made[0])
    assert torch.equal(kept[1], keep(made, photo, [Keeps.COLOUR])[1])
    prompt = torch.zeros(1, 4)
    blend = blended([look_of(prompt), look_of(prompt, Keeps.COLOUR)], [1.5, 0.5]).expand(2)
    assert blend.keeps == tuple(kinds)
    mixed = 0.75 * made + 0.25 * keep(made, photo, [Keeps.COLOUR])
    assert torch.allclose(keep(made, photo, blend.keeps, blend.shares), mixed, atol=1e-6)


def test_a_flat_photo_stays_finite():
    flat = torch.full((1, 3, 16, 16), 0.25)
    for kind in (Keeps.LIGHT, Keeps.COLOUR, Keeps.DETAIL):
        assert torch.allclose(keep(torch.rand(1, 3, 16, 16), flat, [kind]), flat, atol=1e-6)


def test_detail_is_the_photos_and_no_stroke_of_the_generators_comes_through():
    torch.manual_seed(0)
    photo = 0.3 * torch.randn(1, 3, 64, 80).clamp(-2, 2)
    warmer = torch.tensor([0.5, 0.0, -0.5]).view(1, 3, 1, 1).expand_as(photo)
    strokes = torch.randn(1, 3, 64, 80)
    wanted, kept = (keep(made, photo, [Keeps.DETAIL]) for made in (warmer, warmer + strokes))
    assert torch.allclose(wanted - photo, SHIFT * photo.std((2, 3), keepdim=True) * warmer, atol=2e-2)
    through = kept - wanted
    assert through.std() < 0.2 * (SHIFT * photo.std() * strokes).std()


def test_nothing_made_gives_the_photo_back_where_detail_is_kept(photo):
    assert torch.allclose(keep(torch.zeros_like(photo), photo, [Keeps.DETAIL]), photo, atol=1e-5)


def test_detail_follows_changes_from_place_to_place():
    torch.manual_seed(0)
    photo = 0.3 * torch.randn(1, 3, 64, 128).clamp(-2, 2)
    made = torch.zeros_like(photo)
    made[..., 64:] = -0.9
    moved = keep(made, photo, [Keeps.DETAIL]) - photo
    assert moved[..., 90:].mean() < -0.1 and moved[..., :32].abs().mean() < 0.02


def test_a_tone_is_an_affine_map_of_each_pixel(photo):
    swap = ((0.0, 1.0, 0.0, 0.0), (0.5, 0.0, 0.0, 0.25), (0.0, 0.0, 0.0, -3.0))
    changed, same = toned(photo, torch.tensor([swap, NEUTRAL]))
    assert torch.allclose(changed[0], photo[0, 1].clamp(-1, 1)) and torch.allclose(changed[1], photo[0, 0] / 2 + 0.25)
    assert (changed[2] == -1).all(), "no colour leaves the range"
    assert torch.allclose(same, photo[1].clamp(-1, 1))


def test_tones_are_mixed_by_their_weights():
    dark = ((0.5, 0.0, 0.0, -0.5), (0.0, 0.5, 0.0, -0.5), (0.0, 0.0, 0.5, -0.5))
    prompt = torch.zeros(1, 4)
    looks = [look_of(prompt, Keeps.COLOUR, dark), look_of(prompt), look_of(prompt, Keeps.DETAIL)]
    tones = blended(looks, [3.0, 5.0, 1.0]).tones
    assert torch.allclose(tones[0, 0], torch.tensor([0.625, 0, 0, -0.375]))
