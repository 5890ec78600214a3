"""The whole edit as one network, photo in and picture out: the generator, and what stands before and after it."""

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
    """What makes an edit besides the generator's weights, a row for each picture; None leaves its part out.

    What makes looks here leaves them on the CPU, but for the prompt; `to` brings them to the generator's device.
    """

    prompt: Tensor
    """(N, T, D): the prompt's tokens, in the type that the generator computes in."""
    prompt_bias: Tensor | None = None
    """(N, T): added to the attention's logits (`e2gan.models.generator.Generator.forward`)."""
    skips: Tensor | None = None
    """(N, 3): how much goes round the bottleneck, from the image side inward."""
    noise: Tensor | None = None
    """(N,): the strength of the noise on the photo (`e2gan.models.noise`)."""
    keeps: tuple[Keeps, ...] = ()
    """What of the photo is kept (`e2gan.models.light`); empty where no picture keeps anything."""
    shares: Tensor | None = None
    """(N, len(keeps)): how much each picture keeps of what; None where all keep the same one thing."""
    tones: Tensor | None = None
    """(N, 3, 4): in which colours it is kept; needed where ``keeps`` is not empty."""

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
    """One concept's look, in one row; ``prompt`` is (T, D).  The rest is as in a concept's manifest."""
    keeps = Keeps(keeps)
    return Look(
        prompt[None],
        skips=torch.tensor([skips]) if skips != NO_SKIPS else None,
        noise=torch.tensor([noise]) if noise else None,
        keeps=(keeps,) if keeps != Keeps.NOTHING else (),
        tones=torch.tensor([tone]) if keeps != Keeps.NOTHING else None,
    )


def blended(looks: Sequence[Look], weights: Sequence[float]) -> Look:
    """Several concepts' looks, of one row each, mixed by their weights into one row.

    The attention is shared between the concepts' prompts as the weights say.  The tone is a mean of those of the
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
    """The looks of several pictures, of one row each, as the rows of one; shorter prompts are padded."""
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
    """What any of the looks keeps, in the order of `Keeps`; empty where that is nothing."""
    kinds = {kind for look in looks for kind in look.keeps or (Keeps.NOTHING,)}
    return () if kinds == {Keeps.NOTHING} else tuple(kind for kind in Keeps if kind in kinds)


def _shares(look: Look, keeps: Sequence[Keeps]) -> Tensor:
    """(len(keeps),): 1 for the one thing that a concept's look keeps, 0 for the others."""
    own = look.keeps[0] if look.keeps else Keeps.NOTHING
    return torch.tensor([float(kind == own) for kind in keeps])


def _rows(looks: Sequence[Look], name: str, shape: tuple[int, ...]) -> Tensor | None:
    """Each look's row, zeros where it has none; None where no look has one."""
    rows: list[Tensor | None] = [getattr(look, name) for look in looks]
    if all(row is None for row in rows):
        return None
    return torch.cat([torch.zeros(1, *shape) if row is None else row for row in rows])


class Edit(nn.Module):
    """The whole edit as one network.  The editor, the training and the exporters all compute an edit by it.

    Args:
        generator: a `Generator`, or what is called as one: an adapter on one, or the same on another runtime.
        at_once: compute the last convolution for 2×2 pixels at once (`e2gan.models.generator.OutConv`), for edits on
            a CPU.
        half: take the sums in the form that half precision can hold, for a runtime that computes all of them in it,
            and for photos of one concept.  An `Editor` of half precision computes what is kept of the photo in float32.
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
            look: of N rows.
            offsets: (N, 2): where on the tile of noise each photo lies; at its corner if None.

        Returns:
            (N, 3, H, W) float32; where something of the photo is kept it may leave [-1, 1].
        """
        x = self.with_noise(photo, look, offsets).to(look.prompt.dtype)
        skips = () if look.skips is None else (look.skips,)
        edit: Tensor = self.generator(x, look.prompt, look.prompt_bias, *skips).float()
        if not look.keeps:
            return edit
        assert look.tones is not None
        return keep(edit, toned(photo, look.tones, half=self.in_half), look.keeps, look.shares, half=self.in_half)

    def with_noise(self, photo: Tensor, look: Look, offsets: Tensor | None) -> Tensor:
        """What the generator sees of the photos."""
        return photo if look.noise is None else noisy(photo, look.noise, offsets)
