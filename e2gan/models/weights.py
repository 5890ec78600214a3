"""Weights from a safetensors file into a network, checked name by name and shape by shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2gan.errors import BaseModelError

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

__all__ = ["draw_weights", "load_weights", "read_weights"]


def draw_weights(model: nn.Module, std: float = 0.02) -> None:
    """Draw every convolution's weight from N(0, std), and set biases to zero, as pix2pix does."""
    from torch import nn

    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0.0, std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Give ``model`` the tensors of ``path`` as float32; the model may be on the meta device.

    Raises:
        BaseModelError: the file is not safetensors, or does not hold exactly this model's tensors.
    """
    from safetensors.torch import load_file

    state = _checked(load_file, path, {name: tuple(t.shape) for name, t in model.state_dict().items()})
    model.load_state_dict({name: t.float() for name, t in state.items()}, assign=True)


def read_weights(path: str | Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """The tensors of ``path`` as float32, without PyTorch.

    Raises:
        BaseModelError: the file is not safetensors of NumPy's types, or does not hold exactly tensors of these shapes.
    """
    import numpy as np
    from safetensors.numpy import load_file

    return {name: value.astype(np.float32) for name, value in _checked(load_file, path, shapes).items()}


def _checked(
    load: Callable[[str | Path], dict[str, Any]], path: str | Path, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Any]:
    from safetensors import SafetensorError

    try:
        state = load(path)
    # NumPy has no bfloat16, which is a missing key, or a type that it cannot name.
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BaseModelError(f"{path}: cannot be read as safetensors ({error})") from error
    for name, shape in shapes.items():
        if name not in state:
            raise BaseModelError(f"{path}: the tensor {name!r} is missing")
        if tuple(state[name].shape) != shape:
            raise BaseModelError(f"{path}: the tensor {name!r} is {tuple(state[name].shape)}, expected {shape}")
    if extra := sorted(set(state) - set(shapes)):
        raise BaseModelError(f"{path}: unexpected tensor {extra[0]!r}")
    return state
