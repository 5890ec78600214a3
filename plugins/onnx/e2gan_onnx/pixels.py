"""Pictures as apps have them: bytes, height × width × 3, of any size.  Padding and cropping are part of the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from e2gan.editor import MIN_SIDE
from e2gan_onnx.graph import EDIT, PHOTO

__all__ = ["take_pixels"]

SHAPE = ("batch", "height", "width", 3)

PADDED, MADE = f"{PHOTO}.padded", f"{EDIT}.padded"


def take_pixels(model: onnx.ModelProto, stride: int) -> None:
    """Make a model of (N, 3, H, W) float32 in [0, 1] take and return (N, H, W, 3) uint8.

    The photo is padded as the editor pads it, by reflection, to multiples of the generator's ``stride``, and the edit
    is cut to the photo's size.
    """
    graph = model.graph
    for node in graph.node:
        node.input[:] = [PADDED if name == PHOTO else name for name in node.input]
        node.output[:] = [MADE if name == EDIT else name for name in node.output]
    around = _Around()
    photo, height = around.padded(PHOTO, 1, stride)
    photo, width = around.padded(photo, 2, stride)
    photo = around.op("Transpose", around.op("Cast", photo, to=TensorProto.FLOAT), perm=[0, 3, 1, 2])
    around.op("Div", photo, around.constant(np.float32(255)), output=PADDED)
    before, around.nodes = around.nodes, []
    edit = around.op("Round", around.op("Mul", MADE, around.constant(np.float32(255))))
    edit = around.op("Transpose", around.op("Cast", edit, to=TensorProto.UINT8), perm=[0, 2, 3, 1])
    size = around.op("Concat", height, width, axis=0)
    around.op("Slice", edit, around.constant([0, 0]), size, around.constant([1, 2]), output=EDIT)
    nodes = [*before, *graph.node, *around.nodes]
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend(nodes)
    graph.initializer.extend(around.constants)
    graph.input.append(helper.make_tensor_value_info(PHOTO, TensorProto.UINT8, SHAPE))
    graph.output.append(helper.make_tensor_value_info(EDIT, TensorProto.UINT8, SHAPE))


class _Around:
    """The nodes before and after the model's own."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._count = 0

    def op(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        self._count += 1
        name = output or f"pixels.{self._count}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=f"pixels.{kind}.{self._count}", **attributes))
        return name

    def constant(self, value: np.float32 | int | Sequence[int]) -> str:
        name = f"pixels.constant.{len(self.constants)}"
        array = np.array(value) if isinstance(value, np.float32) else np.array(value, np.int64)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def padded(self, x: str, axis: int, stride: int) -> tuple[str, str]:
        """The picture with rows or columns added by reflection, and its length before.

        Gathered, because ONNX's reflecting Pad adds at most as much as there is.
        """
        zero, one, two = (self.constant(number) for number in range(3))
        first = self.constant([0])
        length = self.op("Shape", x, start=axis, end=axis + 1)
        n = self.op("Squeeze", length, first)
        strides = self.op("Div", self.op("Add", n, self.constant(stride - 1)), self.constant(stride))
        target = self.op("Max", self.op("Mul", strides, self.constant(stride)), self.constant(MIN_SIDE))
        # 0 1 2 3 2 1 0 1 …: there and back again, every 2·n - 2; a single row is repeated.
        period = self.op("Max", self.op("Mul", self.op("Sub", n, one), two), one)
        places = self.op("Mod", self.op("Range", zero, target, one), period)
        places = self.op("Min", places, self.op("Sub", period, places))
        return self.op("Gather", x, places, axis=axis), length
