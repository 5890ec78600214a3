"""From a PyTorch module to an ONNX model, through torch.onnx."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from e2gan.editor import MIN_SIDE
from e2gan.errors import E2GANError

if TYPE_CHECKING:
    import onnx

__all__ = ["EDIT", "PHOTO", "picture_dimensions", "silence", "to_onnx"]

PHOTO, EDIT = "photo", "edit"
"""Names of the input and the output, as in Core ML's packages: (N, 3, H, W) float32 in [0, 1]."""

AXES = ("batch", None, "height", "width")


def picture_dimensions(stride: int) -> dict[int, Any]:
    """For torch.export: a picture's dimensions, of any size that the stride allows."""
    dimension = torch.export.Dim
    smallest = -(-MIN_SIDE // stride)
    return {
        0: dimension("batch", min=1),
        2: stride * dimension("rows", min=smallest),
        3: stride * dimension("columns", min=smallest),
    }


def to_onnx(
    module: nn.Module,
    inputs: Mapping[str, Any],
    dynamic: Mapping[str, Any],
    *,
    opset: int,
    name: str,
    names: Sequence[str] = (PHOTO,),
) -> onnx.ModelProto:
    """Trace a module whose first input and whose output are pictures.

    Args:
        inputs: examples of its keyword arguments.
        dynamic: which of their dimensions may vary, in torch.export's form.
        name: for errors and the graph.
        names: of the inputs, with those in dictionaries listed one by one.

    Raises:
        E2GANError: an operation has no counterpart in ONNX, or not at that opset.
    """
    try:
        with silence(), torch.no_grad():
            program = torch.onnx.export(
                module,
                kwargs=dict(inputs),
                dynamic_shapes=dict(dynamic),
                opset_version=opset,
                input_names=names,
                output_names=[EDIT],
                custom_translation_table={torch.ops.aten.scaled_dot_product_attention.default: _attention},
                dynamo=True,
                verbose=False,
            )
            assert program is not None
            model: onnx.ModelProto = program.model_proto
    except torch.onnx.OnnxExporterError as fault:
        raise E2GANError(
            f"{name} cannot be expressed in ONNX at opset {opset}: {_reason(fault)}",
            hint="the base uses an operation that ONNX lacks; export a concept of another base",
        ) from fault
    actual = next((entry.version for entry in model.opset_import if not entry.domain), None)
    if actual != opset:
        raise E2GANError(f"{name} cannot be expressed at opset {opset}; {actual} can", hint=f"--opset {actual}")
    model.graph.name = name
    _refuse_other_sizes(model)
    del model.graph.value_info[:]  # shapes of one trace, which every runtime infers again
    for traced in (model.graph, *model.graph.node):
        del traced.metadata_props[:]  # the local file of each traced operation: a third of a megabyte
    for value in (model.graph.input[0], model.graph.output[0]):
        for dimension, axis in zip(value.type.tensor_type.shape.dim, AXES):
            if axis:
                dimension.dim_param = axis
    return model


def _refuse_other_sizes(model: onnx.ModelProto) -> None:
    """Make pictures fail whose size is not a multiple of the stride; otherwise their edits would be larger."""
    from onnx.helper import make_node

    size, unshaped = f"{PHOTO}.size", f"{EDIT}.made"
    for node in model.graph.node:
        node.output[:] = [unshaped if name == EDIT else name for name in node.output]
    model.graph.node.append(make_node("Shape", [PHOTO], [size]))
    model.graph.node.append(
        make_node("Reshape", [unshaped, size], [EDIT], name="height_and_width_are_multiples_of_the_stride")
    )


def _attention(query: Any, key: Any, value: Any, mask: Any = None, *_: Any, **__: Any) -> Any:
    """Attention (N, heads, L, D) one head after another, in ONNX's terms.

    A runtime then holds the logits of one head at a time; at a megapixel, those of all eight take two gigabytes.
    """
    from onnxscript import opset18 as op

    heads, width = query.shape[1], query.shape[3]
    scale: Any = op.Constant(value_float=width**-0.5)
    query = op.Mul(query, op.CastLike(scale, query))
    parts = [
        op.Split(tensor, axis=1, num_outputs=heads) for tensor in (query, op.Transpose(key, perm=[0, 1, 3, 2]), value)
    ]
    outputs = []
    for q, k, v in zip(*parts):
        logits = op.MatMul(q, k)
        outputs.append(op.MatMul(op.Softmax(logits if mask is None else op.Add(logits, mask), axis=-1), v))
    return op.Concat(*outputs, axis=1)


@contextmanager
def silence() -> Iterator[None]:
    """Suppress the libraries' messages to their developers."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _reason(fault: BaseException) -> str:
    """The first line of the error's root cause."""
    while fault.__cause__ is not None:
        fault = fault.__cause__
    lines = [line.strip() for line in str(fault).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(fault).__name__
