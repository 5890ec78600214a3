"""Where the editor's generator runs, with the concepts that are loaded and folded in there."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from e2gan.backends import Backend
from e2gan.base import Base
from e2gan.blend import Part
from e2gan.concept import ADAPTER, PROMPT, Concept
from e2gan.models.arrays import Array
from e2gan.models.deltas import delta_weights
from e2gan.models.layout import GeneratorConfig
from e2gan.models.look import Look, blended, look_of

__all__ = ["LOADED", "BackendEdits", "Edits", "Runtime"]

LOADED = 16
"""Maximum concepts kept ready; each takes about 14 MB for the ΔW of every crucial layer."""


class Edits(Protocol):
    """The whole edit, from picture to picture: `BackendEdits`, or `e2gan.pytorch.TorchEdits`."""

    precision: str

    def deltas(self, tensors: Mapping[str, np.ndarray]) -> Mapping[str, Any]:
        """ΔW by layer, float32, of an adapter's factors."""

    def prompt(self, prompt: np.ndarray) -> Array:
        """(T, D), in the generator's type."""

    def fold(self, parts: Iterable[tuple[float, Mapping[str, Any]]]) -> None:
        """Set every crucial layer to the base's weight + Σ weight · ΔW, whatever it held before."""

    def __call__(self, x: np.ndarray, look: Look) -> np.ndarray:
        """(N, 3, H, W) float32 in [-1, 1] to its edit; ``look`` has one row."""


class BackendEdits:
    """The whole edit on another runtime than PyTorch; what surrounds its generator is computed by NumPy."""

    def __init__(self, config: GeneratorConfig, backend: Backend) -> None:
        self.backend, self.precision, self.fold = backend, backend.precision, backend.fold
        self._config = config

    def deltas(self, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return delta_weights(self._config, tensors)

    def prompt(self, prompt: np.ndarray) -> np.ndarray:
        return prompt

    def __call__(self, x: np.ndarray, look: Look) -> np.ndarray:
        look = look.expand(len(x))
        edit: np.ndarray = look.after(self.backend(look.before(x), look.prompt, look.prompt_bias, look.skips), x)
        return edit


E = TypeVar("E", bound=Edits)


@dataclass(frozen=True, eq=False)
class _Loaded:
    deltas: Mapping[str, Any]
    """ΔW by layer, float32, where the runtime folds them."""
    prompt: Array
    """(T, D), in the generator's type."""


class Runtime(Generic[E]):
    """A base's generator in one place, and the concepts in it.

    The base's weights never change: every blend folds base + ΔW into the working copies of the crucial layers from
    pristine ones, so no concept leaves a trace.
    """

    def __init__(self, base: Base, edits: E) -> None:
        self.edits = edits
        self._base = base
        self._loaded: OrderedDict[tuple[object, ...], _Loaded] = OrderedDict()
        self._folded: list[tuple[_Loaded, float]] | None = []

    def look(self, parts: Sequence[Part]) -> Look:
        """Fold concepts in, as `fold`; returns what else the edit with them needs."""
        looks = [_look(part.concept, prompt) for part, prompt in zip(parts, self.fold(parts))]
        return blended(looks, [part.weight for part in parts])

    def fold(self, parts: Sequence[Part]) -> list[Array]:
        """Load concepts and fold them in, unless they already are; returns their prompts.

        Raises:
            ConceptError: a concept is malformed, untrained or made for another base.
        """
        loaded = [self._load(part.concept) for part in parts]
        folded = [(adapter, part.weight) for adapter, part in zip(loaded, parts)]
        if folded != self._folded:
            self._folded = None  # unknown, in case folding fails half-way
            self.edits.fold([(weight, adapter.deltas) for adapter, weight in folded])
            self._folded = folded
        return [adapter.prompt for adapter in loaded]

    def _load(self, concept: Concept) -> _Loaded:
        """The concept ready to fold, from memory if its files have not changed."""
        key = (concept.path.absolute(), *_stamps(concept))
        if key in self._loaded:
            self._loaded.move_to_end(key)
            return self._loaded[key]
        adapter = concept.load(self._base)
        self._loaded[key] = _Loaded(self.edits.deltas(adapter.tensors), self.edits.prompt(adapter.prompt))
        if len(self._loaded) > LOADED:
            self._loaded.popitem(last=False)
        return self._loaded[key]


def _look(concept: Concept, prompt: Array) -> Look:
    return look_of(prompt, concept.keeps, concept.tone, concept.skips, concept.noise)


def _stamps(concept: Concept) -> tuple[int, ...]:
    """The modification times of the files that are loaded."""
    try:
        return tuple((concept.path / name).stat().st_mtime_ns for name in (ADAPTER, PROMPT))
    except OSError:  # missing, which loading reports
        return ()
