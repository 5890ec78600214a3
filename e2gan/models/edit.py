"""The whole edit as one network, photo in and picture out: the generator, and what comes before and after it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from e2gan.models.generator import OutConv, UpConv
from e2gan.models.layout import NEUTRAL, NO_SKIPS, Keeps, Skips, Tone
from e2gan.models.light import keep, toned
from e2gan.models.noise import noisy

__all__ = ["Edit", "Look", "batched", "blended", "look_of"]


@dataclass(frozen=True)
class Look:
    """What determines an edit besides the generator's weights, a row for each picture; None leaves a part out.

    The functions here make looks on the CPU, except for the prompt; `to` moves them to the generator's device.
    """

    prompt: Tensor
    """(N, T, D): the prompt's tokens, in the generator's type."""
    prompt_bias: Tensor | None = None
    """(N, T): added to the attention's logits (`e2gan.models.generator.Generator.forward`)."""
    skips: Tensor | None = None
    """(N, 3): how much bypasses the bottleneck, from the image side inward."""
    noise: Tensor | None = None
    """(N,): the strength of the noise on the photo (`e2gan.models.noise`)."""
    keeps: tuple[Keeps, ...] = ()
    """What the edits keep of the photo (`e2gan.models.light`); empty if no picture keeps anything."""
    shares: Tensor | None = None
    """(N, len(keeps)): the share of each kind that a picture keeps; None if all pictures keep the same one kind."""
    tones: Tensor | None = None
    """(N, 3, 4): the colours in which it is kept; required if ``keeps`` is not empty."""

    def to(self, device: torch.device) -> Look:
        return self._each(lambda value: value.to(device))

    def expand(self, count: int) -> Look:
        """One row for ``count`` pictures."""
        return self._each(lambda value: value.expand(count, *value.shape[1:]))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Look:
        changed: dict[str, Any] = {
            name: change(value) for name, value in vars(self).items() if isinstance(value, Tensor)
        }
        return replace(self, **changed)


def look_of(
    prompt: Tensor, keeps: Keeps = Keeps.NOTHING, tone: Tone = NEUTRAL, skips: Skips = NO_SKIPS, noise: float = 0.0
) -> Look:
    """One concept's look, in one row; ``prompt`` is (T, D), the rest as in a concept's manifest."""
    keeps = Keeps(keeps)
    return Look(
        prompt[None],
        skips=torch.tensor([skips]) if skips != NO_SKIPS else None,
        noise=torch.tensor([noise]) if noise else None,
        keeps=(keeps,) if keeps != Keeps.NOTHING else (),
        tones=torch.tensor([tone]) if keeps != Keeps.NOTHING else None,
    )


def blended(looks: Sequence[Look], weights: Sequence[float]) -> Look:
    """Mix several concepts' looks, of one row each, by their weights into one row.

    The weights divide the attention between the concepts' prompts.  The tone is the mean of the tones of the
    concepts that keep something.
    """
    if len(looks) == 1:
        return looks[0]
    prompt = torch.cat([look.prompt for look in looks], dim=1)
    bias = [math.log(weight) for look, weight in zip(looks, weights) for _ in range(look.prompt.shape[1])]
    fractions = torch.tensor(weights)
    fractions = fractions / fractions.sum()
    keeps = _kinds(looks)
    weighted = torch.stack([_shares(look, keeps) * weight for look, weight in zip(looks, weights)]).sum(0)
    total = sum(weight for look, weight in zip(looks, weights) if look.keeps)
    tones = [look.tones * (weight / total) for look, weight in zip(looks, weights) if look.tones is not None]
    return Look(
        prompt,
        torch.tensor([bias], dtype=prompt.dtype, device=prompt.device),
        skips=None if (skips := _rows(looks, "skips", (3,))) is None else (fractions @ skips)[None],
        noise=None if (noise := _rows(looks, "noise", ())) is None else (fractions @ noise)[None],
        keeps=keeps,
        shares=(weighted / weighted.sum())[None] if len(keeps) > 1 else None,
        tones=torch.cat(tones).sum(0, keepdim=True) if tones else None,
    )


