"""The entry point: the format ``onnx``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import e2gan

if TYPE_CHECKING:
    import click

    from e2gan.hookspecs import Register


@e2gan.hookimpl
def register_exporters(register: Register) -> None:
    register("onnx", _command, summary="a model for onnxruntime and others: float32, float16 or 8 bits")


def _command() -> click.Command:
    from e2gan_onnx.command import onnx

    return onnx
