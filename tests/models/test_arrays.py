"""What surrounds the generator comes out alike with NumPy and with PyTorch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from e2gan.models.deltas import delta_weights, folded
from e2gan.models.generator import Generator
from e2gan.models.layout import GeneratorConfig, Keeps, Ranks, adapter_shapes, generator_shapes
from e2gan.models.look import Look, batched, blended, look_of
from tests.editor.tiny import CONFIG, NEW

TONES = (
    ((0.9, 0.1, 0.0, 0.2), (0.0, 1.0, 0.0, 0.0), (0.0, 0.1, 0.6, -0.2)),
    ((0.5, 0.0, 0.0, -0.5), (0.0, 0.5, 0.0, -0.5), (0.0, 0.0, 0.5, -0.5)),
)

SIZES = [(1, 32, 48), (2, 300, 40), (3, 36, 44)]
"""Of pictures: whole cells, more than a tile of noise, and sides that are not whole cells."""


def looks(random: np.random.Generator) -> list[tuple[np.ndarray, dict[str, Any]]]:
    prompts = [random.normal(size=(tokens, 16)).astype("f4") for tokens in (3, 1, 5, 2)]
    return list(
        zip(
            prompts,
            (
                {"noise": 0.1},
                {"keeps": Keeps.LIGHT, "tone": TONES[0]},
                {"keeps": Keeps.COLOUR, "skips": (0.25, 0.5, 1.0)},
                {"keeps": Keeps.DETAIL, "tone": TONES[1], "noise": 0.05},
            ),
        )
    )


def both(make: Any) -> tuple[Look, Look]:
    given = looks(np.random.default_rng(0))
    arrays = make([look_of(prompt, **more) for prompt, more in given])
    return arrays, make([look_of(torch.from_numpy(prompt), **more) for prompt, more in given])


MAKERS = {
    "a blend": lambda given: blended(given, [0.1, 0.2, 0.3, 0.4]),
    "a blend of two": lambda given: blended(given[:2], [0.7, 0.3]),
    "light": lambda given: given[1],
    "colour": lambda given: given[2],
    "detail": lambda given: given[3],
    "nothing": lambda given: blended(given[:1], [1.0]),
}


@pytest.mark.parametrize("maker", [*MAKERS, "a batch"])
def test_looks_hold_the_same(maker: str) -> None:
    arrays, tensors = both(MAKERS.get(maker, batched))
    assert arrays.keeps == tensors.keeps
    for name in ("prompt", "prompt_bias", "skips", "noise", "shares", "tones"):
        array, tensor = getattr(arrays, name), getattr(tensors, name)
        assert (array is None) == (tensor is None)
        if array is not None:
            assert isinstance(array, np.ndarray) and array.dtype == np.float32
            assert np.allclose(array, tensor.numpy(), atol=1e-7)


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("size", SIZES)
def test_photos_are_prepared_and_kept_alike(maker: str, size: tuple[int, int, int]) -> None:
    count, height, width = size
    arrays, tensors = (look.expand(count) for look in both(MAKERS[maker]))
    random = np.random.default_rng(1)
    photo, made = (random.uniform(-1, 1, (count, 3, height, width)).astype("f4") for _ in range(2))
    photo[:, :, : height // 2] *= 0.3
    x, y = torch.from_numpy(photo), torch.from_numpy(made)
    assert np.allclose(arrays.before(photo), tensors.before(x).numpy(), atol=1e-6)
    kept = arrays.after(made, photo)
    assert kept.dtype == np.float32
    assert np.allclose(kept, tensors.after(y, x).numpy(), atol=2e-5)


def test_a_flat_photo_stays_finite() -> None:
    flat = np.full((1, 3, 32, 32), 0.25, np.float32)
    for keeps in (Keeps.LIGHT, Keeps.COLOUR, Keeps.DETAIL):
        look = look_of(np.zeros((1, 16), np.float32), keeps)
        assert np.allclose(look.after(np.ones_like(flat), flat), flat, atol=1e-6)


def test_concepts_are_folded_alike() -> None:
    random = np.random.default_rng(0)
    arrays = {
        name: random.normal(size=s).astype("f4") for name, s in adapter_shapes(NEW, Ranks((2, 3, 5, 4), 3)).items()
    }
    deltas = delta_weights(NEW, arrays)
    wanted = delta_weights(NEW, {name: torch.from_numpy(value) for name, value in arrays.items()})
    pristine = {name: random.normal(size=delta.shape).astype("f4") for name, delta in deltas.items()}
    weights = dict(folded(pristine, [(0.3, deltas), (0.7, deltas)]))
    tensors = {name: torch.from_numpy(value) for name, value in pristine.items()}
    for name, weight in folded(tensors, [(0.3, wanted), (0.7, wanted)]):
        assert np.allclose(weights[name], weight.numpy(), atol=1e-4)
    assert all(weight is pristine[name] for name, weight in folded(pristine, []))


@pytest.mark.parametrize(
    "config",
    [
        GeneratorConfig(),
        CONFIG,
        NEW,
        replace(CONFIG, tb_positions=()),
        replace(CONFIG, tb_positions=(0, 1), tb_sampling="none"),
        replace(CONFIG, tb_sampling="pool", res_blocks=2, smoothing="binomial"),
    ],
)
def test_the_shapes_are_the_generators(config: GeneratorConfig) -> None:
    with torch.device("meta"):
        state = Generator(config).state_dict()
    assert generator_shapes(config) == {name: tuple(value.shape) for name, value in state.items()}
