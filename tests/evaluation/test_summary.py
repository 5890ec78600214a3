"""The figures in short, and when they say that a concept is worse than doing nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2gan.evaluation.summary import duration, summary, worse_than_nothing

QUALITY = {
    "photographs": 10,
    "l1_ratio": 0.683,
    "stroke_match": 0.31,
    "stroke_match_unedited": 0.12,
    "lattice_share": 0.0123,
    "lattice_share_teacher": 0.004,
    "headline": "inception",
    "inception": {"features": "Inception", "fid_ratio": 0.44},
    "dinov2": {"features": "another", "fid_ratio": 0.3},
}


def test_the_main_figures_stand_below_each_other() -> None:
    assert summary(QUALITY, {"photographs": 1067, "seconds": 1100}) == [
        "L1 ratio       0.683        0 is the teacher, 1 is doing nothing",
        "FID ratio      0.44         the same; features of inception",
        "stroke match   0.31         1 is the teacher; the unedited photos have 0.12",
        "lattice share  0.0123       0 means no lattice; the teacher has 0.004",
        "photographs    1,067        seen in training; tested on 10",
        "training       18 min 20 s",
    ]


def test_what_is_not_there_is_left_out() -> None:
    assert summary({}, {}) == []
    assert summary({}, {"seconds": 8}) == ["training  8 s"]
    old = {"l1_ratio": 0.5, "headline": "inception", "stroke_match": 0.1, "pictures": 3}
    assert summary(old, {"seconds": 3900}) == [
        "L1 ratio      0.5         0 is the teacher, 1 is doing nothing",
        "stroke match  0.1         1 is the teacher",
        "training      1 h 05 min",
    ]


@pytest.mark.parametrize(
    ("change", "figure", "advice"),
    [
        ({"l1_ratio": 1.08}, "L1 ratio 1.08: the unedited photos are nearer", "a higher l1"),
        ({"l1_ratio": 1.0}, "L1 ratio 1: the unedited photos are as near", "a higher l1"),
        ({"inception": {"fid_ratio": 1.3}}, "FID ratio (inception) 1.3", "a higher style"),
        ({"dinov2": {"fid_ratio": 2}}, "FID ratio (dinov2) 2", "a higher style"),
    ],
)
def test_worse_than_nothing_is_said_with_what_to_try(change: dict[str, object], figure: str, advice: str) -> None:
    assert worse_than_nothing(QUALITY) == []
    said, try_this = worse_than_nothing({**QUALITY, **change})
    assert said.startswith(f"worse than doing nothing: {figure}")
    assert try_this.startswith("  try: ") and advice in try_this
    assert summary({**QUALITY, **change}, {})[-2:] == [said, try_this]


def test_every_figure_that_is_bad_is_named() -> None:
    bad = {**QUALITY, "l1_ratio": 1.5, "inception": {"fid_ratio": 1.1}, "dinov2": {"fid_ratio": 1.2}}
    assert len(worse_than_nothing(bad)) == 6


@given(st.floats(0, 1e7))
def test_durations_are_short(seconds: float) -> None:
    assert 3 <= len(duration(seconds)) <= 13
