"""Prompt-to-prompt: the edited picture looks where the photo looked (Hertz et al. 2023, §3 and Algorithm 1)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0

from e2gan_teachers.diffusion.words import TokenMap

__all__ = ["PromptToPrompt", "controlled"]


@dataclass
class PromptToPrompt:
    """Puts the source's attention maps into the target's.

    The network is run on four batches of photos at once: source and target without the prompts, source and target
    with them.  Only the last, the target with its prompt, is changed.
    """

    tokens: TokenMap
    cross_steps: int
    """In this many first steps the cross-attention maps come from the source, moved and weighted by `tokens`."""
    self_steps: int
    """In this many first steps the self-attention maps come from the source."""
    self_pixels: int
    """Self-attention maps of up to this many pixels are replaced; finer layers keep theirs, which make textures."""
    step: int = 0
    """The current denoising step; the denoising loop sets it."""

    def changes(self, cross: bool, pixels: int) -> bool:
        """Whether maps of this kind and size (queries) are changed in this step."""
        return self.step < self.cross_steps if cross else self.step < self.self_steps and pixels <= self.self_pixels

    def __call__(self, maps: torch.Tensor, cross: bool) -> torch.Tensor:
        """(4, photos × heads, pixels, keys) attention maps to the same shape, with the target's maps changed."""
        source, target = maps[2], maps[3]
        edited = self._cross(source, target) if cross else source
        return torch.stack([maps[0], maps[1], source, edited])

    def _cross(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        # Word swap and refinement, then re-weighting: §3.2; the maps' sums are not normalised, as in the authors' code.
        mapper, covered, weights = (
            tensor.to(source) for tensor in (self.tokens.mapper, self.tokens.covered, self.tokens.weights)
        )
        return (source @ mapper + target * (1 - covered)) * weights


class ControlledAttention:
    """An attention processor of diffusers that passes the maps to a control if the control changes them."""

    def __init__(self, control: PromptToPrompt) -> None:
        self._control = control
        self._plain = AttnProcessor2_0()

    def __call__(
        self,
        attention: Attention,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        **more: Any,
    ) -> torch.Tensor:
        """Takes and returns (4 × photos, pixels, width)."""
        cross = encoder_hidden_states is not None
        if not self._control.changes(cross, hidden_states.shape[1]):
            # Fused attention, which never stores the maps.
            plain: torch.Tensor = self._plain(
                attention, hidden_states, encoder_hidden_states, attention_mask=attention_mask, **more
            )
            return plain
        seen = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query, key, value = (
            attention.head_to_batch_dim(part)
            for part in (attention.to_q(hidden_states), attention.to_k(seen), attention.to_v(seen))
        )
        maps = attention.get_attention_scores(query, key, attention_mask)
        maps = self._control(maps.unflatten(0, (4, -1)), cross).flatten(0, 1)
        states = attention.batch_to_head_dim(torch.bmm(maps, value))
        for layer in attention.to_out:
            states = layer(states)
        return states


@contextmanager
def controlled(unet: Any, control: PromptToPrompt) -> Iterator[None]:
    """Run the network with this control on its attention."""
    before = unet.attn_processors
    unet.set_attn_processor(ControlledAttention(control))
    try:
        yield
    finally:
        unet.set_attn_processor(before)
