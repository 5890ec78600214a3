"""Weights from a safetensors file into a network, checked name by name and shape by shape."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from e2gan.errors import BaseModelError

__all__ = ["draw_weights", "load_weights"]


def draw_weights(model: nn.Module, std: float = 0.02) -> None:
    """Draw every convolution's weight from N(0, std), and set biases to zero, as pix2pix does."""
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
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state = load_file(path)
    except (OSError, SafetensorError, ValueError) as error:
        raise BaseModelError(f"{path}: cannot be read as safetensors ({error})") from error
    expected = {name: tuple(t.shape) for name, t in model.state_dict().items()}
    for name, shape in expected.items():
        if name not in state:
            raise BaseModelError(f"{path}: the tensor {name!r} is missing")
        if tuple(state[name].shape) != shape:
            raise BaseModelError(f"{path}: the tensor {name!r} is {tuple(state[name].shape)}, expected {shape}")
    if extra := sorted(set(state) - set(expected)):
        raise BaseModelError(f"{path}: unexpected tensor {extra[0]!r}")
    model.load_state_dict({name: t.float() for name, t in state.items()}, assign=True)
