"""coremltools, without its bars, and without its remarks on what a machine other than a Mac cannot do."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from types import ModuleType

from e2gan.errors import E2GANError

__all__ = ["quiet_coremltools"]


@contextmanager
def quiet_coremltools() -> Iterator[ModuleType]:
    """Give the package, and keep it quiet meanwhile.

    It tells that it was not tested with this PyTorch, and, other than on a Mac, that it cannot predict.  Neither
    matters: what it makes is checked, and predicted with only where that can be.

    Raises:
        E2GANError: it is not installed, as there is none for this Python.
    """
    logger = logging.getLogger("coremltools")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            try:
                import coremltools
            except ModuleNotFoundError as fault:
                raise E2GANError(
                    "this needs the package 'coremltools', which is not installed",
                    hint="pip install coremltools; it comes for Python 3.10 to 3.13",
                ) from fault
            yield coremltools
    finally:
        logger.setLevel(level)
