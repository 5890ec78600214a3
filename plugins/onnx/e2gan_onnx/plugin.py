"""The entry point: the format ``onnx``, and the editor's backend ``onnxruntime``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import e2gan

if TYPE_CHECKING:
    import click

    from e2gan.base import Base
    from e2gan.editor import Backend
    from e2gan.hookspecs import Register


@e2gan.hookimpl
def register_exporters(register: Register) -> None:
    register("onnx", _command, summary="a model for onnxruntime and others: float32, float16 or 8 bits")


def _command() -> click.Command:
    from e2gan_onnx.command import onnx

    return onnx


@e2gan.hookimpl
def register_backends(register: Register) -> None:
    register("onnxruntime", _backend, summary="onnxruntime on the CPU, in float32")


def _backend(base: Base, threads: int | None) -> Backend:
    from e2gan_onnx.backend import OnnxGenerator

    return OnnxGenerator(base, threads)
