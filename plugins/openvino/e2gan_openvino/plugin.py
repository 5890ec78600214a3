"""The entry point: the editor's backend ``openvino``, and the folder of its compiled networks."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import e2gan

if TYPE_CHECKING:
    from e2gan.backends import Backend
    from e2gan.base import Base
    from e2gan.hookspecs import RegisterBackend, RegisterFolder

SPEED = 1.2
"""How many times as fast as PyTorch the generator is: both in float32, at 256², on one thread of an EPYC with AVX2."""

MEASURED = ("x86_64", "amd64")
"""The kinds of processors that this holds for.  OpenVINO runs on others, too, but there nobody has measured it."""


@e2gan.hookimpl
def register_backends(register: RegisterBackend) -> None:
    speed = SPEED if platform.machine().lower() in MEASURED else None
    register("openvino", _backend, summary="OpenVINO on a CPU, an Intel GPU or an NPU", speed=speed)


def _backend(base: Base, *, device: str | None, precision: str | None, threads: int | None) -> Backend:
    from e2gan.errors import E2GANError

    try:
        from e2gan_openvino.backend import OpenVinoGenerator
    except (ImportError, OSError) as fault:  # its libraries may not fit this system
        raise E2GANError(
            f"OpenVINO cannot be loaded: {fault}", hint="install it again: pip install --force-reinstall openvino"
        ) from fault
    return OpenVinoGenerator(base, device=device, precision=precision, threads=threads)


@e2gan.hookimpl
def register_folders(register: RegisterFolder) -> None:
    from e2gan_openvino.cache import folder

    register(folder())
