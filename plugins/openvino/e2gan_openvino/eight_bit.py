"""A base's generator with its large convolutions in 8 bits, for every concept and every blend.

The base's weights are 8-bit constants, as only constants are computed in 8 bits.  What concepts add to them has a low
rank, and two thin convolutions beside each compute it in floating point, with inputs as their weights.  That takes
about a hundredth of the time, and a change of concept compiles nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
import openvino
from openvino import Node
from openvino import opset15 as ops
from PIL import Image, ImageOps

from e2gan.images import open_image
from e2gan.models.layout import GeneratorConfig, crucial_layers
from e2gan.models.network import arranged
from e2gan.web import ASSETS
from e2gan_openvino.network import (
    PHOTO,
    PROMPT,
    PROMPT_BIAS,
    SKIPS,
    GeneratorNetwork,
    convolved,
    input_node,
    transposed,
)
from e2gan_openvino.processor import features, is_x86

__all__ = [
    "EightBitNetwork",
    "Ranges",
    "arrays",
    "calibration_photos",
    "measured_ranges",
    "quantized_layers",
    "steps_here",
]

Ranges = Mapping[str, "tuple[float, float]"]
"""The least and the largest value of each quantized layer's input."""

EXACT = {"avx512_vnni", "avx_vnni", "amx_int8"}
"""A processor of the kind x86-64 with one of these features adds up 8-bit products exactly.  Others add pairs of them
in 16 bits, and what does not fit becomes the largest number that does: with weights of full range, a result can be
wrong by a sixth."""

SIDE = 256
"""Side of a calibration photo, in pixels."""

MARGIN = 1.2
"""Ranges over those that are measured: photos and concepts differ, and a clipped value is further off than a step."""


def steps_here() -> int:
    """How many steps of 8 bits a weight may be away from 0 on this processor (`EXACT`)."""
    return 63 if is_x86() and features().isdisjoint(EXACT) else 127


def quantized_layers(config: GeneratorConfig) -> list[str]:
    """The layers in 8 bits, which are nine tenths of the work.

    The first and the last convolution are not: one reads the photo, the other makes the picture, and no later layer
    corrects their errors.  Nor are attention and its projections, and transposed convolutions without a filter, which
    OpenVINO computes in floating point.
    """
    names = ["down1", "down2"]
    names += [f"res.{block}.{part}" for block in range(config.res_blocks) for part in ("conv1", "conv2")]
    sampling = [f"transformers.{position}" for position in config.tb_positions if config.tb_sampling == "conv"]
    names += [f"{name}.down" for name in sampling]
    if config.smoothing != "none":
        names += [*(f"{name}.up" for name in sampling), "up2", "up1"]
    return names


def low_rank(change: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray] | None:
    """(O, N) as the product of (O, ``rank``) and (``rank``, N); None if its rank is higher.

    A random projection has the same column space, with certainty for all practical purposes (Halko et al., 2011).
    """
    columns = min(rank + 1, *change.shape)
    random = np.random.default_rng(0).standard_normal((change.shape[1], columns), np.float32)
    basis, triangle = np.linalg.qr(change @ random)
    if columns > rank and abs(triangle[rank, rank]) > 1e-4 * np.abs(triangle).max():
        return None
    basis = basis[:, :rank]
    factor = basis.T @ change
    missing = rank - basis.shape[1]  # of a layer with few outputs
    return np.pad(basis, ((0, 0), (0, missing))), np.pad(factor, ((0, missing), (0, 0)))


def arrays(
    config: GeneratorConfig, weights: Mapping[str, np.ndarray], changes: Mapping[str, np.ndarray], rank: int
) -> dict[str, np.ndarray] | None:
    """The arrays of an `EightBitNetwork`'s inputs; None if a change has a higher rank than ``rank``.

    Args:
        weights: of the crucial layers that are not quantized, by the tensors' names, with what concepts add to them.
        changes: what concepts add to the quantized crucial layers, by the layers' names.
    """
    inputs = arranged(config, weights, in_two_steps=True)
    for layer in crucial_layers(config):
        if layer.name not in changes:
            continue
        change, upward = changes[layer.name], layer.kind == "conv_transpose"
        factors = low_rank((change.swapaxes(0, 1) if upward else change).reshape(layer.outputs, -1), rank)
        if factors is None:
            return None
        b, a = factors
        a = a.reshape(rank, layer.inputs, layer.kernel, layer.kernel)
        inputs[f"{layer.name}.lora_A"] = np.ascontiguousarray(a.swapaxes(0, 1) if upward else a, np.float32)
        inputs[f"{layer.name}.lora_B"] = np.ascontiguousarray(b.reshape(layer.outputs, rank, 1, 1), np.float32)
    return inputs


