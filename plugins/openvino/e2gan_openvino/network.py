"""A base's generator as a network of OpenVINO, for any size of picture.

The weights that a concept changes are inputs, beside the picture, so one compiled network serves every concept and
every blend.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import openvino
from openvino import Node
from openvino import opset15 as ops

from e2gan.errors import E2GANError
from e2gan.models.layout import MAX_KEYS, GeneratorConfig
from e2gan.models.network import GROUP_EPS, GROUPS, NORM_EPS, Network, arranged

__all__ = [
    "EDIT",
    "PHOTO",
    "PROMPT",
    "PROMPT_BIAS",
    "SKIPS",
    "GeneratorNetwork",
    "convolved",
    "input_node",
    "transposed",
]

PHOTO, PROMPT, PROMPT_BIAS, SKIPS, EDIT = "photo", "prompt", "prompt_bias", "skips", "edit"
"""The names of the inputs and of the output; the crucial weights are inputs by their names in the generator."""

FIRST, LAST = [0, 0], np.iinfo(np.int64).max


class GeneratorNetwork(Network[Node]):
    """The generator in floating point.

    Args:
        weights: the generator's tensors by name, float32.
        in_two_steps: whether a smoothed transposed convolution and its filter are two operations, for arithmetic in
            half precision (`e2gan.models.generator.UpConv`).

    Raises:
        E2GANError: the layout has an operation that OpenVINO lacks.
    """

    def __init__(
        self, config: GeneratorConfig, weights: Mapping[str, np.ndarray], *, in_two_steps: bool = False
    ) -> None:
        if config.tb_positions and config.tb_sampling == "pool":
            raise E2GANError("OpenVINO has no max-unpooling, which this base uses", hint="use the backend torch")
        super().__init__(config, weights)
        self.in_two_steps = in_two_steps
        self.inputs = {
            name: input_node(name, weight.shape)
            for name, weight in arranged(config, weights, in_two_steps=in_two_steps).items()
        }

    def model(self) -> openvino.Model:
        """With free batch, height, width and number of tokens.

        Inputs: ``photo`` (N, 3, H, W) in [-1, 1], ``prompt`` (N, T, D), ``prompt_bias`` (N, T), for a generator with
        skips ``skips`` (N, 3), and :attr:`inputs`.  Output: ``edit`` (N, 3, H, W).
        """
        inputs = [
            input_node(PHOTO, (-1, 3, -1, -1)),
            input_node(PROMPT, (-1, -1, self.config.prompt_dim)),
            input_node(PROMPT_BIAS, (-1, -1)),
            *([input_node(SKIPS, (-1, 3))] if self.config.skips else []),
        ]
        photo, prompt, prompt_bias, *skips = inputs
        edit = self.edited(photo, prompt, prompt_bias, skips[0] if skips else None)
        edit.output(0).set_names({EDIT})
        return openvino.Model([edit, *self.also()], [*inputs, *self.inputs.values()], "generator")

    def also(self) -> Sequence[Node]:
        """What the network gives beside the edit."""
        return []

    def constant(self, value: np.ndarray) -> Node:
        return ops.constant(np.ascontiguousarray(value, np.float32))

    def weight(self, name: str, shape: tuple[int, ...] | None = None) -> Node:
        """A crucial weight is an input, any other a constant."""
        if name in self.inputs:
            return self.inputs[name]
        value = self.weights[name]
        return self.constant(value if shape is None else value.reshape(shape))

    def share(self, skips: Node, i: int) -> Node:
        return ops.reshape(ops.gather(skips, [i], 1), [-1, 1, 1, 1], False)

    def as_mask(self, prompt_bias: Node) -> Node:
        return ops.unsqueeze(prompt_bias, [1, 2])

    def add(self, a: Node, b: Node) -> Node:
        return ops.add(a, b)

    def multiply(self, a: Node, b: Node) -> Node:
        return ops.multiply(a, b)

    def divide(self, a: Node, b: Node) -> Node:
        return ops.divide(a, b)

    def relu(self, x: Node) -> Node:
        return ops.relu(x)

    def tanh(self, x: Node) -> Node:
        return ops.tanh(x)

    def reflected(self, x: Node, width: int) -> Node:
        edge = [0, 0, width, width]
        return ops.pad(x, edge, edge, "reflect")

    def convolution(self, name: str, x: Node, *, stride: int = 1, padding: int = 0, bias: bool = True) -> Node:
        y = self.convolved(name, x, stride, padding)
        return ops.add(y, self.weight(f"{name}.bias", (1, -1, 1, 1))) if bias else y

    def convolved(self, name: str, x: Node, stride: int, padding: int) -> Node:
        return convolved(x, self.weight(f"{name}.weight"), stride, padding)

    def enlarged(self, name: str, x: Node) -> Node:
        means = self.means
        if not means:
            y = self.transposed(name, x, padding=1, more=1)
        elif not self.in_two_steps:
            y = self.transposed(name, x, padding=(means + 1) // 2)
        else:
            y = self.transposed(name, x)
            if means > 1:
                edge = [0, 0, means // 2, means // 2]
                y = ops.pad(y, edge, edge, "constant")
            for _ in range(means):
                y = ops.avg_pool(y, [1, 1], FIRST, FIRST, [2, 2], True)
        return ops.add(y, self.weight(f"{name}.bias", (1, -1, 1, 1)))

    def transposed(self, name: str, x: Node, padding: int = 0, more: int = 0) -> Node:
        return transposed(x, self.weight(f"{name}.weight"), padding, more)

    def shuffled(self, x: Node) -> Node:
        return ops.depth_to_space(x, "depth_first", 2)

    def norm(self, x: Node, channels: int) -> Node:
        return ops.mvn(x, ops.constant([2, 3]), True, NORM_EPS, "inside_sqrt")

    def group_norm(self, name: str, x: Node) -> Node:
        return ops.group_normalization(x, self.weight(f"{name}.weight"), self.weight(f"{name}.bias"), GROUPS, GROUP_EPS)

    def layer_norm(self, name: str, x: Node) -> Node:
        y = ops.mvn(x, ops.constant([-1]), True, NORM_EPS, "inside_sqrt")
        return ops.add(ops.multiply(y, self.weight(f"{name}.weight")), self.weight(f"{name}.bias"))

    def tokens(self, x: Node) -> Node:
        return ops.transpose(ops.reshape(x, [0, 0, -1], True), [0, 2, 1])

    def picture(self, tokens: Node, like: Node) -> Node:
        return ops.reshape(ops.transpose(tokens, [0, 2, 1]), ops.shape_of(like), False)

    def subset(self, tokens: Node) -> Node:
        count = ops.gather(ops.shape_of(tokens), [1], [0])
        step = ops.maximum(ops.divide(count, ops.constant([MAX_KEYS])), ops.constant([1]))
        return ops.slice(tokens, [0], [LAST], step, [1])

    def linear(self, name: str, x: Node) -> Node:
        y = ops.matmul(x, self.weight(f"{name}.weight"), False, True)
        return ops.add(y, self.weight(f"{name}.bias")) if f"{name}.bias" in self.weights else y

    def attention(self, query: Node, key: Node, value: Node, mask: Node | None) -> Node:
        heads, width = self.config.heads, self.config.channels // self.config.heads
        query, key, value = (
            ops.transpose(ops.reshape(tokens, [0, 0, heads, width], True), [0, 2, 1, 3])
            for tokens in (query, key, value)
        )
        h = ops.scaled_dot_product_attention(query, key, value, mask)
        return ops.reshape(ops.transpose(h, [0, 2, 1, 3]), [0, 0, -1], True)

    def gated(self, x: Node) -> Node:
        value, gate = ops.split(x, 2, 2).outputs()
        return ops.multiply(value, ops.gelu(gate, "erf"))


def input_node(name: str, shape: tuple[int, ...]) -> Node:
    node = ops.parameter(list(shape), np.float32, name)
    node.output(0).set_names({name})
    return node


def convolved(x: Node, weight: Node, stride: int, padding: int) -> Node:
    return ops.convolution(x, weight, [stride] * 2, [padding] * 2, [padding] * 2, [1, 1])


def transposed(x: Node, weight: Node, padding: int, more: int) -> Node:
    pads = [padding] * 2
    return ops.convolution_backprop_data(
        x, weight, [2, 2], pads_begin=pads, pads_end=pads, dilations=[1, 1], output_padding=[more] * 2
    )
