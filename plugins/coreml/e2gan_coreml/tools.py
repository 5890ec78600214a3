"""coremltools, without its progress bars and without its warnings about machines other than Macs."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from types import ModuleType

from e2gan.errors import E2GANError
from e2gan.installing import install_command
from e2gan.quiet import quiet_import

__all__ = ["quiet_coremltools"]


@contextmanager
def quiet_coremltools() -> Iterator[ModuleType]:
    """Yield the package, and silence it in the meantime.

    It warns that it was not tested with this PyTorch and, on machines other than Macs, that it cannot predict.
    Neither matters: its result is checked, and only a Mac predicts with it.

    Raises:
        E2GANError: it is not installed, for example because this Python has no build of it.
    """
    logger = logging.getLogger("coremltools")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            try:
                with quiet_import():  # it tries torchao, which logs what it cannot load here
                    import coremltools
            except ModuleNotFoundError as fault:
                raise E2GANError(
                    "this needs the package 'coremltools', which is not installed",
                    hint=f"{install_command('coremltools')}; it supports Python 3.10 to 3.13",
                ) from fault
            yield coremltools
    finally:
        logger.setLevel(level)
