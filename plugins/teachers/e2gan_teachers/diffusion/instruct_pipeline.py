"""InstructDiffusion's guidance on diffusers' InstructPix2Pix pipeline."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import StableDiffusionInstructPix2PixPipeline

__all__ = ["InstructDiffusionPipeline"]


class InstructDiffusionPipeline(StableDiffusionInstructPix2PixPipeline):
    """Leaves the text out once and the photo once, never both (the authors' `CFGDenoiser`).

    With e(text, photo) the predicted noise, s_T and s_I the two guidances, InstructDiffusion moves along

        ½·(e(∅, photo) + e(text, ∅)) + s_T·(e(text, photo) − e(∅, photo)) + s_I·(e(text, photo) − e(text, ∅))

    and diffusers' pipeline, given e₁, e₂, e₃ and its guidances g and h, along e₃ + g·(e₁ − e₂) + h·(e₂ − e₃).  The
    two are equal with e₁ = e(text, photo), e₂ = e(∅, photo), e₃ = e(text, ∅), g = s_T + s_I and h = s_I + ½, so
    only the text beside the missing photo has to change.
    """

    def _encode_prompt(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """(3 × photos, tokens, width): text, negative text and text; diffusers puts the negative one last."""
        text, negative, _ = super()._encode_prompt(*args, **kwargs).chunk(3)
        return torch.cat([text, negative, text])