class EightBitNetwork(GeneratorNetwork):
    """The generator with `quantized_layers` in 8 bits.

    :attr:`inputs` are the crucial weights of the other layers, and for each quantized one that concepts change
    ``NAME.lora_A`` and ``NAME.lora_B``: `arrays` gives them.  With rank 0, there are none: the concept is in the
    ``weights``.

    Args:
        ranges: of the inputs of these layers.
        rank: of what concepts may add to each of them.
        steps: `steps_here`.
    """

    def __init__(
        self, config: GeneratorConfig, weights: Mapping[str, np.ndarray], ranges: Ranges, *, rank: int, steps: int
    ) -> None:
        # A filter of its own averages away what rounding makes of the four pixels of a flat area; folded into rounded
        # weights, it would not.
        super().__init__(config, weights, in_two_steps=True)
        self.ranges, self.steps = ranges, steps
        self._changed = {layer.name: layer for layer in crucial_layers(config) if layer.name in ranges and rank}
        if not rank:
            self.weights, self.inputs = {**weights, **arranged(config, weights, in_two_steps=True)}, {}
        for name, layer in self._changed.items():
            del self.inputs[f"{name}.weight"]
            shape = [layer.inputs, layer.kernel, layer.kernel]
            shape.insert(layer.kind == "conv_transpose", rank)
            self.inputs[f"{name}.lora_A"] = input_node(f"{name}.lora_A", tuple(shape))
            self.inputs[f"{name}.lora_B"] = input_node(f"{name}.lora_B", (layer.outputs, rank, 1, 1))

    def convolved(self, name: str, x: Node, stride: int, padding: int) -> Node:
        if name not in self.ranges:
            return super().convolved(name, x, stride, padding)
        y = convolved(
            self._rounded(name, x), _eight_bits(self.weights[f"{name}.weight"], 0, self.steps), stride, padding
        )
        return self._with_change(name, y, lambda a: convolved(x, a, stride, padding))

    def transposed(self, name: str, x: Node, padding: int = 0, more: int = 0) -> Node:
        if name not in self.ranges:
            return super().transposed(name, x, padding, more)
        y = transposed(
            self._rounded(name, x), _eight_bits(self.weights[f"{name}.weight"], 1, self.steps), padding, more
        )
        return self._with_change(name, y, lambda a: transposed(x, a, padding, more))

    def _rounded(self, name: str, x: Node) -> Node:
        low, high = (np.full((1, 1, 1, 1), value, np.float32) for value in self.ranges[name])
        return ops.fake_quantize(x, *map(ops.constant, (low, high, low, high)), 256)

    def _with_change(self, name: str, y: Node, thin: Callable[[Node], Node]) -> Node:
        if name not in self._changed:
            return y
        return ops.add(y, convolved(thin(self.inputs[f"{name}.lora_A"]), self.inputs[f"{name}.lora_B"], 1, 0))


def _eight_bits(weight: np.ndarray, channels: int, most: int) -> Node:
    """A weight as 8-bit constants, with a scale for each output channel, which are on axis ``channels``."""
    others = tuple(axis for axis in range(weight.ndim) if axis != channels)
    scale = np.maximum(np.abs(weight).max(others, keepdims=True) / most, 1e-12).astype(np.float32)
    steps = np.round(weight / scale).astype(np.int8)
    return ops.multiply(ops.convert(ops.constant(steps), np.float32), ops.constant(scale))


class _Observed(GeneratorNetwork):
    """The generator in floating point, which also gives the extremes of what each of ``layers`` reads."""

    def __init__(self, config: GeneratorConfig, weights: Mapping[str, np.ndarray], layers: Iterable[str]) -> None:
        super().__init__(config, weights)
        self._layers = set(layers)
        self.extremes: dict[str, tuple[Node, Node]] = {}

    def also(self) -> Sequence[Node]:
        return [extreme for pair in self.extremes.values() for extreme in pair]

    def convolved(self, name: str, x: Node, stride: int, padding: int) -> Node:
        self._observe(name, x)
        return super().convolved(name, x, stride, padding)

    def transposed(self, name: str, x: Node, padding: int = 0, more: int = 0) -> Node:
        self._observe(name, x)
        return super().transposed(name, x, padding, more)

    def _observe(self, name: str, x: Node) -> None:
        if name in self._layers:
            axes = ops.constant([0, 1, 2, 3])
            self.extremes[name] = (ops.reduce_min(x, axes, False), ops.reduce_max(x, axes, False))


def calibration_photos() -> Iterator[np.ndarray]:
    """The photos that come with the package, as squares."""
    for file in sorted((ASSETS / "samples").glob("*.jpg")):
        photo = ImageOps.fit(open_image(file, opaque=True), (SIDE, SIDE), Image.Resampling.LANCZOS)
        yield np.asarray(photo, np.float32).transpose(2, 0, 1)[None] / 127.5 - 1


def measured_ranges(
    core: openvino.Core, config: GeneratorConfig, weights: Mapping[str, np.ndarray], photos: Iterable[np.ndarray]
) -> dict[str, tuple[float, float]]:
    """The ranges of a base for all of its concepts, on a CPU: the photos' mean extremes, with a margin.

    The bare base without a prompt suffices: norms precede these layers, so concepts hardly change the ranges.

    Args:
        photos: (1, 3, H, W) each, in [-1, 1].
    """
    graph = _Observed(config, weights, quantized_layers(config))
    model = graph.model()
    settings = {"INFERENCE_PRECISION_HINT": "f32", "ENABLE_CPU_PINNING": False}
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    still = {f"{layer.name}.weight": weights[f"{layer.name}.weight"] for layer in crucial_layers(config)}
    inputs = {**arranged(config, still), PROMPT: np.zeros((1, 1, config.prompt_dim), np.float32)}
    inputs[PROMPT_BIAS] = np.zeros((1, 1), np.float32)
    seen = []
    for photo in photos:
        for skips in _skips(config):
            results = list(request.infer({**inputs, **skips, PHOTO: photo}).values())[1:]
            seen.append(np.array(results, np.float64).reshape(-1, 2))
    low, high = MARGIN * np.mean(seen, 0).T
    return {name: (min(0.0, float(a)), float(b)) for name, a, b in zip(graph.extremes, low, high)}


def _skips(config: GeneratorConfig) -> Iterator[dict[str, np.ndarray]]:
    if not config.skips:
        yield {}
        return
    for share in (0, 1):
        yield {SKIPS: np.full((1, 3), share, np.float32)}
