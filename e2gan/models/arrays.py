"""The functions that an edit's arithmetic needs, for PyTorch's tensors and for NumPy's arrays.

What surrounds the generator (noise, tone, what is kept of the photo) and the folding of concepts are written once, with
these functions.  PyTorch trains, traces and computes on GPUs.  NumPy serves the generators that run on another runtime,
because importing PyTorch takes longer than an edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["CELL", "Array", "Functions", "functions_of"]

Array: TypeAlias = Any
"""A tensor of PyTorch, or an array of NumPy."""

CELL = 8
"""Side in pixels of the means by which colours are compared: one token of the transformer block."""


class Functions(Protocol):
    """Functions of pictures (N, C, H, W) and of other arrays, all of one library."""

    centred: bool
    """Whether second moments are taken after subtracting the mean."""

    def array(self, values: Any) -> Array:
        """Plain numbers as float32, on the CPU."""

    def like(self, values: Array, x: Array) -> Array:
        """``values``, an array of either kind, in the type and on the device of ``x``."""

    def expanded(self, x: Array, count: int) -> Array:
        """One row for ``count`` pictures."""

    def cat(self, parts: Sequence[Array], axis: int = 0) -> Array: ...
    def stack(self, parts: Sequence[Array]) -> Array: ...
    def full(self, shape: tuple[int, ...], value: float, like: Array) -> Array: ...
    def einsum(self, formula: str, a: Array, b: Array) -> Array:
        """Contiguous."""

    def plus(self, total: Array, part: Array, weight: float) -> Array:
        """total + weight · part."""

    def rolled(self, tile: Array, down: int, right: int) -> Array:
        """A tile (rows, columns) moved, what leaves on one side entering on the other."""

    def tiled(self, tiles: Array, height: int, width: int) -> Array:
        """(N, height, width) of repeated tiles (N, rows, columns), from their corners."""

    def toned(self, photo: Array, tones: Array) -> Array:
        """Each pixel under its picture's affine map (N, 3, 4)."""

    def mixed(self, photo: Array, weights: Sequence[float]) -> Array:
        """The weighted sum of the channels, (N, 1, H, W)."""

    def std_mean(self, x: Array) -> tuple[Array, Array]:
        """Standard deviation and mean of each channel, both (N, C, 1, 1)."""

    def mean(self, x: Array) -> Array:
        """Mean of each channel, (N, C, 1, 1)."""

    def doubled(self, x: Array) -> Array:
        """The same values in double precision."""

    def cells(self, x: Array) -> Array:
        """Means over squares of `CELL` pixels."""

    def around(self, x: Array) -> Array:
        """Means over 3×3 neighbours, with the edges repeated."""

    def enlarged(self, x: Array, like: Array) -> Array:
        """Bilinear, to the height and width of ``like``."""


def functions_of(x: Array, *, half: bool = False) -> Functions:
    """The functions for arrays like ``x``.

    Args:
        half: in a form that half precision, and a runtime for it, can hold: no mean over more than a few thousand
            values at once, moments after subtracting the mean, one tone for all the pictures, and H and W multiples of
            `CELL`; for PyTorch.
    """
    if isinstance(x, np.ndarray):
        return _Numpy()
    return _Half() if half else _Torch()


