"""The tone fitted to pairs."""

import numpy as np
import pytest

from e2gan.models.layout import NEUTRAL
from e2gan.training.tone import fit_tone

PHOTOS = np.random.default_rng(0).integers(0, 256, (3, 20, 24, 3), dtype=np.uint8)


def test_an_affine_change_of_colours_is_found():
    matrix = np.array([[0.5, 0.2, 0.0], [0.0, 0.6, 0.1], [0.3, 0.0, 0.4]])
    offset = np.array([0.1, -0.1, 0.0])
    edits = ((PHOTOS / 127.5 - 1) @ matrix.T + offset + 1) * 127.5
    found = np.array(fit_tone(zip(PHOTOS, edits.round().astype(np.uint8), strict=True)))
    assert found == pytest.approx(np.column_stack([matrix, offset]), abs=0.01)


def test_photos_of_one_colour_give_a_tone_that_changes_that_colour_alone_for_sure():
    photo, edit = (np.full((8, 8, 3), value, np.uint8) for value in ((200, 100, 50), (100, 100, 100)))
    tone = np.array(fit_tone([(photo, edit)]))
    assert np.isfinite(tone).all() and np.abs(tone).max() < 2
    assert tone @ [*(photo[0, 0] / 127.5 - 1), 1] == pytest.approx(edit[0, 0] / 127.5 - 1, abs=0.01)


def test_no_pairs_give_the_neutral_tone():
    assert fit_tone([]) == NEUTRAL
