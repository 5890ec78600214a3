"""Quantize the convolutions to 8 bits, with ranges from real inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import onnx

from e2gan.files import temporary_folder
from e2gan_onnx.graph import silence

__all__ = ["quantized"]


def quantized(model: onnx.ModelProto, inputs: Iterable[Mapping[str, np.ndarray]]) -> onnx.ModelProto:
    """A float32 model with its convolutions in 8 bits, as QuantizeLinear and DequantizeLinear around them.

    The ranges are those that the ``inputs`` of the model, by name, give rise to.

    The first and the last convolution stay as they are: one reads the photo, the other makes the picture, and no later
    layer corrects their errors.  So do the norms, and the attention, which takes little time.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Inputs(CalibrationDataReader):  # type: ignore[misc,unused-ignore]
        def __init__(self) -> None:
            self._left = iter(inputs)

        def get_next(self) -> Mapping[str, np.ndarray] | None:
            return next(self._left, None)

    with temporary_folder(for_libraries=True) as folder:
        given, prepared, result = (Path(folder, f"{name}.onnx") for name in ("given", "prepared", "made"))
        onnx.save(model, given)
        # Symbolic shape inference does not support open sizes; the ranges do not need it.
        quant_pre_process(given, prepared, skip_symbolic_shape=True)
        convolutions = [node.name for node in onnx.load(prepared).graph.node if node.op_type == "Conv"]
        with silence():
            quantize_static(
                prepared,
                result,
                Inputs(),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=["Conv"],
                nodes_to_exclude=[convolutions[0], convolutions[-1]],
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                # The mean of the photos' extremes, not the most extreme: steps are finer, and few values are clipped.
                extra_options={"CalibMovingAverage": True},
            )
        return onnx.load(result)