class _Numpy:
    centred = False

    def array(self, values: Any) -> np.ndarray:
        return np.array(values, np.float32)

    def like(self, values: np.ndarray, x: np.ndarray) -> np.ndarray:
        return values.astype(x.dtype, copy=False)

    def expanded(self, x: np.ndarray, count: int) -> np.ndarray:
        return np.broadcast_to(x, (count, *x.shape[1:]))

    def cat(self, parts: Sequence[np.ndarray], axis: int = 0) -> np.ndarray:
        return np.concatenate(parts, axis)

    def stack(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack(parts)

    def full(self, shape: tuple[int, ...], value: float, like: np.ndarray) -> np.ndarray:
        return np.full(shape, value, like.dtype)

    def einsum(self, formula: str, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.einsum(formula, a, b, optimize=True))

    def plus(self, total: np.ndarray, part: np.ndarray, weight: float) -> np.ndarray:
        return total + np.float32(weight) * part

    def rolled(self, tile: np.ndarray, down: int, right: int) -> np.ndarray:
        return np.roll(tile, (down, right), (0, 1))

    def tiled(self, tiles: np.ndarray, height: int, width: int) -> np.ndarray:
        rows, columns = (np.arange(n) % side for n, side in zip((height, width), tiles.shape[1:]))
        return tiles[:, rows[:, None], columns]

    def toned(self, photo: np.ndarray, tones: np.ndarray) -> np.ndarray:
        # Not as a matrix product: OpenBLAS's threads spin for some hundredths of a second after one, and the generator
        # comes next, which on another runtime takes twice as long beside them.
        colours = tones[:, :, 3:, None] + tones[:, :, :1, None] * photo[:, :1]
        for channel in (1, 2):
            colours += tones[:, :, channel : channel + 1, None] * photo[:, channel : channel + 1]
        return colours.clip(-1, 1, out=colours)

    def mixed(self, photo: np.ndarray, weights: Sequence[float]) -> np.ndarray:
        return (photo * np.array(weights, photo.dtype)[:, None, None]).sum(1, keepdims=True)

    def std_mean(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # With Bessel's correction, as PyTorch.
        return x.std((2, 3), ddof=1, keepdims=True), self.mean(x)

    def doubled(self, x: np.ndarray) -> np.ndarray:
        return x.astype(np.float64)

    def mean(self, x: np.ndarray) -> np.ndarray:
        return x.mean((2, 3), keepdims=True)

    def cells(self, x: np.ndarray) -> np.ndarray:
        rows, columns = (n // CELL for n in x.shape[2:])
        squares = x[:, :, : rows * CELL, : columns * CELL].reshape(*x.shape[:2], rows, CELL, columns, CELL)
        return squares.mean((3, 5))

    def around(self, x: np.ndarray) -> np.ndarray:
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), "edge")
        rows, columns = x.shape[2:]
        shifted = [padded[:, :, i : i + rows, j : j + columns] for i in range(3) for j in range(3)]
        return np.mean(shifted, 0)

    def enlarged(self, x: np.ndarray, like: np.ndarray) -> np.ndarray:
        from PIL import Image

        height, width = like.shape[2:]
        # Pillow leaves out neighbours beyond the edge, which comes to the same as repeating it.
        maps = [
            np.asarray(Image.fromarray(channel).resize((width, height), Image.Resampling.BILINEAR))
            for channel in x.reshape(-1, *x.shape[2:])
        ]
        return np.stack(maps).reshape(*x.shape[:2], height, width)


class _Torch:
    centred = False

    def array(self, values: Any) -> Tensor:
        import torch

        return torch.tensor(values)

    def like(self, values: Array, x: Tensor) -> Tensor:
        import torch

        return torch.as_tensor(values).to(x.device, x.dtype)

    def expanded(self, x: Tensor, count: int) -> Tensor:
        return x.expand(count, *x.shape[1:])

    def cat(self, parts: Sequence[Tensor], axis: int = 0) -> Tensor:
        import torch

        return torch.cat([*parts], axis)

    def stack(self, parts: Sequence[Tensor]) -> Tensor:
        import torch

        return torch.stack([*parts])

    def full(self, shape: tuple[int, ...], value: float, like: Tensor) -> Tensor:
        return like.new_full(shape, value)

    def einsum(self, formula: str, a: Tensor, b: Tensor) -> Tensor:
        import torch

        return torch.einsum(formula, a, b).contiguous()

    def plus(self, total: Tensor, part: Tensor, weight: float) -> Tensor:
        import torch

        return torch.add(total, part.to(total.device), alpha=weight)

    def rolled(self, tile: Tensor, down: int, right: int) -> Tensor:
        return tile.roll((down, right), (0, 1))

    def tiled(self, tiles: Tensor, height: int, width: int) -> Tensor:
        import torch

        rows, columns = (
            torch.arange(n, device=tiles.device) % side for n, side in zip((height, width), tiles.shape[1:])
        )
        return tiles.index_select(1, rows).index_select(2, columns)

    def toned(self, photo: Tensor, tones: Tensor) -> Tensor:
        import torch

        matrix, offset = tones[:, :, :3], tones[:, :, 3:, None]
        return (torch.einsum("noc,nchw->nohw", matrix, photo) + offset).clamp(-1, 1)

    def mixed(self, photo: Tensor, weights: Sequence[float]) -> Tensor:
        return (photo * self._column(weights, photo)).sum(1, keepdim=True)

    def std_mean(self, x: Tensor) -> tuple[Tensor, Tensor]:
        import torch

        deviation, mean = torch.std_mean(x, dim=(2, 3), keepdim=True)
        return deviation, mean

    def doubled(self, x: Tensor) -> Tensor:
        return x.double()

    def mean(self, x: Tensor) -> Tensor:
        return x.mean((2, 3), keepdim=True)

    def cells(self, x: Tensor) -> Tensor:
        from torch.nn.functional import avg_pool2d

        return avg_pool2d(x, CELL)

    def around(self, x: Tensor) -> Tensor:
        from torch.nn.functional import avg_pool2d, pad

        return avg_pool2d(pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)

    def enlarged(self, x: Tensor, like: Tensor) -> Tensor:
        from torch.nn.functional import interpolate

        return interpolate(x, mode="bilinear", size=like.shape[-2:])

    def _column(self, weights: Sequence[float], x: Tensor) -> Tensor:
        import torch

        return torch.tensor(weights, dtype=x.dtype, device=x.device).view(1, -1, 1, 1)


class _Half(_Torch):
    centred = True

    def toned(self, photo: Tensor, tones: Tensor) -> Tensor:
        from torch.nn.functional import conv2d

        matrix, offset = tones[:, :, :3], tones[:, :, 3:, None]
        return conv2d(photo, matrix[0, :, :, None, None], offset[0, :, 0, 0]).clamp(-1, 1)

    def mixed(self, photo: Tensor, weights: Sequence[float]) -> Tensor:
        from torch.nn.functional import conv2d

        return conv2d(photo, self._column(weights, photo))

    def std_mean(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean = self.mean(self.cells(x))
        rest = x - mean
        # Without Bessel's correction, which half precision cannot express from 64² on.
        return self.mean(self.cells(rest * rest)).sqrt(), mean

    def enlarged(self, x: Tensor, like: Tensor) -> Tensor:
        from torch.nn.functional import interpolate

        # With a factor, a runtime needs no sizes.
        return interpolate(x, mode="bilinear", scale_factor=CELL)
