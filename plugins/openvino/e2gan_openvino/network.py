"""A base's generator as a network of OpenVINO: `e2gan.models.generator` in its operations, for any size of picture.

The weights that a concept changes are inputs, beside the picture, so one compiled network serves every concept and
every blend.  This module needs neither torch nor a trace.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import openvino
from openvino import Node
from openvino import opset15 as ops

from e2gan.errors import E2GANError
from e2gan.models.layout import SMOOTHING, GeneratorConfig, crucial_layers

__all__ = ["EDIT", "PHOTO", "PROMPT", "PROMPT_BIAS", "SKIPS", "arranged", "network"]

PHOTO, PROMPT, PROMPT_BIAS, SKIPS, EDIT = "photo", "prompt", "prompt_bias", "skips", "edit"
"""The names of the inputs and of the output; the crucial weights are inputs by their names in the generator."""

MAX_KEYS = 4096
"""As `e2gan.models.generator.MAX_KEYS`, which a module that imports torch defines."""

NORM_EPS, GROUP_EPS = 1e-5, 1e-6
"""PyTorch's default for norms, and the generator's for its group norm."""

GROUPS = 32

FIRST, LAST = [0, 0], np.iinfo(np.int64).max


def network(config: GeneratorConfig, weights: Mapping[str, np.ndarray], *, in_two_steps: bool) -> openvino.Model:
    """The generator with free batch, height, width and number of tokens.

    Inputs: ``photo`` (N, 3, H, W) in [-1, 1], ``prompt`` (N, T, D), ``prompt_bias`` (N, T), for a generator with
    skips ``skips`` (N, 3), and the crucial weights as `arranged` gives them.  Output: ``edit`` (N, 3, H, W).

    Args:
        weights: the generator's tensors by name, float32.
        in_two_steps: whether a smoothed transposed convolution and its filter are two operations, for arithmetic in
            half precision (`e2gan.models.generator.UpConv`).

    Raises:
        E2GANError: the layout has an operation that OpenVINO lacks.
    """
    return _Network(config, weights, in_two_steps).build()


def arranged(
    config: GeneratorConfig, weights: Mapping[str, np.ndarray], *, in_two_steps: bool
) -> dict[str, np.ndarray]:
    """The crucial weights, by name, in the form in which the network takes them."""
    inputs = {}
    for layer in crucial_layers(config):
        name = f"{layer.name}.weight"
        weight = weights[name]
        if layer.name == "conv_out":
            weight = _for_four_pixels(weight)
        elif layer.kind == "conv_transpose" and not in_two_steps:
            for _ in range(SMOOTHING[config.smoothing]):
                weight = _mean(weight)
        inputs[name] = np.ascontiguousarray(weight, np.float32)
    return inputs


def _for_four_pixels(weight: np.ndarray) -> np.ndarray:
    """(O, I, K, K) to (4·O, I, K+1, K+1): the kernel at its four offsets, as in `e2gan.models.generator.OutConv`."""
    offsets = [np.pad(weight, ((0, 0), (0, 0), (i, 1 - i), (j, 1 - j))) for i in range(2) for j in range(2)]
    return np.stack(offsets, 1).reshape(-1, *offsets[0].shape[1:])


def _mean(weight: np.ndarray) -> np.ndarray:
    """(I, O, K, K) to (I, O, K+1, K+1): a transposed convolution with a mean over 2×2 pixels folded in."""
    padded = np.pad(weight, ((0, 0), (0, 0), (1, 1), (1, 1)))
    return (padded[..., :-1, :-1] + padded[..., :-1, 1:] + padded[..., 1:, :-1] + padded[..., 1:, 1:]) / 4


class _Network:
    def __init__(self, config: GeneratorConfig, weights: Mapping[str, np.ndarray], in_two_steps: bool) -> None:
        if config.tb_positions and config.tb_sampling == "pool":
            raise E2GANError("OpenVINO has no max-unpooling, which this base uses", hint="use the backend torch")
        self.config, self.weights, self.in_two_steps = config, weights, in_two_steps
        self.inputs = {
            name: _input(name, weight.shape)
            for name, weight in arranged(config, weights, in_two_steps=in_two_steps).items()
        }

    def build(self) -> openvino.Model:
        config = self.config
        photo, prompt = _input(PHOTO, (-1, 3, -1, -1)), _input(PROMPT, (-1, -1, config.prompt_dim))
        prompt_bias = _input(PROMPT_BIAS, (-1, -1))
        inputs = {PHOTO: photo, PROMPT: prompt, PROMPT_BIAS: prompt_bias}
        shares: list[Node | None] = [None] * 3
        if config.skips:
            inputs[SKIPS] = skips = _input(SKIPS, (-1, 3))
            shares = [ops.reshape(ops.gather(skips, [i], 1), [-1, 1, 1, 1], False) for i in range(3)]
        mask = ops.unsqueeze(prompt_bias, [1, 2])

        x = _norm_relu(self.convolution("conv_in", _reflected(photo, 3)))
        full = _times(shares[0], x)
        x = _norm_relu(self.convolution("down1", x, stride=2, padding=1))
        half = _times(shares[1], x)
        x = _norm_relu(self.convolution("down2", x, stride=2, padding=1))
        for position in range(config.res_blocks + 1):
            if position:
                x = self.residual_block(f"res.{position - 1}", x)
            if position in config.tb_positions:
                quarter = _times(shares[2], x)
                x = _plus(self.transformer_block(f"transformers.{position}", x, prompt, mask), quarter, shares[2])
        x = _plus(_norm_relu(self.enlarging("up2", x)), half, shares[1])
        x = _plus(_norm_relu(self.enlarging("up1", x)), full, shares[0])
        # Four pixels at once, whose kernel is one tap larger.
        x = self.convolution("conv_out", _reflected(x, 3), stride=2, bias=False)
        x = ops.depth_to_space(x, "depth_first", 2)
        edit = ops.tanh(ops.add(x, self.constant("conv_out.bias", (1, -1, 1, 1))))
        edit.output(0).set_names({EDIT})
        return openvino.Model([edit], [*inputs.values(), *self.inputs.values()], "generator")

    def constant(self, name: str, shape: tuple[int, ...] | None = None) -> Node:
        value = self.weights[name]
        return ops.constant(np.ascontiguousarray(value if shape is None else value.reshape(shape), np.float32))

    def weight(self, name: str) -> Node:
        """A crucial weight is an input, any other a constant."""
        return self.inputs[name] if name in self.inputs else self.constant(name)

    def convolution(self, name: str, x: Node, *, stride: int = 1, padding: int = 0, bias: bool = True) -> Node:
        pads = [padding] * 2
        y = ops.convolution(x, self.weight(f"{name}.weight"), [stride] * 2, pads, pads, [1, 1])
        return ops.add(y, self.constant(f"{name}.bias", (1, -1, 1, 1))) if bias else y

    def enlarging(self, name: str, x: Node) -> Node:
        """A transposed convolution to twice the size, with the filter after it."""
        weight, means = self.weight(f"{name}.weight"), SMOOTHING[self.config.smoothing]
        if not means:
            y = _transposed(x, weight, padding=1, more=1)
        elif not self.in_two_steps:
            y = _transposed(x, weight, padding=(means + 1) // 2)
        else:
            y = _transposed(x, weight)
            if means > 1:
                edge = [0, 0, means // 2, means // 2]
                y = ops.pad(y, edge, edge, "constant")
            for _ in range(means):
                y = ops.avg_pool(y, [1, 1], FIRST, FIRST, [2, 2], True)
        return ops.add(y, self.constant(f"{name}.bias", (1, -1, 1, 1)))

    def residual_block(self, name: str, x: Node) -> Node:
        h = _norm_relu(self.convolution(f"{name}.conv1", _reflected(x, 1)))
        return ops.add(x, _norm(self.convolution(f"{name}.conv2", _reflected(h, 1))))

    def transformer_block(self, name: str, x: Node, prompt: Node, mask: Node) -> Node:
        halved = self.config.tb_sampling == "conv"
        if halved:
            x = _norm_relu(self.convolution(f"{name}.down", x, stride=2, padding=1))
        x = ops.add(x, self.attended(name, x, prompt, mask))
        return _norm_relu(self.enlarging(f"{name}.up", x)) if halved else x

    def attended(self, name: str, x: Node, prompt: Node, mask: Node) -> Node:
        scale, shift = self.constant(f"{name}.norm.weight"), self.constant(f"{name}.norm.bias")
        h = self.convolution(f"{name}.proj_in", ops.group_normalization(x, scale, shift, GROUPS, GROUP_EPS))
        shape = ops.shape_of(h)
        # (N, C, H, W) to (N, L, C)
        h = ops.transpose(ops.reshape(h, [0, 0, -1], True), [0, 2, 1])
        n = self.layer_norm(f"{name}.norm1", h)
        count = ops.gather(ops.shape_of(n), [1], [0])
        step = ops.maximum(ops.divide(count, ops.constant([MAX_KEYS])), ops.constant([1]))
        keys = ops.slice(n, [0], [LAST], step, [1])
        h = ops.add(h, self.attention(f"{name}.self_attention", n, keys))
        h = ops.add(h, self.attention(f"{name}.cross_attention", self.layer_norm(f"{name}.norm2", h), prompt, mask))
        h = ops.add(h, self.gated(f"{name}.mlp", self.layer_norm(f"{name}.norm3", h)))
        h = ops.reshape(ops.transpose(h, [0, 2, 1]), shape, False)
        return self.convolution(f"{name}.proj_out", h)

    def attention(self, name: str, x: Node, context: Node, mask: Node | None = None) -> Node:
        heads = self.config.heads
        query, key, value = (
            ops.transpose(
                ops.reshape(self.linear(f"{name}.{part}", tokens), [0, 0, heads, self.config.channels // heads], True),
                [0, 2, 1, 3],
            )
            for part, tokens in (("to_q", x), ("to_k", context), ("to_v", context))
        )
        h = ops.scaled_dot_product_attention(query, key, value, mask)
        return self.linear(f"{name}.to_out", ops.reshape(ops.transpose(h, [0, 2, 1, 3]), [0, 0, -1], True))

    def gated(self, name: str, x: Node) -> Node:
        wide = self.linear(f"{name}.proj_in", x)
        value, gate = ops.split(wide, 2, 2).outputs()
        return self.linear(f"{name}.proj_out", ops.multiply(value, ops.gelu(gate, "erf")))

    def linear(self, name: str, x: Node) -> Node:
        y = ops.matmul(x, self.weight(f"{name}.weight"), False, True)
        return ops.add(y, self.constant(f"{name}.bias")) if f"{name}.bias" in self.weights else y

    def layer_norm(self, name: str, x: Node) -> Node:
        y = ops.mvn(x, ops.constant([-1]), True, NORM_EPS, "inside_sqrt")
        return ops.add(ops.multiply(y, self.constant(f"{name}.weight")), self.constant(f"{name}.bias"))


def _input(name: str, shape: tuple[int, ...]) -> Node:
    node = ops.parameter(list(shape), np.float32, name)
    node.output(0).set_names({name})
    return node


def _reflected(x: Node, width: int) -> Node:
    edge = [0, 0, width, width]
    return ops.pad(x, edge, edge, "reflect")


def _norm(x: Node) -> Node:
    return ops.mvn(x, ops.constant([2, 3]), True, NORM_EPS, "inside_sqrt")


def _norm_relu(x: Node) -> Node:
    return ops.relu(_norm(x))


def _transposed(x: Node, weight: Node, *, padding: int = 0, more: int = 0) -> Node:
    pads = [padding] * 2
    return ops.convolution_backprop_data(
        x, weight, [2, 2], pads_begin=pads, pads_end=pads, dilations=[1, 1], output_padding=[more] * 2
    )


def _times(share: Node | None, x: Node) -> Node | None:
    return None if share is None else ops.multiply(share, x)


def _plus(x: Node, skipped: Node | None, share: Node | None) -> Node:
    if skipped is None or share is None:
        return x
    return ops.divide(ops.add(x, skipped), ops.add(share, ops.constant(np.float32(1))))
