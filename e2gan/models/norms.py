"""What a generator's layers take from a whole picture, and from where.

Instance norms, the group norm and the keys of self-attention depend on the whole picture; everything else in the
generator is local.  With these three given, a part of a picture is edited as it is in the whole (`e2gan.models.tiles`).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from e2gan.models.layout import MAX_KEYS

__all__ = ["IN_PLACE", "OWN", "Fixed", "InPlace", "Measured", "Own", "Watched", "moments"]

PEAKED = 2.3
"""Logarithm of a channel's kurtosis up to which nothing is wrong: a kurtosis of 10, of lines and edges on flat areas; a
normal distribution has 3."""

LARGE = ("conv_in", "down1", "up1")
"""Layers that are not watched: they are large, and what is wrong in them is wrong in the others."""

CACHED = 2**20
"""Bytes of activations that stay in a processor's cache."""


class Own:
    """Each picture has its own.  ``name`` is that of the layer in the generator."""

    in_place = False
    """Whether activations may be overwritten: what is computed has no gradient."""

    def instance(self, name: str, x: Tensor) -> Tensor:
        """(N, C, H, W): each channel with mean 0 and variance 1."""
        return F.instance_norm(x)

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


class Watched(Own):
    """The same in training, with a penalty for channels that a few spots of a picture dominate.

    Such spots decide a channel's variance, and so how strong everything else in it is.  Each layer makes them stronger,
    until the rest of the picture has hardly a contrast left and they are glaring patches in the edit (the droplets of
    Karras et al., 2020).  The losses do not remove them, for a norm passes hardly any gradient on to such a channel.
    """

    def __init__(self) -> None:
        self._penalties: list[Tensor] = []

    def instance(self, name: str, x: Tensor) -> Tensor:
        normal = super().instance(name, x)
        if self._watches(name):
            # A constant channel has 0, whose logarithm has no gradient.
            kurtosis = normal.float().square().square().mean((2, 3)).clamp(min=1)
            self._penalties.append(F.relu(kurtosis.log() - PEAKED).square().mean())
        return normal

    def instance_relu(self, name: str, x: Tensor, training: bool = False) -> Tensor:
        return F.relu(self.instance(name, x)) if self._watches(name) else super().instance_relu(name, x, training)

    def _watches(self, name: str) -> bool:
        return torch.is_grad_enabled() and name not in LARGE

    def penalty(self) -> Tensor:
        """The mean, over all channels since the last call, of the square by which the logarithm of a channel's kurtosis
        exceeds `PEAKED`."""
        penalties, self._penalties = self._penalties, []
        return torch.stack(penalties).mean()


class InPlace(Own):
    """The same without gradients, in place and strip by strip, so that it keeps the order of the values in memory.

    With a pixel's values side by side, it takes a third of the time of PyTorch's, and no memory.
    """

    in_place = True

    def instance(self, name: str, x: Tensor) -> Tensor:
        return self._normal(name, x)

    def instance_relu(self, name: str, x: Tensor, training: bool = False) -> Tensor:
        return self._normal(name, x, relu=True)

    def _normal(self, name: str, x: Tensor, *, relu: bool = False) -> Tensor:
        for picture in x.split(1):
            normalize(picture, *moments([picture]), relu=relu)
        return x


OWN, IN_PLACE = Own(), InPlace()


def moments(parts: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and variance of each channel, each (C,), float32, over one or several (N, C, H, W)."""
    count = 0
    mean = squares = torch.zeros(())
    for part in chain.from_iterable(map(strips, parts)):
        part = part.float()
        middle = part.mean((0, 2, 3))
        deviation = part - middle[:, None, None]
        # Combined as by Chan et al. (1979), without cancellation.
        new = part.shape[0] * part.shape[2] * part.shape[3]
        share = new / (count + new)
        step = middle - mean
        squares = squares + deviation.square_().sum((0, 2, 3)) + count * share * step * step
        mean = mean + share * step
        count += new
    return mean, squares / count


def normalize(x: Tensor, mean: Tensor, variance: Tensor, *, relu: bool = False) -> Tensor:
    """Overwrite (N, C, H, W) with each channel minus the mean, over the square root of the variance; then ReLU."""
    for part in strips(x):
        normal = F.batch_norm(part, mean, variance)
        part.copy_(F.relu(normal, inplace=True) if relu else normal)
    return x


def strips(x: Tensor) -> tuple[Tensor, ...]:
    """Rows of (N, C, H, W) that fit in a processor's cache: what is computed of them needs no memory of its own."""
    if x.device.type != "cpu":
        return (x,)
    row = x.numel() // x.shape[2] * x.element_size()
    return x.split(max(1, CACHED // row), 2)


class Measured(InPlace):
    """Pictures of one batch share what they have in common: as samples of one larger picture, which stand for it."""

    def __init__(self) -> None:
        self.moments: dict[str, tuple[Tensor, Tensor]] = {}
        """Mean and variance of each channel, or group, by layer."""
        self.tokens: dict[str, Tensor] = {}
        """Keys (1, K, C) by block."""

    def _normal(self, name: str, x: Tensor, *, relu: bool = False) -> Tensor:
        self.moments[name] = moments([x])
        return normalize(x, *self.moments[name], relu=relu)

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
        # In half precision, PyTorch takes weights of the picture's type only with moments of the same.
        return F.batch_norm(x, mean, variance, norm.weight.float(), norm.bias.float(), eps=norm.eps)


class Fixed(Measured):
    """What was measured before."""

    def __init__(self, measured: Measured) -> None:
        self.moments, self.tokens = measured.moments, measured.tokens

    def _normal(self, name: str, x: Tensor, *, relu: bool = False) -> Tensor:
        return normalize(x, *self.moments[name], relu=relu)

    def group(self, name: str, norm: nn.GroupNorm, x: Tensor) -> Tensor:
        return self._grouped(name, norm, x)

    def keys(self, name: str, tokens: Tensor) -> Tensor:
        return self.tokens[name].expand(len(tokens), -1, -1)
