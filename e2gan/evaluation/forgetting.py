"""Whether the base still does what it did, with a concept's adapter folded out and with it folded in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from e2gan.base import Base
from e2gan.concept import Concept
from e2gan.errors import DataError, E2GANError
from e2gan.models.deltas import delta_weights
from e2gan.models.edit import Edit
from e2gan.models.generator import Generator
from e2gan.models.layout import NEUTRAL, NO_SKIPS, Keeps, Skips, Tone
from e2gan.models.look import look_of
from e2gan.models.lora import CrucialWeights

__all__ = ["Drift", "Forgetting", "measure_forgetting"]

PICTURES = 8
"""Maximum number of photos."""

SIDE = 128
"""Side of the squares cut from their middles, in pixels: the size the base was trained on."""


@dataclass(frozen=True)
class Drift:
    """How far an adapter changes what the base does for one of its own prompts."""

    l1: float
    """Mean absolute difference between the base's picture with and without the adapter, on values from 0 to 1."""
    edit: float
    """The same between the base's picture and the photo: how much the base itself changes."""


@dataclass(frozen=True)
class Forgetting:
    """What an adapter does to the base."""

    bit_exact: bool
    """Whether the base, after the adapter was folded in and out, has the same weights and gives the same pictures,
    to the last bit."""
    pictures: int
    drifts: Mapping[str, Drift]
    """Forgetting while folded in, by the base's concept; empty if it could not be measured."""
    unmeasured: str
    """Why it could not be measured, or empty."""

    def to_dict(self) -> dict[str, Any]:
        """For TOML and JSON."""
        table: dict[str, Any] = {"bit_exact_when_folded_out": self.bit_exact, "pictures": self.pictures}
        if self.drifts:
            l1, edit = (np.mean([getattr(drift, name) for drift in self.drifts.values()]) for name in ("l1", "edit"))
            table["drift"], table["base_edit"] = (float(f"{value:.4g}") for value in (l1, edit))
            table["drifts"] = {id: float(f"{drift.l1:.4g}") for id, drift in self.drifts.items()}
        return table


def measure_forgetting(
    base: Base,
    concept: Concept,
    photos: Sequence[Image.Image],
    *,
    device: str | torch.device = "cpu",
    encode: Callable[[str], np.ndarray] | None = None,
) -> Forgetting:
    """Fold a concept's adapter into its base and out again, and compare, in float32.

    Args:
        base: the base the concept was made for.
        concept: the concept.
        photos: any number; `PICTURES` of them are used.
        device: where to compute.
        encode: the prompt encoder of the base, prompt to (T, D); by default the one that comes with the extra
            ``train``.

    Raises:
        DataError: there are no photos.
        ConceptError: the concept is not trained, or was made for another base.
    """
    if not photos:
        raise DataError("measuring forgetting needs at least one photo")
    x = _squares(photos).to(device)
    adapter = concept.load(base)
    deltas = delta_weights(base.config, {name: torch.from_numpy(t).to(device) for name, t in adapter.tensors.items()})
    generator = base.generator().to(device)
    crucial = CrucialWeights(generator)
    edit = Edit(generator, at_once=x.device.type == "cpu")
    prompts, unmeasured = _base_prompts(base, encode)

    weights = _digest(generator)
    itself = _Known(concept.id, adapter.prompt, concept.keeps, concept.tone, concept.skips, concept.noise)
    own = _edited(edit, x, itself)
    before = {prompt.id: _edited(edit, x, prompt) for prompt in prompts}
    crucial.fold([(1.0, deltas)])
    folded = {prompt.id: _edited(edit, x, prompt) for prompt in prompts}
    crucial.unfold()
    again = _edited(edit, x, itself)
    bit_exact = _digest(generator) == weights and torch.equal(again, own)
    # Pictures are in [-1, 1]; the figures are for values from 0 to 1.
    drifts = {id: Drift(_l1(folded[id], before[id]) / 2, _l1(before[id], x) / 2) for id in before}
    return Forgetting(bit_exact, len(x), drifts, unmeasured)


class _Known(NamedTuple):
    """A concept the base was trained on, or the one that is measured."""

    id: str
    prompt: np.ndarray
    keeps: Keeps = Keeps.NOTHING
    tone: Tone = NEUTRAL
    skips: Skips = NO_SKIPS
    noise: float = 0.0


def _base_prompts(base: Base, encode: Callable[[str], np.ndarray] | None) -> tuple[list[_Known], str]:
    """The concepts that the base was trained on, or why they are unknown."""
    concepts = base.manifest.get("recipe", {}).get("concepts", [])
    if not concepts:
        return [], f"the base '{base.id}' does not say which concepts it was trained on"
    try:
        if encode is None:
            from e2gan.models.prompt import PromptEncoder

            encode = PromptEncoder().encode
        settings = ("keeps", "tone", "skips", "noise")
        prompts = [
            _Known(c["id"], encode(c["prompt"]), **{name: c[name] for name in settings if name in c}) for c in concepts
        ]
    except E2GANError as error:
        return [], str(error)
    if prompts[0].prompt.shape[1] != base.config.prompt_dim:
        return [], f"the prompt encoder is not the one the base '{base.id}' was trained with"
    return prompts, ""


@torch.inference_mode()
def _edited(edit: Edit, x: Tensor, known: _Known) -> Tensor:
    """The pictures as a user sees them, (N, 3, H, W) in [-1, 1]."""
    look = look_of(torch.from_numpy(known.prompt), *known[2:]).to(x.device)
    pictures: Tensor = edit(x, look.expand(len(x)))
    return pictures.clamp(-1, 1)


def _squares(photos: Sequence[Image.Image]) -> Tensor:
    """(N, 3, SIDE, SIDE) in [-1, 1]: the middles of at most `PICTURES` photos, evenly spread."""
    chosen = [photos[int(i)] for i in np.linspace(0, len(photos) - 1, min(PICTURES, len(photos)))]
    squares = []
    for photo in chosen:
        left, top = (photo.width - SIDE) // 2, (photo.height - SIDE) // 2
        square = photo.convert("RGB").crop((left, top, left + SIDE, top + SIDE))
        squares.append(np.asarray(square, np.float32).transpose(2, 0, 1) / 127.5 - 1)
    return torch.from_numpy(np.stack(squares))


def _l1(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().mean())


def _digest(generator: Generator) -> str:
    """SHA-256 over every weight."""
    digest = hashlib.sha256()
    for name, tensor in sorted(generator.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.cpu().numpy().tobytes())
    return digest.hexdigest()
