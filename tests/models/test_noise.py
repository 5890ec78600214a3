"""The seeds of strokes: the same noise on every machine, laid over a photo as it is told."""

import hashlib

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from e2gan.models.noise import SIDE, noise_tile, noisy


def test_the_tile_is_the_one_that_bases_are_trained_with():
    digest = hashlib.sha256(noise_tile().astype("<f4").tobytes()).hexdigest()
    assert digest == "12a2b5134017d54b54b87b34a79c7a1a2182aa7c19b406f04db82cf37e023620"
    assert noise_tile().shape == (SIDE, SIDE)
    assert abs(noise_tile().mean()) < 1e-6 and abs(noise_tile().std() - 1) < 1e-4


def test_it_is_alike_in_all_colours_and_repeats_beyond_the_tile():
    photo = torch.rand(1, 3, SIDE + 24, 2 * SIDE + 8) * 2 - 1
    added = noisy(photo, torch.tensor([0.1])) - photo
    assert torch.allclose(added, added[:, :1].expand_as(added), atol=1e-6)
    assert torch.allclose(added[0, 0, :SIDE, :SIDE], 0.1 * torch.from_numpy(noise_tile()), atol=1e-6)
    assert torch.allclose(added[..., SIDE:, SIDE:-8], added[..., :24, :SIDE], atol=1e-6)


def test_each_picture_has_its_own_strength():
    photo = torch.rand(3, 3, 16, 24) * 2 - 1
    made = noisy(photo, torch.tensor([0.0, 0.05, 0.1]))
    assert torch.equal(made[0], photo[0])
    assert torch.allclose(2 * (made[1] - photo[1]), made[2] - photo[2], atol=1e-6)


@settings(max_examples=10)
@given(st.lists(st.tuples(st.integers(0, SIDE - 1), st.integers(0, SIDE - 1)), min_size=1, max_size=3))
def test_an_offset_says_where_on_the_tile_a_photo_lies(offsets):
    photo = torch.zeros(len(offsets), 3, 20, 28)
    made = noisy(photo, torch.ones(len(offsets)), torch.tensor(offsets))
    everywhere = torch.from_numpy(noise_tile()).repeat(2, 2)
    for picture, (top, left) in zip(made, offsets):
        assert torch.equal(picture[0], everywhere[top : top + 20, left : left + 28])


def test_half_precision_stays_half():
    made = noisy(torch.zeros(1, 3, 8, 8, dtype=torch.bfloat16), torch.tensor([0.1]))
    assert made.dtype == torch.bfloat16
