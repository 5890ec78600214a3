"""The generator on OpenVINO, for the editor."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Mapping, Sequence
from inspect import getfile
from typing import Any

import numpy as np
import openvino

from e2gan import __version__
from e2gan.backends import NO_BFLOAT16
from e2gan.base import Base
from e2gan.errors import E2GANError, E2GANWarning
from e2gan.files import sha256_file
from e2gan.models.deltas import folded
from e2gan.models.layout import GeneratorConfig, crucial_layers
from e2gan.models.network import arranged
from e2gan.tables import shown
from e2gan_openvino import cache, eight_bit, network
from e2gan_openvino.eight_bit import EightBitNetwork, calibration_photos, measured_ranges
from e2gan_openvino.network import EDIT, PHOTO, PROMPT, PROMPT_BIAS, SKIPS, GeneratorNetwork
from e2gan_openvino.processor import features

__all__ = ["OpenVinoGenerator"]

TYPES = {"float32": "f32", "bf16": "bf16", "float16": "f16"}
"""OpenVINO's names of the precisions; its capabilities have other names."""

CAPABILITIES = {"float32": "FP32", "bf16": "BF16", "float16": "FP16", "int8": "INT8"}

CPU = "CPU"

Parts = Sequence["tuple[float, Mapping[str, np.ndarray]]"]
"""Weights of concepts, and ΔW of each by layer."""


class OpenVinoGenerator:
    """A base's generator on a device of OpenVINO, called like :class:`~e2gan.models.generator.Generator`.

    One compiled network serves every size of photo and every concept: what a concept changes is an input.  OpenVINO
    lays such weights out for the processor in each edit, which takes a few milliseconds; a change of concept only hands
    it others.
    """

    def __init__(
        self, base: Base, *, device: str | None = None, precision: str | None = None, threads: int | None = None
    ) -> None:
        """Compile the base's network, or load it from the cache.

        Args:
            device: ``CPU``, ``GPU``, ``GPU.1`` or ``NPU``, in any case; the CPU if None.
            precision: of `e2gan.backends.PRECISIONS`; float32 with a warning if the device lacks it.  By default bf16
                on a CPU that computes in it, float16 on another device that does, else float32.
            threads: CPU threads; OpenVINO's choice if None.

        Raises:
            BaseModelError: the base's files are damaged.
            E2GANError: there is no such device, or OpenVINO cannot compile the base for it.
        """
        core = openvino.Core()
        self.device = _device(core, device)
        self.precision = _precision(core, self.device, precision)
        self._core, self._base = core, base
        rest = _precision(core, self.device, None) if self.precision == "int8" else self.precision
        self._settings = _settings(self.device, rest, threads)
        weights = base.weights()
        self._form: _FloatingPoint | _EightBits
        if self.precision == "int8":
            self._form = _EightBits(base.config, weights)
        else:
            self._form = _FloatingPoint(base.config, weights, in_two_steps=self.precision != "float32")
        self._compile(weights)
        self.fold([])

    def fold(self, parts: Iterable[tuple[float, Mapping[str, np.ndarray]]]) -> None:
        """Set every crucial layer to the base's weight + Σ weight · ΔW."""
        self._folded = self._form.arrays(list(parts))
        if self._form.sizes != self._sizes:
            self._compile(self._base.weights())
        for name, value in self._folded.items():
            # Shared: OpenVINO reads the arrays in every edit, so they are kept.
            self._request.set_tensor(name, openvino.Tensor(value, shared_memory=True))

    def __call__(
        self,
        x: np.ndarray,
        prompt: np.ndarray,
        prompt_bias: np.ndarray | None = None,
        skips: np.ndarray | None = None,
    ) -> np.ndarray:
        """(N, 3, H, W), (N, T, D), (N, T) and (N, 3) to (N, 3, H, W); pictures in [-1, 1].

        Raises:
            E2GANError: OpenVINO cannot compute it, for want of memory, or because the device takes no such size.
        """
        bias = np.zeros(prompt.shape[:2], np.float32) if prompt_bias is None else prompt_bias
        inputs = {PHOTO: x, PROMPT: prompt, PROMPT_BIAS: bias}
        if self._base.config.skips:
            inputs[SKIPS] = np.zeros((len(x), 3), np.float32) if skips is None else skips
        arrays = {name: np.ascontiguousarray(value, np.float32) for name, value in inputs.items()}
        try:
            edit = self._request.infer(arrays, share_inputs=True)[EDIT]
        except RuntimeError as fault:
            raise E2GANError(
                f"OpenVINO cannot compute the edit on {self.device}: {_reason(fault)}", hint="use the backend torch"
            ) from fault
        return np.asarray(edit)

    def _compile(self, weights: Mapping[str, np.ndarray]) -> None:
        self._sizes = self._form.sizes
        try:
            self._request = self._compiled(weights).create_infer_request()
        except RuntimeError as fault:
            raise E2GANError(
                f"OpenVINO cannot compile the base '{self._base.id}' for {self.device}: {_reason(fault)}",
                hint="choose another device, or the backend torch",
            ) from fault

    def _compiled(self, weights: Mapping[str, np.ndarray]) -> openvino.CompiledModel:
        """The base's network for the device, from the cache, or made and kept there."""
        core, settings = self._core, self._settings
        file = cache.file_for(
            {
                "base": self._base.sha256,
                "generator": self._base.config.to_dict(),
                "program": " ".join(
                    [__version__, *(sha256_file(getfile(part)) for part in (arranged, network, eight_bit))]
                ),
                "openvino": openvino.get_version(),
                "device": f"{self.device} {core.get_property(self.device, 'FULL_DEVICE_NAME')}",
                "capabilities": " ".join(sorted(core.get_property(self.device, "OPTIMIZATION_CAPABILITIES"))),
                "precision": f"{self.precision} {settings['INFERENCE_PRECISION_HINT']} {self._sizes}",
            }
        )
        if kept := cache.read(file):
            try:
                return core.import_model(io.BytesIO(kept), self.device, settings)
            except RuntimeError:  # the driver or the processor is another than its name says
                pass
        compiled = core.compile_model(self._form.model(core, weights), self.device, settings)
        if "EXPORT_IMPORT" in core.get_property(self.device, "OPTIMIZATION_CAPABILITIES"):
            try:
                cache.keep(file, compiled.export_model().getvalue())
            except E2GANError as fault:
                warnings.warn(f"compiled networks are not kept: {fault}", E2GANWarning, stacklevel=4)
        return compiled