def batched(looks: Sequence[Look]) -> Look:
    """Stack the looks of several pictures, of one row each, into one look; shorter prompts are padded."""
    length = max(look.prompt.shape[1] for look in looks)
    first = looks[0].prompt
    prompt = first.new_zeros(len(looks), length, first.shape[2])
    bias = first.new_full((len(looks), length), -math.inf)
    for row, look in enumerate(looks):
        tokens = look.prompt.shape[1]
        prompt[row, :tokens] = look.prompt[0]
        bias[row, :tokens] = 0
    keeps = _kinds(looks)
    neutral = torch.tensor([NEUTRAL])
    return Look(
        prompt,
        bias,
        skips=_rows(looks, "skips", (3,)),
        noise=_rows(looks, "noise", ()),
        keeps=keeps,
        shares=torch.stack([_shares(look, keeps) for look in looks]) if len(keeps) > 1 else None,
        tones=torch.cat([neutral if look.tones is None else look.tones for look in looks]) if keeps else None,
    )


def _kinds(looks: Sequence[Look]) -> tuple[Keeps, ...]:
    """The kinds that any of the looks keeps, in the order of `Keeps`; empty if that is only nothing."""
    kinds = {kind for look in looks for kind in look.keeps or (Keeps.NOTHING,)}
    return () if kinds == {Keeps.NOTHING} else tuple(kind for kind in Keeps if kind in kinds)


def _shares(look: Look, keeps: Sequence[Keeps]) -> Tensor:
    """(len(keeps),): 1 for the one kind that a concept's look keeps, 0 for the others."""
    own = look.keeps[0] if look.keeps else Keeps.NOTHING
    return torch.tensor([float(kind == own) for kind in keeps])


def _rows(looks: Sequence[Look], name: str, shape: tuple[int, ...]) -> Tensor | None:
    """Each look's row, zeros if it has none; None if no look has one."""
    rows: list[Tensor | None] = [getattr(look, name) for look in looks]
    if all(row is None for row in rows):
        return None
    return torch.cat([torch.zeros(1, *shape) if row is None else row for row in rows])


class Edit(nn.Module):
    """The whole edit as one network.  The editor, the training and the exporters all compute edits with it.

    Args:
        generator: a `Generator`, or anything called like one: one with an adapter, or one on another runtime.
        at_once: compute the last convolution for 2×2 pixels at once (`e2gan.models.generator.OutConv`), for edits on
            a CPU.
        half: compute sums in a form that half precision can hold, for a runtime that computes everything in it,
            and for photos of one concept.  A half-precision `Editor` computes what is kept of the photo in float32.
    """

    def __init__(self, generator: Callable[..., Tensor], *, at_once: bool = False, half: bool = False) -> None:
        super().__init__()
        self.generator = generator
        self.in_half = half
        for module in generator.modules() if isinstance(generator, nn.Module) else ():
            if isinstance(module, OutConv):
                module.at_once = at_once
            elif isinstance(module, UpConv):
                module.in_two_steps = half

    def forward(self, photo: Tensor, look: Look, offsets: Tensor | None = None) -> Tensor:
        """Edit photos.

        Args:
            photo: (N, 3, H, W) in [-1, 1]; H and W are multiples of the generator's stride.
            look: a look of N rows.
            offsets: (N, 2): each photo's position on the noise tile; its corner if None.

        Returns:
            (N, 3, H, W) float32; if part of the photo is kept, values may leave [-1, 1].
        """
        x = self.with_noise(photo, look, offsets).to(look.prompt.dtype)
        skips = () if look.skips is None else (look.skips,)
        edit: Tensor = self.generator(x, look.prompt, look.prompt_bias, *skips).float()
        if not look.keeps:
            return edit
        assert look.tones is not None
        return keep(edit, toned(photo, look.tones, half=self.in_half), look.keeps, look.shares, half=self.in_half)

    def with_noise(self, photo: Tensor, look: Look, offsets: Tensor | None) -> Tensor:
        """The photos as the generator sees them."""
        return photo if look.noise is None else noisy(photo, look.noise, offsets)
