"""How much of the paper's work is done; this module does not import torch."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FULL", "SCALES", "SMALL", "Scale"]


@dataclass(frozen=True)
class Scale:
    """How much of the paper's work is done."""

    name: str
    crop: int
    """Side in pixels of the squares to train on, and of the measured centre squares."""
    adapter_steps: int | None
    """Steps of an adapter's training; None: the paper's 100 epochs."""
    generator_steps: int | None
    """Steps of a generator's training from scratch; None: the paper's 200 epochs."""
    base_steps: int | None
    """Steps of a base's training; None: the recipe's own."""
    base_concepts: int | None
    """Concepts of a base; None: the recipe's own."""
    base_photos: int | None
    """Number of photographs that a base is trained on; None: all."""
    work: float | None
    """Operations of a baseline's training, as a multiple of an adapter's; None: the paper's 200 epochs."""
    ssd_steps: int | None
    """Epochs of a Spectral Style-DCGAN's training; None: the paper's 20."""
    second: bool
    """Whether a second network also measures; this takes longer than a small training."""


SMALL = Scale("small", 128, 40, 300, 240, 4, 200, 14.0, 300, second=False)
FULL = Scale("full", 256, None, None, None, None, None, None, None, second=True)
SCALES = {scale.name: scale for scale in (SMALL, FULL)}