class _FloatingPoint:
    """The network in floating point, and the arrays of its inputs."""

    sizes: tuple[int, ...] = ()

    def __init__(self, config: GeneratorConfig, weights: Mapping[str, np.ndarray], *, in_two_steps: bool) -> None:
        self._config, self._in_two_steps = config, in_two_steps
        self._pristine = {layer.name: weights[f"{layer.name}.weight"] for layer in crucial_layers(config)}

    def model(self, core: openvino.Core, weights: Mapping[str, np.ndarray]) -> openvino.Model:
        return GeneratorNetwork(self._config, weights, in_two_steps=self._in_two_steps).model()

    def arrays(self, parts: Parts) -> dict[str, np.ndarray]:
        weights = {f"{name}.weight": weight for name, weight in folded(self._pristine, parts)}
        return arranged(self._config, weights, in_two_steps=self._in_two_steps)


class _EightBits:
    """The network with its large convolutions in 8 bits, and the arrays of its inputs."""

    def __init__(self, config: GeneratorConfig, weights: Mapping[str, np.ndarray]) -> None:
        self._config = config
        self._rank = 16  # of what concepts add to a layer: two with the default ranks fit
        self._steps = eight_bit.steps_here()
        quantized = set(eight_bit.quantized_layers(config))
        crucial = {layer.name: weights[f"{layer.name}.weight"] for layer in crucial_layers(config)}
        self._pristine = {name: weight for name, weight in crucial.items() if name not in quantized}
        self._nothing = {name: np.zeros_like(weight) for name, weight in crucial.items() if name in quantized}

    @property
    def sizes(self) -> tuple[int, ...]:
        """What the network depends on beside the base."""
        return self._rank, self._steps

    def model(self, core: openvino.Core, weights: Mapping[str, np.ndarray]) -> openvino.Model:
        ranges = measured_ranges(core, self._config, weights, calibration_photos())
        return EightBitNetwork(self._config, weights, ranges, rank=self._rank, steps=self._steps).model()

    def arrays(self, parts: Parts) -> dict[str, np.ndarray]:
        """They may need a network of a higher rank: `sizes`."""
        weights = {f"{name}.weight": weight for name, weight in folded(self._pristine, parts)}
        changes = dict(folded(self._nothing, parts))
        while (arrays := eight_bit.arrays(self._config, weights, changes, self._rank)) is None:
            self._rank *= 2
        return arrays


def _device(core: openvino.Core, wish: str | None) -> str:
    """The device's name in OpenVINO."""
    name = (wish or CPU).upper()
    available = core.available_devices
    if name not in available and f"{name}.0" not in available:
        raise E2GANError(
            f"OpenVINO has no device {shown(wish)} on this machine", hint=f"available: {', '.join(available)}"
        )
    return name


def _precision(core: openvino.Core, device: str, wish: str | None) -> str:
    able = set(core.get_property(device, "OPTIMIZATION_CAPABILITIES"))
    if device == CPU and not computes_bfloat16():
        able.discard(CAPABILITIES["bf16"])
    chosen = wish or ("bf16" if device == CPU else "float16")
    if chosen == "float32" or CAPABILITIES[chosen] in able:
        return chosen
    if wish is not None:
        on_cpu = device == CPU and wish == "bf16"
        text = NO_BFLOAT16 if on_cpu else f"{device} does not compute in {wish}, so edits are computed in float32"
        warnings.warn(text, E2GANWarning, stacklevel=2)
    return "float32"


def computes_bfloat16() -> bool:
    """Whether the processor has instructions for bf16; OpenVINO counts it also where it is emulated with AVX-512."""
    return not features().isdisjoint({"avx512_bf16", "amx_bf16"})


def _settings(device: str, precision: str, threads: int | None) -> dict[str, Any]:
    # Without the hint OpenVINO chooses by the processor, and would compute in bf16 what was compared in float32.
    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": TYPES[precision], "PERFORMANCE_HINT": "LATENCY"}
    if device == CPU:
        # Pinned threads of two programs would share the first cores, and leave the others idle.
        settings["ENABLE_CPU_PINNING"] = False
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = threads
    return settings


def _reason(fault: BaseException) -> str:
    """The last line of OpenVINO's message, which begins with the places in its source."""
    lines = [line.strip() for line in str(fault).splitlines() if line.strip()]
    return lines[-1][:200] if lines else type(fault).__name__
