"""Edits on PyTorch: the base's generator with concepts folded in, on a device and in a precision."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from e2gan.backends import NO_BFLOAT16, name_of, precision_named
from e2gan.base import Base
from e2gan.errors import E2GANError, E2GANWarning
from e2gan.models.boxes import Box
from e2gan.models.deltas import delta_weights
from e2gan.models.device import computes_bfloat16
from e2gan.models.edit import Edit
from e2gan.models.generator import Generator
from e2gan.models.look import Look
from e2gan.models.lora import CrucialWeights
from e2gan.models.noise import SIDE
from e2gan.models.tiles import Tiling, edit_in_tiles, fitting, measure

__all__ = ["TorchEdits", "choose_device", "run"]


class TorchEdits:
    """The whole edit on PyTorch; its crucial weights are folded from pristine copies."""

    def __init__(self, base: Base, device: torch.device, dtype: torch.dtype | str | None) -> None:
        self.device, self.dtype = device, _choose_dtype(device, dtype)
        self.precision = name_of(self.dtype)
        self._config = base.config
        generator = base.generator().to(device)
        self.weights = CrucialWeights(generator)  # before they lose precision
        on_cpu = device.type == "cpu"
        generator.to_precision(self.dtype)
        if on_cpu:
            generator.work_in_place()
        self.network = Edit(generator, at_once=on_cpu)

    def deltas(self, tensors: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
        """ΔW by layer, float32, on the device."""
        factors = {name: torch.from_numpy(value).to(self.device) for name, value in tensors.items()}
        return delta_weights(self._config, factors)

    def prompt(self, prompt: np.ndarray) -> Tensor:
        """(T, D), in the generator's type."""
        return torch.from_numpy(prompt).to(self.device, self.dtype)

    def fold(self, parts: Iterable[tuple[float, Mapping[str, Tensor]]]) -> None:
        self.weights.fold(parts)

    def __call__(self, x: np.ndarray, look: Look) -> np.ndarray:
        """(N, 3, H, W) float32 in [-1, 1] to its edit; ``look`` has one row."""
        look = look.to(self.device).expand(len(x))
        return run(lambda photo: self.network(photo, look), x, self.device)

    @torch.inference_mode()
    def in_tiles(
        self, photo: Callable[[Box], np.ndarray], picture: Box, look: Look, memory: float = math.inf
    ) -> Iterator[tuple[Box, np.ndarray]]:
        """Edit a picture of any size in bounded memory (`e2gan.models.tiles`).

        Args:
            photo: gives the photo's parts, each (H, W, 3) uint8.
            picture: the whole; its sides are multiples of the generator's stride.
            look: of one row; it does not keep detail.
            memory: bytes that it may take; it takes smaller tiles for less, down to a limit.

        Yields:
            Boxes, and their parts of the edit, each (H, W, 3) float32 in [-1, 1], or beyond if something is kept.
        """
        look = look.to(self.device)

        def part(box: Box) -> Tensor:
            return torch.from_numpy(photo(box)).to(self.device).permute(2, 0, 1)[None] / 127.5 - 1

        def seen(box: Box) -> Tensor:
            place = torch.tensor([[box.top % SIDE, box.left % SIDE]])
            return look.before(part(box), place).to(look.prompt.dtype)

        generator = self.network.generator
        assert isinstance(generator, Generator)
        tiling = fitting(memory, generator.config, self.dtype.itemsize)
        shared = measure(generator, seen, picture, look, tiling)
        moments = look.moments(part(box) for box in picture.strips(Tiling.strip))
        for box, made in edit_in_tiles(generator, seen, picture, look, shared, tiling):
            edit = look.after(made.float(), part(box), moments=moments)
            yield box, edit[0].permute(1, 2, 0).cpu().numpy()


def run(network: Callable[[Tensor], Tensor], x: np.ndarray, device: torch.device) -> np.ndarray:
    """A network's result for one float32 array."""
    with torch.inference_mode():
        result: np.ndarray = network(torch.from_numpy(x).to(device)).cpu().numpy()
    return result


def choose_device(device: str | torch.device | None) -> torch.device:
    if device is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        torch.empty(1, device=device)
    # Each kind of missing device raises another exception.
    except (RuntimeError, AssertionError, NotImplementedError) as fault:
        raise E2GANError(
            f"no device '{device}' on this machine", hint="leave --device out: the best one that is here is used"
        ) from fault
    return torch.device(device)


def _choose_dtype(device: torch.device, wish: torch.dtype | str | None) -> torch.dtype:
    if isinstance(wish, torch.dtype):
        return wish
    if wish is None:
        if device.type != "cpu":
            return torch.float16
        return torch.bfloat16 if computes_bfloat16(device) else torch.float32
    wish = precision_named(wish)
    if wish == "int8":
        raise E2GANError("PyTorch computes no edits in int8", hint="choose another backend: e2gan plugins lists them")
    dtype = {"float32": torch.float32, "bf16": torch.bfloat16, "float16": torch.float16}[wish]
    if dtype == torch.bfloat16 and not computes_bfloat16(device):
        warnings.warn(NO_BFLOAT16, E2GANWarning, stacklevel=3)
        return torch.float32
    return dtype
