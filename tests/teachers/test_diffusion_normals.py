"""Normal maps from depth, as ControlNet's annotator makes them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from e2gan_teachers.diffusion.normals import normal_map

FACING = (255, 127, 127)  # z, y, x

depths = array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=16).flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.floats(-1e4, 1e4, width=32))
)


@given(depth=depths, background=st.floats(0, 1))
def test_any_depth_has_normals_that_face_the_viewer(depth: np.ndarray, background: float) -> None:
    before = depth.copy()
    normals = normal_map(depth, background)
    assert normals.shape == (*depth.shape, 3)
    assert normals.dtype == np.uint8
    assert (normals[..., 0] >= 127).all()
    assert np.array_equal(depth, before)


def test_no_relief_faces_the_viewer() -> None:
    assert (normal_map(np.full((8, 8), 3.0, np.float32)) == FACING).all()


@pytest.mark.parametrize(("down", "right"), [(0.0, 2.0), (2.0, 0.0), (-1.0, 3.0)])
def test_a_plane_has_one_normal(down: float, right: float) -> None:
    rows, columns = np.mgrid[:16, :16]
    normals = normal_map((down * rows + right * columns).astype(np.float32), background=0)[1:-1, 1:-1]
    assert (normals == normals[0, 0]).all()
    # Sobel's kernel of 3 weighs a slope eightfold.
    wanted = np.array([2 * np.pi, 8 * down, 8 * right])
    assert normals[0, 0] == pytest.approx(wanted / np.linalg.norm(wanted) * 127.5 + 127.5, abs=1)


def test_what_is_far_is_background() -> None:
    depth = np.tile(np.linspace(0, 100, 50, dtype=np.float32), (50, 1))
    normals = normal_map(depth, background=0.4)
    far = depth < 40
    assert (normals[far] == FACING).all()
    assert (normals[~far][:, 2] > 200)[depth[~far] < 99].all()
    assert (normal_map(depth, background=0.0)[1:-1, 1:-1] != FACING).any(axis=2).all()


@given(depth=depths)
def test_it_is_the_annotator_read_by_opencv(depth: np.ndarray) -> None:
    """Against the original, written out: bytes (x, y, z), which the network then reads from last to first."""
    span = depth.max() - depth.min()
    share = (depth - depth.min()) / (span if span > 0 else 1)
    x = cv2.Sobel(depth, cv2.CV_32F, 1, 0, ksize=3)
    y = cv2.Sobel(depth, cv2.CV_32F, 0, 1, ksize=3)
    z = np.ones_like(x) * np.pi * 2.0
    x[share < 0.4] = 0
    y[share < 0.4] = 0
    normal = np.stack([x, y, z], axis=2)
    normal /= np.sum(normal**2.0, axis=2, keepdims=True) ** 0.5
    original = (normal * 127.5 + 127.5).clip(0, 255).astype(np.uint8)
    assert np.abs(normal_map(depth).astype(int) - original[:, :, ::-1]).max() <= 1
