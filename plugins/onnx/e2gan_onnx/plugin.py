"""The entry point: the format ``onnx``, and the editor's backend ``onnxruntime``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import e2gan

if TYPE_CHECKING:
    import click

    from e2gan.backends import Backend
    from e2gan.base import Base
    from e2gan.hookspecs import Register, RegisterBackend


@e2gan.hookimpl
def register_exporters(register: Register) -> None:
    register("onnx", _command, summary="a model for onnxruntime and others: float32, float16 or 8 bits")


def _command() -> click.Command:
    from e2gan_onnx.command import onnx

    return onnx


@e2gan.hookimpl
def register_backends(register: RegisterBackend) -> None:
    register("onnxruntime", _backend, summary="onnxruntime on the CPU, in float32")


def _backend(base: Base, *, device: str | None, precision: str | None, threads: int | None) -> Backend:
    from e2gan.errors import E2GANError

    if device not in (None, "cpu") or precision not in (None, "float32"):
        raise E2GANError(
            "the backend 'onnxruntime' computes on the CPU, in float32", hint="leave out the device and the precision"
        )
    from e2gan_onnx.backend import OnnxGenerator

    return OnnxGenerator(base, threads)
