"""What determines an edit besides the generator's weights: one concept's, a blend's, or each picture's of a batch.

The arrays are NumPy's or PyTorch's, as the prompt's are (`e2gan.models.arrays`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from e2gan.models.arrays import Array, functions_of
from e2gan.models.layout import NEUTRAL, NO_SKIPS, Keeps, Skips, Tone
from e2gan.models.light import Moments, keep, moments_of, toned
from e2gan.models.noise import noisy

if TYPE_CHECKING:
    import torch

__all__ = ["Look", "batched", "blended", "look_of"]


@dataclass(frozen=True)
class Look:
    """What determines an edit besides the generator's weights, a row for each picture; None leaves a part out.

    The functions here make looks of PyTorch on the CPU, except for the prompt; `to` moves them to the generator's
    device.
    """

    prompt: Array
    """(N, T, D): the prompt's tokens, in the generator's type."""
    prompt_bias: Array | None = None
    """(N, T): added to the attention's logits (`e2gan.models.generator.Generator.forward`)."""
    skips: Array | None = None
    """(N, 3): how much bypasses the bottleneck, from the image side inward."""
    noise: Array | None = None
    """(N,): the strength of the noise on the photo (`e2gan.models.noise`)."""
    keeps: tuple[Keeps, ...] = ()
    """What the edits keep of the photo (`e2gan.models.light`); empty if no picture keeps anything."""
    shares: Array | None = None
    """(N, len(keeps)): the share of each kind that a picture keeps; None if all pictures keep the same one kind."""
    tones: Array | None = None
    """(N, 3, 4): the colours in which it is kept; required if ``keeps`` is not empty."""

    def to(self, device: torch.device) -> Look:
        """PyTorch's look on a device."""
        return self._each(lambda value: value.to(device))

    def expand(self, count: int) -> Look:
        """One row for ``count`` pictures."""
        f = functions_of(self.prompt)
        return self._each(lambda value: f.expanded(value, count))

    def before(self, photo: Array, offsets: Array | None = None) -> Array:
        """The photos (N, 3, H, W) in [-1, 1] as the generator sees them.

        Args:
            offsets: (N, 2): each photo's position on the noise tile; its corner if None.
        """
        return photo if self.noise is None else noisy(photo, self.noise, offsets)

    def after(self, made: Array, photo: Array, *, half: bool = False, moments: Moments | None = None) -> Array:
        """The generator's pictures of ``photo`` with what the edits keep of it; the options are `light.keep`'s."""
        if not self.keeps:
            return made
        assert self.tones is not None
        return keep(made, toned(photo, self.tones, half=half), self.keeps, self.shares, half=half, moments=moments)

    def moments(self, parts: Iterable[Array]) -> Moments:
        """What `after` takes from a whole picture, whose parts (1, 3, H, W) these are."""
        if self.tones is None:
            return {}
        tones = self.tones
        return moments_of((toned(part, tones) for part in parts), self.keeps)

    def _each(self, change: Callable[[Array], Array]) -> Look:
        names = ("prompt", "prompt_bias", "skips", "noise", "shares", "tones")
        values = {name: getattr(self, name) for name in names}
        return replace(self, **{name: change(value) for name, value in values.items() if value is not None})


def look_of(
    prompt: Array, keeps: Keeps = Keeps.NOTHING, tone: Tone = NEUTRAL, skips: Skips = NO_SKIPS, noise: float = 0.0
) -> Look:
    """One concept's look, in one row; ``prompt`` is (T, D), the rest as in a concept's manifest."""
    keeps, f = Keeps(keeps), functions_of(prompt)
    return Look(
        prompt[None],
        skips=f.array([skips]) if skips != NO_SKIPS else None,
        noise=f.array([noise]) if noise else None,
        keeps=(keeps,) if keeps != Keeps.NOTHING else (),
        tones=f.array([tone]) if keeps != Keeps.NOTHING else None,
    )


def blended(looks: Sequence[Look], weights: Sequence[float]) -> Look:
    """Mix several concepts' looks, of one row each, by their weights into one row.

    The weights divide the attention between the concepts' prompts.  The tone is the mean of the tones of the
    concepts that keep something.
    """
    if len(looks) == 1:
        return looks[0]
    f = functions_of(looks[0].prompt)
    prompt = f.cat([look.prompt for look in looks], 1)
    bias = [math.log(weight) for look, weight in zip(looks, weights) for _ in range(look.prompt.shape[1])]
    fractions = f.array(weights)
    fractions = fractions / fractions.sum()
    keeps = _kinds(looks)
    weighted = f.stack([_shares(look, keeps) * weight for look, weight in zip(looks, weights)]).sum(0)
    total = sum(weight for look, weight in zip(looks, weights) if look.keeps)
    tones = [look.tones * (weight / total) for look, weight in zip(looks, weights) if look.tones is not None]
    return Look(
        prompt,
        f.like(f.array([bias]), prompt),
        skips=None if (skips := _rows(looks, "skips", (3,))) is None else (fractions @ skips)[None],
        noise=None if (noise := _rows(looks, "noise", ())) is None else (fractions @ noise)[None],
        keeps=keeps,
        shares=(weighted / weighted.sum())[None] if len(keeps) > 1 else None,
        tones=f.cat(tones).sum(0)[None] if tones else None,
    )


def batched(looks: Sequence[Look]) -> Look:
    """Stack the looks of several pictures, of one row each, into one look; shorter prompts are padded."""
    length = max(look.prompt.shape[1] for look in looks)
    first = looks[0].prompt
    f = functions_of(first)
    prompt = f.full((len(looks), length, first.shape[2]), 0, first)
    bias = f.full((len(looks), length), -math.inf, first)
    for row, look in enumerate(looks):
        tokens = look.prompt.shape[1]
        prompt[row, :tokens] = look.prompt[0]
        bias[row, :tokens] = 0
    keeps = _kinds(looks)
    neutral = f.array([NEUTRAL])
    return Look(
        prompt,
        bias,
        skips=_rows(looks, "skips", (3,)),
        noise=_rows(looks, "noise", ()),
        keeps=keeps,
        shares=f.stack([_shares(look, keeps) for look in looks]) if len(keeps) > 1 else None,
        tones=f.cat([neutral if look.tones is None else look.tones for look in looks]) if keeps else None,
    )


def _kinds(looks: Sequence[Look]) -> tuple[Keeps, ...]:
    """The kinds that any of the looks keeps, in the order of `Keeps`; empty if that is only nothing."""
    kinds = {kind for look in looks for kind in look.keeps or (Keeps.NOTHING,)}
    return () if kinds == {Keeps.NOTHING} else tuple(kind for kind in Keeps if kind in kinds)


def _shares(look: Look, keeps: Sequence[Keeps]) -> Array:
    """(len(keeps),): 1 for the one kind that a concept's look keeps, 0 for the others."""
    own = look.keeps[0] if look.keeps else Keeps.NOTHING
    return functions_of(look.prompt).array([float(kind == own) for kind in keeps])


def _rows(looks: Sequence[Look], name: str, shape: tuple[int, ...]) -> Array | None:
    """Each look's row, zeros if it has none; None if no look has one."""
    rows: list[Array | None] = [getattr(look, name) for look in looks]
    if all(row is None for row in rows):
        return None
    f = functions_of(looks[0].prompt)
    zeros = f.array(np.zeros((1, *shape), np.float32))
    return f.cat([zeros if row is None else row for row in rows])
