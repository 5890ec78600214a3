"""Every value of 8 bits goes to the networks and comes back."""

import numpy as np
import torch

from e2gan.models.pixels import to_images, to_tensor


def test_there_and_back():
    pictures = np.arange(2 * 8 * 16 * 3, dtype=np.int64).reshape(2, 8, 16, 3).astype(np.uint8)
    x = to_tensor(pictures)
    assert x.shape == (2, 3, 8, 16)
    assert (x.min(), x.max()) == (-1, 1)
    assert np.array_equal(np.stack(to_images(x)), pictures)


def test_what_lies_beyond_is_cut_off():
    (picture,) = to_images(torch.tensor([-3.0, 0.0, 3.0]).view(1, 3, 1, 1))
    assert picture.getpixel((0, 0)) == (0, 128, 255)
