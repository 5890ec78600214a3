"""Parts of pictures are those of the padded whole."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from e2gan.models.boxes import Box, pixels_of

sides = st.integers(1, 40)


@given(sides, sides, sides, sides, st.data())
def test_parts_are_those_of_the_mirrored_whole(
    height: int, width: int, down: int, right: int, data: st.DataObject
) -> None:
    whole = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    padded = np.pad(whole, ((0, down), (0, right), (0, 0)), mode="reflect")
    top, left = data.draw(st.integers(0, height + down - 1)), data.draw(st.integers(0, width + right - 1))
    bottom, end = data.draw(st.integers(top + 1, height + down)), data.draw(st.integers(left + 1, width + right))
    part = pixels_of(Image.fromarray(whole), Box(top, bottom, left, end))
    assert np.array_equal(part, padded[top:bottom, left:end])
