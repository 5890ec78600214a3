"""The operations of an exported program: Core ML's definitions, in PyTorch, as far as exports use them.

Names of operations and arguments are those of Core ML's Model Intermediate Language (MIL).  Numbers and lists are
constants of the program; everything else is a tensor.  Exports have not yet needed the arguments
that a function lacks or refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from e2gan.errors import E2GANError

__all__ = ["OPERATIONS", "UnsupportedError"]

Whole: TypeAlias = "Tensor | Sequence[int]"
"""Whole numbers: a constant, or computed from the size of the photo."""


class UnsupportedError(E2GANError):
    """A program needs something that the check cannot do."""


def _only(condition: bool, what: str) -> None:
    if not condition:
        raise UnsupportedError(what)


def _list(numbers: Whole) -> list[int]:
    return [int(number) for number in numbers]


def _padded(x: Tensor, pad_type: str, pad: Sequence[int]) -> Tensor:
    """The picture with the zero padding of a convolution; ``pad``: top, bottom, left, right."""
    _only(pad_type in ("valid", "custom"), f"padding of the kind '{pad_type}'")
    top, bottom, left, right = pad if pad_type == "custom" else (0, 0, 0, 0)
    return F.pad(x, (left, right, top, bottom))


def _conv(
    x: Tensor,
    weight: Tensor,
    strides: list[int],
    pad_type: str,
    pad: list[int],
    dilations: list[int],
    groups: int,
    bias: Tensor | None = None,
) -> Tensor:
    return F.conv2d(_padded(x, pad_type, pad), weight, bias, strides, 0, dilations, groups)


def _conv_transpose(
    x: Tensor,
    weight: Tensor,
    strides: list[int],
    pad_type: str,
    pad: list[int],
    dilations: list[int],
    groups: int,
    bias: Tensor | None = None,
    output_shape: list[int] | None = None,
) -> Tensor:
    _only(pad_type == "valid" or not any(pad), "a padded transposed convolution")
    y = F.conv_transpose2d(x, weight, bias, strides, 0, 0, groups, dilations)
    _only(output_shape is None or list(y.shape) == output_shape, "a transposed convolution of another shape")
    return y


def _pad(x: Tensor, pad: list[int], mode: str, constant_val: float) -> Tensor:
    outer, (top, bottom, left, right) = pad[:-4], pad[-4:]
    supported = mode in ("reflect", "replicate") or (mode == "constant" and constant_val == 0)
    _only(supported and not any(outer), f"padding in the mode '{mode}' and by {pad}")
    return F.pad(x, (left, right, top, bottom), mode)


def _avg_pool(
    x: Tensor,
    kernel_sizes: list[int],
    strides: list[int],
    pad_type: str,
    pad: list[int],
    exclude_padding_from_average: bool,
    ceil_mode: bool,
) -> Tensor:
    _only(not ceil_mode and not any(pad), "pooling beyond the edge")
    return F.avg_pool2d(x, kernel_sizes, strides)


def _upsample(x: Tensor, scale_factor_height: float, scale_factor_width: float, align_corners: bool) -> Tensor:
    scale = (scale_factor_height, scale_factor_width)
    return F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=align_corners)


def _crop(x: Tensor, crop_height: list[int], crop_width: list[int]) -> Tensor:
    (top, bottom), (left, right) = crop_height, crop_width
    return x[..., top : x.shape[-2] - bottom, left : x.shape[-1] - right]


def _batch_norm(
    x: Tensor, mean: Tensor, variance: Tensor, epsilon: float, gamma: Tensor | None = None, beta: Tensor | None = None
) -> Tensor:
    return F.batch_norm(x, mean, variance, gamma, beta, eps=epsilon)


def _instance_norm(x: Tensor, epsilon: float, gamma: Tensor | None = None, beta: Tensor | None = None) -> Tensor:
    return F.instance_norm(x, weight=gamma, bias=beta, eps=epsilon)


def _layer_norm(
    x: Tensor, axes: list[int], epsilon: float, gamma: Tensor | None = None, beta: Tensor | None = None
) -> Tensor:
    _only(axes in ([-1], [x.dim() - 1]), f"layer norm over the axes {axes}")
    return F.layer_norm(x, x.shape[-1:], gamma, beta, epsilon)


def _gelu(x: Tensor, mode: str) -> Tensor:
    _only(mode == "EXACT", f"GELU in the mode '{mode}'")
    return F.gelu(x)


def _matmul(x: Tensor, y: Tensor, transpose_x: bool, transpose_y: bool) -> Tensor:
    return (x.mT if transpose_x else x) @ (y.mT if transpose_y else y)


def _attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(query, key, value)


def _concat(values: list[Any], axis: int, interleave: bool) -> Tensor:
    _only(not interleave, "interleaved concatenation")
    return torch.cat([torch.atleast_1d(torch.as_tensor(value)) for value in values], axis)  # also for single numbers


def _gather(x: Tensor, indices: int, axis: int, **_: Any) -> Tensor:
    _only(isinstance(indices, int), "gathering at several places")
    return x.select(axis, indices)


def _slice_by_size(x: Tensor, begin: Whole, size: Whole) -> Tensor:
    for axis, (start, length) in enumerate(zip(_list(begin), _list(size), strict=True)):
        x = x.narrow(axis, start, x.shape[axis] - start if length < 0 else length)
    return x


def _slice_by_index(
    x: Tensor,
    begin: Whole,
    end: Whole,
    stride: list[int] | None = None,
    begin_mask: list[bool] | None = None,
    end_mask: list[bool] | None = None,
    squeeze_mask: list[bool] | None = None,
) -> Tensor:
    _only(set(stride or [1]) == {1} and not any(squeeze_mask or []), "slices with gaps or of single places")
    ranges = []
    for axis, (start, stop) in enumerate(zip(_list(begin), _list(end), strict=True)):
        from_first, to_last = begin_mask and begin_mask[axis], end_mask and end_mask[axis]
        ranges.append(slice(None if from_first else start, None if to_last else stop))
    return x[tuple(ranges)]


def _expand_dims(x: Tensor, axes: list[int]) -> Tensor:
    for axis in axes:
        x = x.unsqueeze(axis)
    return x


OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y,
    "avg_pool": _avg_pool,
    "batch_norm": _batch_norm,
    "cast": lambda x, dtype: x.float() if dtype.startswith("fp") else x.long(),  # rounded like every result
    "clip": lambda x, alpha, beta: x.clamp(alpha, beta),
    "concat": _concat,
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "crop": _crop,
    "expand_dims": _expand_dims,
    "gather": _gather,
    "gelu": _gelu,
    "instance_norm": _instance_norm,
    "layer_norm": _layer_norm,
    "linear": F.linear,
    "matmul": _matmul,
    "mul": lambda x, y: x * y,
    "pad": _pad,
    "real_div": lambda x, y: x / y,
    "reduce_mean": lambda x, axes, keep_dims: x.mean(axes, keepdim=keep_dims),
    "relu": torch.relu,
    "reshape": lambda x, shape: x.reshape(_list(shape)),
    "round": torch.round,
    "scaled_dot_product_attention": _attention,
    "shape": lambda x: torch.tensor(x.shape),
    "slice_by_index": _slice_by_index,
    "slice_by_size": _slice_by_size,
    "softmax": lambda x, axis: x.softmax(axis),
    "split": lambda x, split_sizes, axis: x.split(split_sizes, axis),
    "sqrt": torch.sqrt,
    "square": torch.square,
    "sub": lambda x, y: x - y,
    "tanh": torch.tanh,
    "transpose": lambda x, perm: x.permute(perm),
    "upsample_bilinear": _upsample,
}
