"""Read a saved package and execute its program; Core ML itself predicts on Apple's systems only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from e2gan.errors import E2GANError
from e2gan_coreml.operations import OPERATIONS, UnsupportedError
from e2gan_coreml.tools import quiet_coremltools

__all__ = ["Program"]

MODEL = Path("Data", "com.apple.CoreML", "model.mlmodel")
WEIGHTS = Path("Data", "com.apple.CoreML", "weights")
"""Paths of the program and of the weights' folder in a package."""


class Program:
    """The program of a package, as Core ML reads it.

    Each operation computes in float32 and rounds its result to the type in the program, float16 for nearly all.
    Hardware that multiplies in half precision and sums in single precision does the same.
    """

    def __init__(self, package: str | os.PathLike[str], *, name: object = None) -> None:
        """Read a package; errors call it by ``name``, or by its path.

        Raises:
            E2GANError: it is not a package, or it is damaged.
            UnsupportedError: it uses an operation that is not implemented here.
        """
        self.path = Path(package)
        self._name = name or self.path
        with quiet_coremltools() as ct:
            from coremltools.converters.mil.frontend.milproto import load

            try:
                self.spec = ct.utils.load_spec(str(self.path / MODEL))
                program = load.load(self.spec, self.spec.specificationVersion, str(self.path / WEIGHTS))
            # Each parser raises its own exceptions for a damaged file.
            except Exception as fault:
                reason = " ".join(str(fault).split())[:200] or type(fault).__name__
                raise E2GANError(f"{self._name}: not a sound Core ML package: {reason}") from fault
        self._functions = program.functions
        if set(self.functions) != set(self._functions):
            raise E2GANError(
                f"{self._name}: not a sound Core ML package: its description and its functions do not match"
            )
        for function, block in self._functions.items():
            for operation in block.operations:
                kind = operation.op_type
                if kind not in OPERATIONS and kind != "const" and not kind.startswith("constexpr_"):
                    raise self._unsupported(function, f"the operation '{kind}'")

    @property
    def functions(self) -> tuple[str, ...]:
        """The functions' names, in the order of the concepts."""
        return tuple(function.name for function in self.spec.description.functions) or tuple(self._functions)

    @property
    def metadata(self) -> dict[str, str]:
        """Author, licence, version, description, and the package's other metadata."""
        about = self.spec.description.metadata
        return {
            "author": about.author,
            "license": about.license,
            "version": about.versionString,
            "description": about.shortDescription,
            **about.userDefined,
        }

    @torch.inference_mode()
    def run(self, function: str, photo: np.ndarray) -> np.ndarray:
        """Edit a photo, (H, W, 3) uint8, with one of the package's functions, to an edit of the same form."""
        block = self._functions[function]
        (name,) = block.inputs
        values: dict[str, Any] = {name: torch.from_numpy(photo.copy()).permute(2, 0, 1)[None].float()}
        for operation in block.operations:
            if operation.op_type == "const":
                result = [_constant(operation.outputs[0].val)]
            elif operation.op_type.startswith("constexpr_"):
                result = [_constant(operation.materialized_val_inference())]
            else:
                result = self._compute(function, operation, values)
            for variable, value in zip(operation.outputs, result, strict=True):
                values[variable.name] = _rounded(value, variable)
        (edit,) = (values[variable.name] for variable in block.outputs)
        return edit[0].permute(1, 2, 0).numpy().clip(0, 255).astype(np.uint8)

    def _compute(self, function: str, operation: Any, known: dict[str, Any]) -> list[Any]:
        arguments = {
            name: [known[binding.name] for binding in given] if isinstance(given, (list, tuple)) else known[given.name]
            for name, given in operation.inputs.items()
            if given is not None
        }
        kind = operation.op_type
        try:
            result = OPERATIONS[kind](**arguments)
        except UnsupportedError as fault:
            raise self._unsupported(function, f"{fault} in '{kind}'") from None
        except TypeError as fault:  # an argument that the function lacks
            raise self._unsupported(function, f"the operation '{kind}' in this form ({fault})") from fault
        return list(result) if isinstance(result, (list, tuple)) else [result]

    def _unsupported(self, function: str, what: str) -> UnsupportedError:
        return UnsupportedError(
            f"{self._name}: the check does not support {what}, which the function '{function}' uses",
            hint="--no-check exports without it",
        )


def _constant(value: Any) -> Any:
    """Several floating-point numbers become a tensor, integers a list."""
    if isinstance(value, np.ndarray) and value.ndim and value.dtype.kind == "f":
        return torch.from_numpy(value.astype(np.float32))
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def _rounded(value: Any, variable: Any) -> Any:
    """The value rounded to the variable's type, in float32."""
    from coremltools.converters.mil.mil import types

    half = isinstance(value, Tensor) and value.is_floating_point() and variable.dtype == types.fp16
    return value.half().float() if half else value
