"""The entry point: the editor's backend ``openvino``, and the folder of its compiled networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import e2gan

if TYPE_CHECKING:
    from e2gan.backends import Backend
    from e2gan.base import Base
    from e2gan.hookspecs import RegisterBackend, RegisterFolder


@e2gan.hookimpl
def register_backends(register: RegisterBackend) -> None:
    # By benchmarks.backends, on processors with AVX-512 BF16.
    register("openvino", _backend, summary="OpenVINO on a CPU, an Intel GPU or an NPU", speed=1.3)


def _backend(base: Base, *, device: str | None, precision: str | None, threads: int | None) -> Backend:
    from e2gan.errors import E2GANError
    from e2gan.installing import install_command

    try:
        from e2gan_openvino.backend import OpenVinoGenerator
    except (ImportError, OSError) as fault:  # its libraries may not fit this system
        raise E2GANError(
            f"OpenVINO cannot be loaded: {fault}",
            hint=f"install it again: {install_command('openvino')} --force-reinstall",
        ) from fault
    return OpenVinoGenerator(base, device=device, precision=precision, threads=threads)


@e2gan.hookimpl
def register_folders(register: RegisterFolder) -> None:
    from e2gan_openvino.cache import folder

    register(folder())
