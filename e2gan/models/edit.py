"""An edit, from photo to picture: the generator, and what stands before and after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from e2gan.models.layout import KEEPS, NEUTRAL, NO_SKIPS, Skips, Tone
from e2gan.models.light import keep, keep_shares, mix_tones, toned
from e2gan.models.noise import noisy

__all__ = ["Look", "edited", "look_of"]


@dataclass(frozen=True)
class Look:
    """What makes an edit besides the generator's weights, a row for each picture; None leaves its part out."""

    prompt: Tensor
    """(N, T, D): the prompt's tokens."""
    prompt_bias: Tensor | None = None
    """(N, T): added to the attention's logits (`e2gan.models.generator.Generator.forward`)."""
    skips: Tensor | None = None
    """(N, 3): how much goes round the bottleneck, from the image side inward."""
    noise: Tensor | None = None
    """(N,): the strength of the noise on the photo (`e2gan.models.noise`)."""
    shares: Tensor | None = None
    """(N, K): what of the photo is kept (`e2gan.models.light.keep_shares`)."""
    tones: Tensor | None = None
    """(N, 3, 4): in which colours it is kept; there where ``shares`` is."""

    def to(self, device: torch.device) -> Look:
        return self._each(lambda value: value.to(device))

    def expand(self, count: int) -> Look:
        """One row for ``count`` pictures."""
        return self._each(lambda value: value.expand(count, *value.shape[1:]))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Look:
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        changed: dict[str, Any] = {name: None if value is None else change(value) for name, value in values}
        return Look(**changed)


def look_of(
    prompt: Tensor, keeps: str = KEEPS[0], tone: Tone = NEUTRAL, skips: Skips = NO_SKIPS, noise: float = 0.0
) -> Look:
    """One concept's look, in one row; ``prompt`` is (T, D).  The rest is as in a concept's manifest."""
    return Look(
        prompt[None],
        skips=torch.tensor([skips]) if skips != NO_SKIPS else None,
        noise=torch.tensor([noise]) if noise else None,
        shares=keep_shares((keeps, 1))[None] if keeps != KEEPS[0] else None,
        tones=mix_tones((tone, 1))[None] if keeps != KEEPS[0] else None,
    )


def edited(generate: Callable[..., Tensor], photo: Tensor, look: Look, offsets: Tensor | None = None) -> Tensor:
    """Photos under a look.

    Args:
        generate: called as ``generate(photo, prompt, prompt_bias)``, with ``skips`` behind it where there are some.
        photo: (N, 3, H, W) in [-1, 1].
        offsets: (N, 2): where on the tile of noise each photo lies; at its corner if None.

    Returns:
        (N, 3, H, W) float32; where something of the photo is kept it may leave [-1, 1].
    """
    x = photo if look.noise is None else noisy(photo, look.noise, offsets)
    skips: tuple[Any, ...] = () if look.skips is None else (look.skips,)
    made = generate(x, look.prompt, look.prompt_bias, *skips).float()
    if look.shares is None:
        return made
    assert look.tones is not None
    return keep(made, toned(photo, look.tones), look.shares)
