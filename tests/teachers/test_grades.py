"""Each colour grade does to the colours what its name promises."""

import colorsys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from e2gan_teachers.grades import GRADES

GRASS, LEAVES, PINE = (0.36, 0.60, 0.18), (0.20, 0.42, 0.12), (0.10, 0.26, 0.14)
SKY, CLOUD, ROCK, EARTH = (0.36, 0.58, 0.88), (0.94, 0.95, 0.97), (0.45, 0.44, 0.43), (0.45, 0.33, 0.22)

pictures = array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=24).flatmap(
    lambda shape: arrays(np.float32, (*shape, 3), elements=st.floats(0, 1, width=32), fill=st.floats(0, 1, width=32))
)


def patch(colour, texture: float = 0.0) -> np.ndarray:
    """A 64 × 64 picture of one colour, its brightness varied in soft spots by ± `texture`."""
    rows, columns = np.mgrid[:64, :64] / 64 * 2 * np.pi
    spots = 1 + texture * np.sin(6 * rows) * np.sin(6 * columns)
    return np.clip(np.array(colour) * spots[..., None], 0, 1).astype(np.float32)


def scene() -> np.ndarray:
    """Sky over grass."""
    picture = patch(SKY)
    picture[36:] = patch(GRASS, 0.3)[36:]
    return picture


def mean(picture: np.ndarray) -> tuple[float, float, float]:
    """Hue in degrees, saturation, value of a picture's mean colour."""
    h, s, v = colorsys.rgb_to_hsv(*picture.reshape(-1, 3).mean(0))
    return h * 360, s, v


def luma(picture: np.ndarray) -> np.ndarray:
    return picture @ np.array([0.2126, 0.7152, 0.0722], np.float32)


@pytest.mark.parametrize("name", GRADES)
@given(picture=pictures)
def test_any_picture_keeps_shape_range_and_is_not_written_to(name, picture):
    before = picture.copy()
    graded = GRADES[name](picture)
    assert graded.shape == picture.shape
    assert graded.dtype == np.float32
    assert np.isfinite(graded).all() and graded.min() >= 0 and graded.max() <= 1
    assert np.array_equal(picture, before)
    assert np.array_equal(GRADES[name](picture), graded)


@pytest.mark.parametrize("name", GRADES)
def test_a_look_is_the_same_at_another_resolution(name):
    """Masks scale with the picture, so a look made at one size holds at another."""
    small = scene()
    large = np.repeat(np.repeat(small, 4, 0), 4, 1)
    graded = GRADES[name](large).reshape(64, 4, 64, 4, 3).mean((1, 3))
    assert np.abs(graded - GRADES[name](small)).mean() < 0.03


@pytest.mark.parametrize("name", GRADES)
def test_a_look_has_no_seams(name):
    """A smooth ramp of hues stays smooth: neighbours in, neighbours out."""
    hues = np.linspace(0, 1, 256)
    row = np.array([colorsys.hsv_to_rgb(h, 0.5, 0.6) for h in hues], np.float32)
    graded = GRADES[name](np.repeat(row[None], 32, 0))
    # Grain aside, which differs from row to row.
    assert np.abs(np.diff(graded.mean(0), axis=0)).max() < 0.1


@pytest.mark.parametrize("green", [GRASS, LEAVES, PINE])
def test_autumn_turns_every_green_to_gold_orange_or_red(green):
    hue, saturation, _ = mean(GRADES["autumn"](patch(green, 0.3)))
    assert 5 <= hue <= 50
    assert saturation > 0.4


def test_autumn_turns_grass_gold_and_pines_red():
    hues = [mean(GRADES["autumn"](patch(green)))[0] for green in (GRASS, LEAVES, PINE)]
    assert hues == sorted(hues, reverse=True)


def test_autumn_keeps_the_hue_of_the_sky_above_turned_grass():
    graded = GRADES["autumn"](scene())
    assert mean(graded[:30])[0] == pytest.approx(mean(patch(SKY))[0], abs=6)
    assert 5 <= mean(graded[42:])[0] <= 50


def test_autumn_light_is_golden_where_there_are_no_leaves():
    hue, saturation, _ = mean(GRADES["autumn"](patch(ROCK)))
    assert 20 <= hue <= 50
    assert saturation > 0.25


def test_autumn_keeps_clouds_pale():
    assert mean(GRADES["autumn"](patch(CLOUD)))[1] < 0.25


def test_winter_lays_pale_cold_snow_on_the_grass():
    hue, saturation, value = mean(GRADES["winter"](patch(GRASS, 0.3)))
    assert 150 <= hue <= 260
    assert saturation < 0.2
    assert value > mean(patch(GRASS, 0.3))[2]
    # On the bright spots it is white.
    assert luma(GRADES["winter"](patch(GRASS, 0.3))).max() > 0.85


