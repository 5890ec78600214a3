"""The generator on onnxruntime, for the editor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.func import functional_call

from e2gan.base import Base
from e2gan.models.generator import Generator
from e2gan.models.layout import crucial_layers
from e2gan_onnx.export import example
from e2gan_onnx.graph import IMAGE, picture_dimensions, to_onnx
from e2gan_onnx.options import OPSETS

__all__ = ["OnnxGenerator"]


class OnnxGenerator:
    """A base's generator in float32 on the CPU, called like :class:`~e2gan.models.generator.Generator`.

    Tracing takes seconds, once.  A change of concept loads the graph again with other weights, so that onnxruntime
    can lay them out for the processor: as inputs of a fixed graph, they would cost a sixth of every edit.
    """

    precision = "float32"

    def __init__(self, base: Base, threads: int | None = None) -> None:
        self._options = onnxruntime.SessionOptions()
        self._options.log_severity_level = 4
        if threads is not None:
            self._options.intra_op_num_threads = threads
        generator = base.generator()
        self._pristine = {
            f"{layer.name}.weight": generator.get_parameter(f"{layer.name}.weight").clone()
            for layer in crucial_layers(base.config)
        }
        self._skips = base.config.skips
        self._graph = _without_weights(generator, base, self._pristine)
        self.fold([])

    def fold(self, parts: Iterable[tuple[float, Mapping[str, Tensor]]]) -> None:
        """Set every crucial layer to the base's weight + Σ weight · ΔW."""
        weights = dict(self._pristine)
        for share, deltas in parts:
            for name, delta in deltas.items():
                weights[f"{name}.weight"] = torch.add(weights[f"{name}.weight"], delta, alpha=share)
        part = onnx.ModelProto()
        part.graph.initializer.extend(numpy_helper.from_array(value.numpy(), name) for name, value in weights.items())
        self._session = onnxruntime.InferenceSession(
            self._graph + part.SerializeToString(), self._options, providers=["CPUExecutionProvider"]
        )

    def __call__(
        self, x: Tensor, prompt: Tensor, prompt_bias: Tensor | None = None, skips: Tensor | None = None
    ) -> Tensor:
        """(N, 3, H, W), (N, T, D), (N, T) and (N, 3) to (N, 3, H, W); pictures in [-1, 1]."""
        bias = torch.zeros(prompt.shape[:2]) if prompt_bias is None else prompt_bias
        inputs = {IMAGE: x, "prompt": prompt, "prompt_bias": bias}
        if self._skips:
            inputs["skips"] = torch.zeros(len(x), 3) if skips is None else skips
        (edits,) = self._session.run(None, {name: tensor.contiguous().numpy() for name, tensor in inputs.items()})
        return torch.from_numpy(edits)


class _Open(nn.Module):
    """A generator that takes its crucial weights as inputs, beside the picture."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator
        generator.conv_out.at_once = True

    def forward(self, image: Tensor, look: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> Tensor:
        edit: Tensor = functional_call(self.generator, dict(weights), (image,), dict(look))
        return edit


def _without_weights(generator: Generator, base: Base, weights: Mapping[str, Tensor]) -> bytes:
    """The generator's model without the initialisers ``weights``."""
    image = example(base)
    size = picture_dimensions(base.config.stride)
    tokens = {0: size[0], 1: torch.export.Dim("tokens")}
    look = {"prompt": torch.zeros(len(image), 3, base.config.prompt_dim), "prompt_bias": torch.zeros(len(image), 3)}
    look_sizes = {"prompt": tokens, "prompt_bias": tokens}
    if base.config.skips:
        look["skips"], look_sizes["skips"] = torch.zeros(len(image), 3), {0: size[0]}
    model = to_onnx(
        _Open(generator).eval(),
        {IMAGE: image, "look": look, "weights": dict(weights)},
        {IMAGE: size, "look": look_sizes, "weights": {name: {} for name in weights}},
        opset=OPSETS[0],
        name=base.id,
        names=[IMAGE, *look, *weights],
    )
    del model.graph.input[1 + len(look) :]
    return model.SerializeToString()
