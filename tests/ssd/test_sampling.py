"""A model's file and its pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from e2gan.errors import BaseModelError, E2GANError
from e2gan_ssd.sampling import direction, latents, path_between, pictures, read_model


def test_a_seed_names_a_picture_whatever_is_made_beside_it(model: Path) -> None:
    trained = read_model(model)
    alone = np.asarray(pictures(trained, [7])[0], np.int16)
    among = np.asarray(pictures(trained, range(5, 10))[2], np.int16)
    other = np.asarray(pictures(trained, [8])[0], np.int16)
    assert np.abs(alone - among).max() <= 1
    assert np.abs(alone - other).max() > 10


def test_a_model_is_read_from_its_folder_too(model: Path) -> None:
    assert read_model(model.parent).record == {"run": "none"}


@pytest.mark.parametrize("steps", [2, 9])
def test_the_way_goes_from_one_to_the_other_at_their_distance(steps: int) -> None:
    start, end = latents([1, 2])
    way = path_between(start, end, steps)
    assert torch.allclose(way[0], start, atol=1e-5)
    assert torch.allclose(way[-1], end, atol=1e-5)
    shortest = min(start.norm(), end.norm())
    assert (way.norm(dim=1) >= shortest - 1e-3).all()


def test_the_way_to_itself_stays() -> None:
    (start,) = latents([3])
    assert torch.allclose(path_between(start, start, 4), start.expand(4, -1))


def test_a_direction_is_between_means() -> None:
    a, b, c = latents([1, 2, 3])
    assert torch.allclose(direction(plus=[2, 3], minus=[1]), (b + c) / 2 - a)
    with pytest.raises(E2GANError, match="both sides"):
        direction(plus=[1], minus=[])


class TestDamaged:
    def test_nothing_there(self, tmp_path: Path) -> None:
        with pytest.raises(BaseModelError, match="no such model"):
            read_model(tmp_path)

    def test_another_models_header(self, model: Path, tmp_path: Path) -> None:
        save_file(load_file(model), tmp_path / "m.safetensors", metadata={"model": "stylegan"})
        with pytest.raises(BaseModelError, match="its header names none of ssd"):
            read_model(tmp_path / "m.safetensors")

    def test_other_tensors(self, model: Path, tmp_path: Path) -> None:
        save_file(load_file(model), tmp_path / "m.safetensors", metadata={"model": "dcgan"})
        with pytest.raises(BaseModelError, match="tensor"):
            read_model(tmp_path / "m.safetensors")

    def test_not_finite(self, model: Path, tmp_path: Path) -> None:
        state = load_file(model)
        state["convolutions.0.weight"][0, 0, 0, 0] = float("nan")
        save_file(state, tmp_path / "m.safetensors", metadata={"model": "ssd"})
        with pytest.raises(BaseModelError, match="not finite"):
            read_model(tmp_path / "m.safetensors")

    @settings(max_examples=60, deadline=None)
    @given(data=st.binary(max_size=200), record=st.text(max_size=40))
    def test_anything_is_one_known_error(
        self, tmp_path_factory: pytest.TempPathFactory, data: bytes, record: str
    ) -> None:
        path = tmp_path_factory.mktemp("any") / "m.safetensors"
        path.write_bytes(data)
        with pytest.raises(BaseModelError):
            read_model(path)
        save_file({"x": torch.zeros(1)}, path, metadata={"model": "ssd", "record": record})
        with pytest.raises(BaseModelError):
            read_model(path)
