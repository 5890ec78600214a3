"""A base's generator as an ONNX graph, for any size of picture, without PyTorch and without a trace.

The weights that a concept changes are left out: appended to the serialized graph as a second message, they complete it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from e2gan.errors import E2GANError
from e2gan.models.layout import MAX_KEYS, GeneratorConfig
from e2gan.models.network import GROUP_EPS, GROUPS, NORM_EPS, Network, arranged
from e2gan_onnx.options import OPSETS

__all__ = ["EDIT", "PHOTO", "PROMPT", "PROMPT_BIAS", "SKIPS", "initializers", "network"]

PHOTO, PROMPT, PROMPT_BIAS, SKIPS, EDIT = "photo", "prompt", "prompt_bias", "skips", "edit"
"""The names of the inputs and of the output; the crucial weights are initializers by their names in the generator."""


def network(config: GeneratorConfig, weights: Mapping[str, np.ndarray]) -> bytes:
    """The generator in float32 with free batch, height, width and number of tokens.

    Inputs: ``photo`` (N, 3, H, W) in [-1, 1], ``prompt`` (N, T, D), ``prompt_bias`` (N, T), and for a generator with
    skips ``skips`` (N, 3).  Output: ``edit`` (N, 3, H, W).

    Raises:
        E2GANError: the layout has an operation that ONNX lacks.
    """
    if config.tb_positions and config.tb_sampling == "pool":
        raise E2GANError("ONNX has no max-unpooling of that kind, which this base uses", hint="use the backend torch")
    graph = _Network(config, weights)
    shapes: dict[str, tuple[Any, ...]] = {
        PHOTO: ("batch", 3, "height", "width"),
        PROMPT: ("batch", "tokens", config.prompt_dim),
        PROMPT_BIAS: ("batch", "tokens"),
    }
    if config.skips:
        shapes[SKIPS] = ("batch", 3)
    graph.edited(PHOTO, PROMPT, PROMPT_BIAS, SKIPS if config.skips else None)
    graph.nodes[-1].output[0] = EDIT
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "generator",
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
            [helper.make_tensor_value_info(EDIT, TensorProto.FLOAT, shapes[PHOTO])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSETS[0])],
        ir_version=10,
    )
    data: bytes = model.SerializeToString()
    return data


def initializers(config: GeneratorConfig, weights: Mapping[str, np.ndarray]) -> bytes:
    """The crucial weights as the message that completes `network`'s."""
    part = onnx.ModelProto()
    part.graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in arranged(config, weights).items()
    )
    data: bytes = part.SerializeToString()
    return data


