"""The whole edit as one network, photo in and picture out: the generator, and what comes before and after it."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from e2gan.models.generator import OutConv, UpConv
from e2gan.models.look import Look

__all__ = ["Edit"]


class Edit(nn.Module):
    """The whole edit as one network.  The editor on PyTorch, the training and the exporters all compute edits with it.

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
        made = self.generator(x, look.prompt, look.prompt_bias, *skips).float()
        edit: Tensor = look.after(made, photo, half=self.in_half)
        return edit

    def with_noise(self, photo: Tensor, look: Look, offsets: Tensor | None) -> Tensor:
        """The photos as the generator sees them."""
        seen: Tensor = look.before(photo, offsets)
        return seen
