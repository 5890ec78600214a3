from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from e2gan.errors import DataError
from e2gan.evaluation.report import NETWORKS, Quality, evaluate, l1_distance

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def colours(images: Sequence[Image.Image]) -> np.ndarray:
    """A network for tests: the mean and deviation of each channel."""
    arrays = [np.asarray(image.convert("RGB"), np.float32) / 255 for image in images]
    return np.stack([np.concatenate([a.mean(axis=(0, 1)), a.std(axis=(0, 1))]) for a in arrays])


def photo(seed: int) -> Image.Image:
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(40, 216, (6, 6, 3), np.uint8))
    return coarse.resize((48, 48), Image.Resampling.BICUBIC)


def painted(picture: Image.Image) -> Image.Image:
    """A teacher: other colours, and strokes three pixels wide."""
    values = np.asarray(picture, np.int16)[:, :, ::-1].copy()
    rows, columns = np.indices(values.shape[:2])
    values += np.where((rows + columns) // 3 % 2, 30, -30)[:, :, None].astype(np.int16)
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


PHOTOS = [photo(i) for i in range(8)]
TARGETS = [painted(picture) for picture in PHOTOS]
BLURRED = [picture.filter(ImageFilter.GaussianBlur(4)) for picture in TARGETS]


def measure(edited: Sequence[Image.Image], groups: Sequence[int] | None = None, **options: Any) -> Quality:
    return evaluate(PHOTOS, edited, TARGETS, groups, networks={"colours": colours}, **options)


def test_the_teacher_itself_is_perfect() -> None:
    quality = measure(TARGETS)
    assert (quality.l1, quality.l1_ratio, quality.l1_ratio_interval) == (0, 0, (0, 0))
    assert quality.distances["colours"].fid == pytest.approx(0, abs=1e-12)
    assert (quality.stroke_energy, quality.stroke_match) == (pytest.approx(1), pytest.approx(1))
    assert (quality.ssim, quality.ssim_interval) == (pytest.approx(1), (pytest.approx(1), pytest.approx(1)))


def test_doing_nothing_has_the_ratio_1() -> None:
    quality = measure(PHOTOS)
    distance = quality.distances["colours"]
    assert quality.l1_ratio == 1
    assert quality.l1_ratio_interval == (1, 1)
    assert distance.fid_ratio == 1
    assert distance.fid_ratio_interval == (1, 1)
    assert distance.kid == distance.kid_unedited
    assert quality.ssim == quality.ssim_unedited
    assert quality.stroke_energy == quality.stroke_energy_unedited
    assert quality.stroke_match == quality.stroke_match_unedited


def test_l1_is_on_values_from_0_to_1() -> None:
    black, grey, white = (Image.new("RGB", (16, 16), (v, v, v)) for v in (0, 102, 255))
    quality = evaluate([black, black], [grey, grey], [white, white], networks={})
    assert (quality.l1, quality.l1_unedited, quality.l1_ratio) == (pytest.approx(0.6), 1, pytest.approx(0.6))


def test_a_lattice_in_a_flat_sky_shows_beside_the_teachers() -> None:
    sky = Image.new("RGB", (96, 96), (90, 120, 200))
    random = np.random.default_rng(0)
    strokes = Image.fromarray((np.asarray(sky) + random.normal(0, 8, (96, 96, 1))).clip(0, 255).astype(np.uint8))
    rows, columns = np.indices((96, 96))
    woven = np.asarray(sky, np.int16) + np.where((rows + columns) % 8 < 4, 8, -8)[:, :, None]
    weave = Image.fromarray(woven.astype(np.uint8))
    busy = Image.fromarray(random.integers(0, 256, (96, 96, 3), np.uint8))
    quality = evaluate([sky, busy], [weave, weave], [strokes, strokes], networks={})
    assert quality.lattice_share is not None and quality.lattice_share_teacher is not None
    assert quality.lattice_share > 0.9 and quality.lattice_share_teacher < 0.1
    assert quality.to_dict()["lattice_share"] == float(f"{quality.lattice_share:.4g}")


def test_without_flat_areas_there_is_no_lattice_share() -> None:
    assert measure(BLURRED).lattice_share is None, "too small to say"
    assert "lattice_share" not in measure(BLURRED).to_dict()
    assert "lattice_share_teacher" not in measure(BLURRED).to_dict()


def test_photos_of_unequal_sizes_are_measured() -> None:
    sizes = [(96, 48), (48, 80), (64, 64), (72, 48)]
    photos = [picture.resize(size) for picture, size in zip(PHOTOS, sizes)]
    targets = [painted(picture) for picture in photos]
    quality = evaluate(photos, targets, targets, networks={"colours": colours})
    assert (quality.l1_ratio, quality.stroke_match) == (0, pytest.approx(1))


def test_a_blurred_picture_with_the_right_colours_shows() -> None:
    quality = measure(BLURRED)
    assert quality.l1_ratio < 0.7
    assert quality.stroke_energy < 0.1


def test_noise_has_the_energy_of_strokes_but_not_their_places() -> None:
    random = np.random.default_rng(0)
    noise = random.normal(0, 30, (len(BLURRED), 48, 48, 1))
    noisy = [np.asarray(picture) + n for picture, n in zip(BLURRED, noise)]
    quality = measure([Image.fromarray(values.clip(0, 255).astype(np.uint8)) for values in noisy])
    assert quality.stroke_energy > 0.5
    assert quality.stroke_match < 0.2


def test_the_interval_holds_the_estimate_and_is_wider_when_crops_share_photographs() -> None:
    # Four crops each of two photographs, one edited well and one not at all.
    photos = [photo(0)] * 4 + [photo(1)] * 4
    targets = [painted(picture) for picture in photos]
    edited = targets[:4] + photos[4:]

    def interval(groups: Sequence[int] | None) -> tuple[float, float]:
        quality = evaluate(photos, edited, targets, groups, networks={})
        low, high = quality.l1_ratio_interval
        assert low <= quality.l1_ratio <= high
        return low, high

    alone, together = interval(None), interval([0, 0, 0, 0, 1, 1, 1, 1])
    assert together == (0, 1)
    assert together[0] < alone[0] < alone[1] < together[1]


@settings(max_examples=10)
@given(st.lists(st.integers(0, 3), min_size=8, max_size=8))
def test_any_grouping_gives_an_interval(groups: list[int]) -> None:
    quality = measure(BLURRED, groups)
    assert quality.photographs == len(set(groups))
    distance = quality.distances["colours"]
    for low, high in (quality.l1_ratio_interval, distance.fid_ratio_interval):
        assert 0 <= low <= high
    for low, high in (quality.ssim_interval, distance.kid_interval):
        assert low <= high


def test_the_figures_go_into_toml_and_back() -> None:
    table = measure(BLURRED, [0, 0, 1, 1, 2, 2, 3, 3]).to_dict()
    assert tomllib.loads(tomlkit.dumps(table)) == table
    assert (table["pictures"], table["photographs"]) == (8, 4)
    assert table["intervals"] == "95 %, bootstrap over 4 photographs"
    assert table["l1"] == float(f"{table['l1']:.4g}")
    assert set(table["colours"]) == {
        *("features", "fid", "fid_unedited", "fid_ratio", "fid_ratio_interval"),
        *("kid", "kid_interval", "kid_unedited"),
    }
    assert table["headline"] == "colours"
    assert "lpips" not in table


def test_lpips_is_measured_where_it_is_given() -> None:
    table = measure(BLURRED, lpips=lambda a, b: 2 * l1_distance(a, b)).to_dict()
    assert table["lpips"] == pytest.approx(2 * table["l1"], rel=1e-3)
    assert table["lpips_unedited"] == pytest.approx(2 * table["l1_unedited"], rel=1e-3)
    assert table["lpips_interval"][0] <= table["lpips"] <= table["lpips_interval"][1]


def test_the_first_network_is_the_headlines() -> None:
    networks = {"second": colours, "colours": colours}
    assert evaluate(PHOTOS, BLURRED, TARGETS, networks=networks).headline == "second"
    assert evaluate(PHOTOS, BLURRED, TARGETS, networks={}).headline is None


def test_the_real_networks_measure_and_say_what_they_are() -> None:
    table = evaluate(PHOTOS[:3], BLURRED[:3], TARGETS[:3]).to_dict()
    assert "not comparable with published FID" in table["efficientnet-lite0"]["features"]
    for name in NETWORKS:
        assert table[name]["fid"] > 0
        assert table[name]["fid_unedited"] > 0


@pytest.mark.parametrize(
    "photos, edited, targets, groups, message",
    [
        (PHOTOS[:2], BLURRED[:1], TARGETS[:2], None, "2 photos, 1 edits"),
        (PHOTOS[:2], BLURRED[:2], TARGETS[:2], [0], "1 groups"),
        (PHOTOS[:1], BLURRED[:1], TARGETS[:1], None, "at least two photos"),
        (PHOTOS[:2], [BLURRED[0], BLURRED[1].resize((9, 9))], TARGETS[:2], None, "photo 1, .* different sizes"),
        (PHOTOS[:2], BLURRED[:2], PHOTOS[:2], None, "nothing to measure against"),
    ],
)
def test_what_cannot_be_measured_is_an_error(photos: Any, edited: Any, targets: Any, groups: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        evaluate(photos, edited, targets, groups, networks={"colours": colours})