class _Network(Network[str]):
    """Its nodes are the names of their outputs."""

    def __init__(self, config: GeneratorConfig, weights: Mapping[str, np.ndarray]) -> None:
        super().__init__(config, weights)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.apart = arranged(config, weights).keys()
        self._names: dict[str, str] = {}

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        return self.ops(kind, *inputs, count=1, **attributes)[0]

    def ops(self, kind: str, *inputs: str, count: int, **attributes: Any) -> Sequence[str]:
        outputs = [f"{kind}.{len(self.nodes)}.{i}" for i in range(count)]
        self.nodes.append(helper.make_node(kind, inputs, outputs, name=outputs[0], **attributes))
        return outputs

    def constant(self, value: np.ndarray | Sequence[int]) -> str:
        name = f"constant.{len(self.constants)}"
        array = value if isinstance(value, np.ndarray) else np.array(value, np.int64)
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def weight(self, name: str) -> str:
        if name not in self.apart and name not in self._names:
            self._names[name] = self.constant(self.weights[name])
        return self._names.get(name, name)

    def share(self, skips: str, i: int) -> str:
        return self.op("Reshape", self.op("Gather", skips, self.constant([i]), axis=1), self.constant([-1, 1, 1, 1]))

    def as_mask(self, prompt_bias: str) -> str:
        return self.op("Unsqueeze", prompt_bias, self.constant([1]))

    def add(self, a: str, b: str) -> str:
        return self.op("Add", a, b)

    def multiply(self, a: str, b: str) -> str:
        return self.op("Mul", a, b)

    def divide(self, a: str, b: str) -> str:
        return self.op("Div", a, b)

    def relu(self, x: str) -> str:
        return self.op("Relu", x)

    def tanh(self, x: str) -> str:
        return self.op("Tanh", x)

    def reflected(self, x: str, width: int) -> str:
        return self.op("Pad", x, self.constant([0, 0, width, width] * 2), mode="reflect")

    def convolution(self, name: str, x: str, *, stride: int = 1, padding: int = 0, bias: bool = True) -> str:
        parts = [self.weight(f"{name}.{part}") for part in ("weight", "bias")[: 1 + bias]]
        return self.op("Conv", x, *parts, strides=[stride] * 2, pads=[padding] * 4)

    def enlarged(self, name: str, x: str) -> str:
        parts = [self.weight(f"{name}.{part}") for part in ("weight", "bias")]
        if self.means:
            return self.op("ConvTranspose", x, *parts, strides=[2, 2], pads=[(self.means + 1) // 2] * 4)
        return self.op("ConvTranspose", x, *parts, strides=[2, 2], pads=[1] * 4, output_padding=[1, 1])

    def shuffled(self, x: str) -> str:
        return self.op("DepthToSpace", x, blocksize=2, mode="CRD")

    def norm(self, x: str, channels: int) -> str:
        return self._instance_norm(x, channels, NORM_EPS)

    def _instance_norm(self, x: str, channels: int, epsilon: float) -> str:
        ones, zeros = np.ones(channels, np.float32), np.zeros(channels, np.float32)
        return self.op("InstanceNormalization", x, self.constant(ones), self.constant(zeros), epsilon=epsilon)

    def group_norm(self, name: str, x: str) -> str:
        groups = self.op("Reshape", x, self.constant([0, GROUPS, -1]))
        y = self.op("Reshape", self._instance_norm(groups, GROUPS, GROUP_EPS), self.op("Shape", x))
        scale, shift = (self.constant(self.weights[f"{name}.{part}"].reshape(-1, 1, 1)) for part in ("weight", "bias"))
        return self.add(self.multiply(y, scale), shift)

    def layer_norm(self, name: str, x: str) -> str:
        parts = [self.weight(f"{name}.{part}") for part in ("weight", "bias")]
        return self.op("LayerNormalization", x, *parts, axis=-1, epsilon=NORM_EPS)

    def tokens(self, x: str) -> str:
        return self.op("Transpose", self.op("Reshape", x, self.constant([0, 0, -1])), perm=[0, 2, 1])

    def picture(self, tokens: str, like: str) -> str:
        return self.op("Reshape", self.op("Transpose", tokens, perm=[0, 2, 1]), self.op("Shape", like))

    def subset(self, tokens: str) -> str:
        count = self.op("Shape", tokens, start=1, end=2)
        step = self.op("Max", self.op("Div", count, self.constant([MAX_KEYS])), self.constant([1]))
        last = self.constant([np.iinfo(np.int64).max])
        return self.op("Slice", tokens, self.constant([0]), last, self.constant([1]), step)

    def linear(self, name: str, x: str) -> str:
        y = self.op("MatMul", x, self.op("Transpose", self.weight(f"{name}.weight"), perm=[1, 0]))
        return self.add(y, self.weight(f"{name}.bias")) if f"{name}.bias" in self.weights else y

    def attention(self, query: str, key: str, value: str, mask: str | None) -> str:
        """One head after another: the logits of all eight take two gigabytes at a megapixel."""
        heads = self.config.heads
        scale = np.array((self.config.channels // heads) ** -0.5, np.float32)
        query = self.multiply(query, self.constant(scale))
        parts = [self.ops("Split", tokens, count=heads, axis=2, num_outputs=heads) for tokens in (query, key, value)]
        outputs = []
        for q, k, v in zip(*parts):
            logits = self.op("MatMul", q, self.op("Transpose", k, perm=[0, 2, 1]))
            share = self.op("Softmax", logits if mask is None else self.add(logits, mask), axis=-1)
            outputs.append(self.op("MatMul", share, v))
        return self.op("Concat", *outputs, axis=2)

    def gated(self, x: str) -> str:
        value, gate = self.ops("Split", x, count=2, axis=2, num_outputs=2)
        root, one, half = (self.constant(np.array(number, np.float32)) for number in (2**-0.5, 1, 0.5))
        erf = self.op("Erf", self.multiply(gate, root))
        return self.multiply(value, self.multiply(self.multiply(gate, half), self.add(erf, one)))
