"""The runtimes that an editor's generator may run on: PyTorch, and those that plugins offer.

A plugin offers one with the hook ``register_backends``.  Without a choice of the user's, the editor takes the fastest
on a CPU (`fastest`), and falls back to PyTorch if it cannot start.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

from e2gan.errors import BaseModelError, E2GANError, E2GANWarning
from e2gan.plugins import Entry, registry
from e2gan.tables import shown

if TYPE_CHECKING:
    import numpy as np
    import torch

    from e2gan.base import Base

__all__ = [
    "NO_BFLOAT16",
    "PRECISIONS",
    "TORCH",
    "Backend",
    "fastest",
    "name_of",
    "open_backend",
    "open_fastest",
    "precision_named",
]

TORCH = "torch"
"""The built-in backend's id."""

PRECISIONS = ("float32", "bf16", "float16", "int8")
"""The names of what a backend may compute in; which of them it can depends on the device."""

NO_BFLOAT16 = "this processor does not compute in bf16, so edits are computed in float32"
"""The warning if bf16 is asked for on a processor that would only emulate it."""


class Backend(Protocol):
    """A base's generator on a runtime other than PyTorch.  Arrays are float32.

    A backend need not import PyTorch: :meth:`e2gan.base.Base.weights` gives the base's tensors, and
    :func:`e2gan.models.deltas.folded` adds concepts to them.
    """

    precision: str
    """What it computes in, of `PRECISIONS`."""

    def fold(self, parts: Iterable[tuple[float, Mapping[str, np.ndarray]]]) -> None:
        """Set every crucial layer to the base's weight + Σ weight · ΔW, whatever it held before."""

    def __call__(
        self,
        x: np.ndarray,
        prompt: np.ndarray,
        prompt_bias: np.ndarray | None = None,
        skips: np.ndarray | None = None,
    ) -> np.ndarray:
        """Like :meth:`e2gan.models.generator.Generator.forward`."""


def name_of(dtype: torch.dtype | str) -> str:
    """A type of torch by its name in `PRECISIONS`; a name is returned as it is, apart from torch's own of bf16."""
    return str(dtype).removeprefix("torch.").replace("bfloat16", "bf16")


def precision_named(name: str) -> str:
    """The name in `PRECISIONS`, from itself or from PyTorch's name of the type.

    Raises:
        E2GANError: there is no such precision.
    """
    own = {"bfloat16": "bf16"}.get(name, name)
    if own not in PRECISIONS:
        raise E2GANError(f"the editor does not compute in {shown(name)}", hint=f"one of: {', '.join(PRECISIONS)}")
    return own


def open_backend(
    name: str, base: Base, *, device: str | None = None, precision: str | None = None, threads: int | None = None
) -> Backend:
    """Start a plugin's backend.

    Raises:
        PluginError: there is no such backend.
        E2GANError: it cannot start, or not on that device or in that precision, or there is no such precision.
    """
    factory = registry().get("backend", name).factory
    precision = precision and precision_named(precision)
    backend: Backend = factory(base, device=device, precision=precision, threads=threads)
    return backend


def fastest() -> list[Entry]:
    """The installed backends that are faster than PyTorch on a CPU, the fastest first."""
    entries = [entry for entry in registry().all("backend").values() if entry.speed is not None and entry.speed > 1]
    return sorted(entries, key=lambda entry: -(entry.speed or 0))


def open_fastest(base: Base, *, precision: str | None = None, threads: int | None = None) -> tuple[str, Backend | None]:
    """Start the fastest installed backend, and give its id and itself; `TORCH` and None if that is PyTorch.

    A backend that cannot start is one warning.

    Raises:
        BaseModelError: the base's files are damaged.
        E2GANError: there is no such precision.
    """
    precision = precision and precision_named(precision)
    for entry in fastest():
        try:
            return entry.id, open_backend(entry.id, base, precision=precision, threads=threads)
        except BaseModelError:
            raise
        # Whatever is wrong with a runtime, there is another.
        except Exception as fault:
            reason = str(fault) if isinstance(fault, E2GANError) else f"{type(fault).__name__}: {fault}"
            reason = " ".join(reason.split())[:300]
            warnings.warn(f"the backend '{entry.id}' cannot be used: {reason}", E2GANWarning, stacklevel=3)
    return TORCH, None
