"""The generator on onnxruntime, for the editor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import onnxruntime

from e2gan.base import Base
from e2gan.models.deltas import folded
from e2gan.models.layout import crucial_layers
from e2gan_onnx.network import PHOTO, PROMPT, PROMPT_BIAS, SKIPS, initializers, network

__all__ = ["OnnxGenerator"]


class OnnxGenerator:
    """A base's generator in float32 on the CPU, called like :class:`~e2gan.models.generator.Generator`.

    A change of concept loads the graph again with other weights, so that onnxruntime can lay them out for the
    processor: as inputs of a fixed graph, they would cost a sixth of every edit.
    """

    precision = "float32"

    def __init__(self, base: Base, threads: int | None = None) -> None:
        """Build the base's graph.

        Raises:
            BaseModelError: the base's files are damaged.
            E2GANError: the base has an operation that ONNX lacks.
        """
        self._options = onnxruntime.SessionOptions()
        self._options.log_severity_level = 4
        if threads is not None:
            self._options.intra_op_num_threads = threads
        self._config = base.config
        weights = base.weights()
        self._pristine = {layer.name: weights[f"{layer.name}.weight"] for layer in crucial_layers(base.config)}
        self._graph = network(base.config, weights)
        self._session: onnxruntime.InferenceSession | None = None

    def fold(self, parts: Iterable[tuple[float, Mapping[str, np.ndarray]]]) -> None:
        """Set every crucial layer to the base's weight + Σ weight · ΔW."""
        weights = {f"{name}.weight": weight for name, weight in folded(self._pristine, parts)}
        self._session = onnxruntime.InferenceSession(
            self._graph + initializers(self._config, weights), self._options, providers=["CPUExecutionProvider"]
        )

    def __call__(
        self,
        x: np.ndarray,
        prompt: np.ndarray,
        prompt_bias: np.ndarray | None = None,
        skips: np.ndarray | None = None,
    ) -> np.ndarray:
        """(N, 3, H, W), (N, T, D), (N, T) and (N, 3) to (N, 3, H, W); pictures in [-1, 1]."""
        if self._session is None:
            self.fold([])
            assert self._session is not None
        bias = np.zeros(prompt.shape[:2], np.float32) if prompt_bias is None else prompt_bias
        inputs = {PHOTO: x, PROMPT: prompt, PROMPT_BIAS: bias}
        if self._config.skips:
            inputs[SKIPS] = np.zeros((len(x), 3), np.float32) if skips is None else skips
        (edits,) = self._session.run(None, {name: np.ascontiguousarray(value) for name, value in inputs.items()})
        return np.asarray(edits)