def test_winter_takes_the_blue_out_of_the_sky():
    assert mean(GRADES["winter"](patch(SKY)))[1] < 0.5 * mean(patch(SKY))[1]


def test_spring_freshens_the_leaves_and_adds_pink_blossom():
    plain, spotted = GRADES["spring"](patch(LEAVES)), GRADES["spring"](patch(LEAVES, 0.3))
    hue, _, value = mean(plain)
    assert 70 <= hue <= 110
    assert value > mean(patch(LEAVES))[2] + 0.1
    red, green, blue = np.moveaxis(spotted, 2, 0)
    pink = (red > green + 0.08) & (red > blue)
    assert 0.02 < pink.mean() < 0.6
    # Blossom is where the leaves are bright.
    assert luma(patch(LEAVES, 0.3))[pink].mean() > luma(patch(LEAVES, 0.3)).mean()


@pytest.mark.parametrize("colour", [GRASS, LEAVES, SKY, CLOUD, ROCK, EARTH])
def test_dark_is_night(colour):
    graded = GRADES["dark"](patch(colour, 0.2))
    red, _, blue = graded.reshape(-1, 3).mean(0)
    assert luma(graded).mean() < 0.5 * luma(patch(colour, 0.2)).mean()
    assert luma(graded).mean() < 0.35
    assert blue > red


def test_dark_makes_a_blue_sky_darker_than_a_cloud():
    assert luma(GRADES["dark"](patch(SKY))).mean() < 0.6 * luma(GRADES["dark"](patch(CLOUD))).mean()


def test_dusk_has_blue_shadows_and_a_warm_horizon_under_a_violet_sky():
    picture = scene()
    picture[36:] = patch(ROCK, 0.2)[36:]
    graded = GRADES["dusk"](picture)
    above, horizon, ground = (
        graded[rows].reshape(-1, 3).mean(0) for rows in (slice(0, 8), slice(24, 32), slice(40, 64))
    )
    assert luma(graded).mean() < 0.65 * luma(picture).mean()
    assert above[2] > above[0]
    assert horizon[0] / horizon[2] > 1.3 * above[0] / above[2]
    assert ground[2] > 1.2 * ground[0]


@pytest.mark.parametrize("colour", [GRASS, SKY, CLOUD, ROCK])
def test_an_old_photo_is_brown(colour):
    hue, saturation, _ = mean(GRADES["old-photo"](patch(colour)))
    assert 20 <= hue <= 50
    assert saturation > 0.15


def test_an_old_photo_is_faded_and_dark_in_the_corners():
    black, white = (GRADES["old-photo"](patch((v, v, v))) for v in (0, 1))
    assert luma(black).mean() > 0.08
    assert luma(white).mean() < 0.92
    grey = luma(GRADES["old-photo"](patch((0.6, 0.6, 0.6))))
    assert grey[:6, :6].mean() < 0.85 * grey[28:36, 28:36].mean()


def test_an_old_photo_has_grain():
    grey = luma(GRADES["old-photo"](patch((0.5, 0.5, 0.5))))
    assert 0.002 < np.diff(grey, axis=1).std() < 0.05


@pytest.mark.parametrize("colour", [GRASS, SKY, CLOUD, ROCK, EARTH])
def test_black_and_white_has_no_colour(colour):
    graded = GRADES["black-and-white"](patch(colour, 0.2))
    assert np.ptp(graded, axis=2).max() == 0


def test_black_and_white_has_more_contrast_and_keeps_black_and_white():
    levels = [GRADES["black-and-white"](patch((v, v, v))).mean() for v in (0, 0.3, 0.6, 1)]
    assert levels == sorted(levels)
    assert levels[0] < 0.01 and levels[3] > 0.99
    assert levels[2] - levels[1] > 0.33


def test_golden_hour_warms_what_is_bright_and_cools_the_shade():
    bright, shade = (mean(GRADES["golden-hour"](patch(colour))) for colour in ((0.8, 0.8, 0.8), (0.12, 0.12, 0.12)))
    assert 20 < bright[0] < 60 and bright[1] > 0.15
    assert 180 < shade[0] < 280


def test_mist_lifts_the_blacks_and_drains_the_colour():
    black, leaves = GRADES["mist"](patch((0.0, 0.0, 0.0))), patch(LEAVES)
    assert luma(black).min() > 0.2
    assert mean(GRADES["mist"](leaves))[1] < 0.6 * mean(leaves)[1]


def test_cinema_has_teal_shadows_and_orange_lights():
    shade, bright = (mean(GRADES["cinema"](patch(colour)))[0] for colour in ((0.15, 0.15, 0.15), (0.8, 0.8, 0.8)))
    assert 160 < shade < 220
    assert 15 < bright < 50
