"""What a model costs: parameters, bytes, and the arithmetic of an edit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from e2gan.base import Base
from e2gan.concept import ADAPTER, Concept
from e2gan.models.layout import adapter_parameters

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.utils.flop_counter import FlopCounterMode

__all__ = ["cost", "counting", "macs"]


def cost(concept: Concept, base: Base, training_flops: int | None = None) -> dict[str, int]:
    """The ``[quality.cost]`` of a trained concept; ``training_flops``: the operations of its training, if known."""
    figures = {
        "trained_parameters": adapter_parameters(base.config, concept.ranks),
        "adapter_bytes": (concept.path / ADAPTER).stat().st_size,
    }
    return figures if training_flops is None else {**figures, "training_flops": training_flops}


def macs(model: nn.Module, *inputs: Tensor) -> int:
    """Multiply-accumulates of one forward pass with attention; a transposed convolution counts by its input's size."""
    import torch

    with counting() as counter, torch.no_grad():
        model(*inputs)
    return int(counter.get_total_flops()) // 2


@contextmanager
def counting() -> Iterator[FlopCounterMode]:
    """Count matrix products and convolutions; attention runs unfused, because the counter may not know it fused."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        yield counter
