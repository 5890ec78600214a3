"""The generator's structure, for runtimes that take a network operation by operation.

`Network` says which operation follows which; a plugin gives the operations of its runtime.  The weights that a concept
changes stay apart from the others, so one network serves every concept and every blend.  None of this needs PyTorch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Generic, TypeVar

import numpy as np

from e2gan.models.layout import SMOOTHING, GeneratorConfig, crucial_layers

__all__ = ["GROUPS", "GROUP_EPS", "NORM_EPS", "Network", "arranged"]

NORM_EPS, GROUP_EPS = 1e-5, 1e-6
"""Added to the variances: PyTorch's default, and that of the generator's group norm."""

GROUPS = 32
"""Groups of a transformer block's first norm."""

Node = TypeVar("Node")


def arranged(
    config: GeneratorConfig, weights: Mapping[str, np.ndarray], *, in_two_steps: bool = False
) -> dict[str, np.ndarray]:
    """Those of ``weights`` that are crucial, by name, in the form in which a `Network` takes them."""
    inputs = {}
    for layer in crucial_layers(config):
        name = f"{layer.name}.weight"
        if name not in weights:
            continue
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


class Network(ABC, Generic[Node]):
    """`e2gan.models.generator.Generator` for one runtime, whose operations a subclass gives.

    Pictures are (N, C, H, W), tokens (N, L, C).  Weights have their names in the generator; those of `arranged` have
    its form.
    """

    def __init__(self, config: GeneratorConfig, weights: Mapping[str, np.ndarray]) -> None:
        self.config, self.weights = config, weights
        self.means = SMOOTHING[config.smoothing]

    def edited(self, photo: Node, prompt: Node, prompt_bias: Node, skips: Node | None) -> Node:
        """The generator's picture, (N, 3, H, W) in [-1, 1]; arguments as of `Generator.forward`."""
        w, c = self.config.width, self.config.channels
        shares = [None if skips is None else self.share(skips, i) for i in range(3)]
        mask = self.as_mask(prompt_bias)
        x = self._norm_relu(self.convolution("conv_in", self.reflected(photo, 3)), w)
        full = self._times(shares[0], x)
        x = self._norm_relu(self.convolution("down1", x, stride=2, padding=1), 2 * w)
        half = self._times(shares[1], x)
        x = self._norm_relu(self.convolution("down2", x, stride=2, padding=1), c)
        for position in range(self.config.res_blocks + 1):
            if position:
                x = self._residual_block(f"res.{position - 1}", x)
            if position in self.config.tb_positions:
                quarter = self._times(shares[2], x)
                x = self._transformer_block(f"transformers.{position}", x, prompt, mask)
                x = self._plus(x, quarter, shares[2])
        x = self._plus(self._norm_relu(self.enlarged("up2", x), 2 * w), half, shares[1])
        x = self._plus(self._norm_relu(self.enlarged("up1", x), w), full, shares[0])
        # Four pixels at once, whose kernel is one tap larger.
        x = self.shuffled(self.convolution("conv_out", self.reflected(x, 3), stride=2, bias=False))
        return self.tanh(self.add(x, self.constant(self.weights["conv_out.bias"].reshape(1, -1, 1, 1))))

    def _residual_block(self, name: str, x: Node) -> Node:
        c = self.config.channels
        h = self._norm_relu(self.convolution(f"{name}.conv1", self.reflected(x, 1)), c)
        return self.add(x, self.norm(self.convolution(f"{name}.conv2", self.reflected(h, 1)), c))

    def _transformer_block(self, name: str, x: Node, prompt: Node, mask: Node) -> Node:
        c, halved = self.config.channels, self.config.tb_sampling == "conv"
        if halved:
            x = self._norm_relu(self.convolution(f"{name}.down", x, stride=2, padding=1), c)
        x = self.add(x, self._attended(name, x, prompt, mask))
        return self._norm_relu(self.enlarged(f"{name}.up", x), c) if halved else x

    def _attended(self, name: str, x: Node, prompt: Node, mask: Node) -> Node:
        projected = self.convolution(f"{name}.proj_in", self.group_norm(f"{name}.norm", x))
        h = self.tokens(projected)
        n = self.layer_norm(f"{name}.norm1", h)
        h = self.add(h, self._attention(f"{name}.self_attention", n, self.subset(n)))
        n = self.layer_norm(f"{name}.norm2", h)
        h = self.add(h, self._attention(f"{name}.cross_attention", n, prompt, mask))
        n = self.layer_norm(f"{name}.norm3", h)
        gated = self.gated(self.linear(f"{name}.mlp.proj_in", n))
        h = self.add(h, self.linear(f"{name}.mlp.proj_out", gated))
        return self.convolution(f"{name}.proj_out", self.picture(h, projected))

    def _attention(self, name: str, x: Node, context: Node, mask: Node | None = None) -> Node:
        query, key, value = (
            self.linear(f"{name}.{part}", tokens)
            for part, tokens in (("to_q", x), ("to_k", context), ("to_v", context))
        )
        return self.linear(f"{name}.to_out", self.attention(query, key, value, mask))

    def _norm_relu(self, x: Node, channels: int) -> Node:
        return self.relu(self.norm(x, channels))

    def _times(self, share: Node | None, x: Node) -> Node | None:
        return None if share is None else self.multiply(share, x)

    def _plus(self, x: Node, skipped: Node | None, share: Node | None) -> Node:
        """The weighted mean of both (`e2gan.models.generator`)."""
        if skipped is None or share is None:
            return x
        return self.divide(self.add(x, skipped), self.add(share, self.constant(np.ones((1, 1, 1, 1), np.float32))))

    @abstractmethod
    def constant(self, value: np.ndarray) -> Node: ...

    @abstractmethod
    def share(self, skips: Node, i: int) -> Node:
        """Column ``i`` of (N, 3) as (N, 1, 1, 1)."""

    @abstractmethod
    def as_mask(self, prompt_bias: Node) -> Node:
        """(N, T) in the form in which `attention` adds it to the logits."""

    @abstractmethod
    def add(self, a: Node, b: Node) -> Node: ...

    @abstractmethod
    def multiply(self, a: Node, b: Node) -> Node: ...

    @abstractmethod
    def divide(self, a: Node, b: Node) -> Node: ...

    @abstractmethod
    def relu(self, x: Node) -> Node: ...

    @abstractmethod
    def tanh(self, x: Node) -> Node: ...

    @abstractmethod
    def reflected(self, x: Node, width: int) -> Node:
        """A picture with its edges mirrored, ``width`` pixels more on each side."""

    @abstractmethod
    def convolution(self, name: str, x: Node, *, stride: int = 1, padding: int = 0, bias: bool = True) -> Node: ...

    @abstractmethod
    def enlarged(self, name: str, x: Node) -> Node:
        """`e2gan.models.generator.UpConv`: a transposed convolution to twice the size, with the filter after it."""

    @abstractmethod
    def shuffled(self, x: Node) -> Node:
        """(N, 4·C, H, W) to (N, C, 2·H, 2·W), as PyTorch's pixel shuffle."""

    @abstractmethod
    def norm(self, x: Node, channels: int) -> Node:
        """Instance norm without parameters."""

    @abstractmethod
    def group_norm(self, name: str, x: Node) -> Node: ...

    @abstractmethod
    def layer_norm(self, name: str, x: Node) -> Node: ...

    @abstractmethod
    def tokens(self, x: Node) -> Node:
        """A picture's pixels as tokens."""

    @abstractmethod
    def picture(self, tokens: Node, like: Node) -> Node:
        """Tokens as a picture of the shape of ``like``."""

    @abstractmethod
    def subset(self, tokens: Node) -> Node:
        """Every n-th token, so that at most about `e2gan.models.layout.MAX_KEYS` are left."""

    @abstractmethod
    def linear(self, name: str, x: Node) -> Node: ...

    @abstractmethod
    def attention(self, query: Node, key: Node, value: Node, mask: Node | None) -> Node:
        """Multi-head attention of tokens."""

    @abstractmethod
    def gated(self, x: Node) -> Node:
        """The first half of the channels times the GELU of the second."""
