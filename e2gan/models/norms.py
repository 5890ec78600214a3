"""What a generator's layers take from a whole picture, and from where.

Instance norms, the group norm and the keys of self-attention depend on the whole picture; everything else in the
generator is local.  With these three given, a part of a picture is edited as it is in the whole (`e2gan.models.tiles`).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from e2gan.models.layout import MAX_KEYS

__all__ = ["OWN", "Fixed", "Measured", "Own"]


class Own:
    """Each picture has its own.  ``name`` is that of the layer in the generator."""

    def instance(self, name: str, x: Tensor) -> Tensor:
        """(N, C, H, W): each channel with mean 0 and variance 1."""
        if not in_channels_last(x):
            return F.instance_norm(x)
        # The same, for one picture at a time; instance_norm would leave the format, and have everything copied twice.
        pictures = [F.batch_norm(picture, None, None, training=True) for picture in x.split(1)]
        return pictures[0] if len(pictures) == 1 else torch.cat(pictures)

    def instance_relu(self, name: str, x: Tensor, training: bool = False) -> Tensor:
        """`instance`, then ReLU; it may overwrite ``x``."""
        if not training:
            return F.relu(self.instance(name, x), inplace=True)
        # Bit-equal, by what instance_norm calls itself.  That returns a view, and in place on a view, autograd copies
        # everything three times.
        h = F.batch_norm(x.reshape(1, -1, *x.shape[2:]), None, None, training=True)
        return F.relu(h, inplace=True).view_as(x)

    def group(self, name: str, norm: nn.GroupNorm, x: Tensor) -> Tensor:
        """(N, C, H, W) under a group norm."""
        grouped: Tensor = norm(x)
        return grouped

    def keys(self, name: str, tokens: Tensor) -> Tensor:
        """Of tokens (N, L, C), those that all of them attend to: (N, K, C), K at most about twice `MAX_KEYS`.

        The cost of attention grows with the square of the tokens, and in a large photo neighbours say the same, so the
        keys are a regular subset.
        """
        return tokens[:, :: max(1, tokens.shape[1] // MAX_KEYS)]


def in_channels_last(x: Tensor) -> bool:
    """Whether the values of a pixel (N, C, H, W) lie side by side, and the other way is not equally true."""
    return x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


OWN = Own()


class Measured(Own):
    """Pictures of one batch share what they have in common: as samples of one larger picture, which stand for it."""

    def __init__(self) -> None:
        self.moments: dict[str, tuple[Tensor, Tensor]] = {}
        """Mean and variance of each channel, or group, by layer."""
        self.tokens: dict[str, Tensor] = {}
        """Keys (1, K, C) by block."""

    def instance(self, name: str, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(x.float(), dim=(0, 2, 3), correction=0)
        self.moments[name] = mean, variance
        return F.batch_norm(x, mean, variance)

    def instance_relu(self, name: str, x: Tensor, training: bool = False) -> Tensor:
        return F.relu(self.instance(name, x), inplace=True)

    def group(self, name: str, norm: nn.GroupNorm, x: Tensor) -> Tensor:
        groups = x.float().unflatten(1, (norm.num_groups, -1))
        variance, mean = torch.var_mean(groups, dim=(0, 2, 3, 4), correction=0)
        members = x.shape[1] // norm.num_groups
        self.moments[name] = mean.repeat_interleave(members), variance.repeat_interleave(members)
        return self._grouped(name, norm, x)

    def keys(self, name: str, tokens: Tensor) -> Tensor:
        together = tokens.flatten(0, 1)[None]
        self.tokens[name] = super().keys(name, together)
        return self.tokens[name].expand(len(tokens), -1, -1)

    def _grouped(self, name: str, norm: nn.GroupNorm, x: Tensor) -> Tensor:
        mean, variance = self.moments[name]
        return F.batch_norm(x, mean, variance, norm.weight, norm.bias, eps=norm.eps)


class Fixed(Measured):
    """What was measured before."""

    def __init__(self, measured: Measured) -> None:
        self.moments, self.tokens = measured.moments, measured.tokens

    def instance(self, name: str, x: Tensor) -> Tensor:
        return F.batch_norm(x, *self.moments[name])

    def group(self, name: str, norm: nn.GroupNorm, x: Tensor) -> Tensor:
        return self._grouped(name, norm, x)

    def keys(self, name: str, tokens: Tensor) -> Tensor:
        return self.tokens[name].expand(len(tokens), -1, -1)
