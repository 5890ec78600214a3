"""The E²GAN generator: a small ResNet with one transformer block (paper section 4.1, Fig. 2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from e2gan.models.layout import SMOOTHING, GeneratorConfig
from e2gan.models.norms import IN_PLACE, OWN, Own
from e2gan.models.weights import draw_weights, load_weights

__all__ = [
    "FIRST_LAYERS",
    "Generator",
    "OutConv",
    "ResBlock",
    "Shares",
    "UpConv",
    "joined",
    "load_generator",
    "norm_relu",
    "shares_of",
]

STRIP = 128
"""Rows of the last layer that are computed at once."""

FIRST_LAYERS = ("conv_in", "down1", "down2")
"""The convolutions before the trunk, each followed by a norm."""

TOKENS = 16384
"""Tokens that go through the MLP at once: those of a picture of a megapixel."""

Shares: TypeAlias = "tuple[Tensor | None, ...]"
"""How much bypasses the bottleneck at full, half and quarter size, each (N, 1, 1, 1); None: nothing."""


class ResBlock(nn.Module):
    """Two 3×3 convolutions with instance norm, added to their input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3)
        self.conv2 = nn.Conv2d(channels, channels, 3)
        # A ReflectionPad2d of its own, because PEFT's LoRA does not carry padding_mode over.
        self.pad = nn.ReflectionPad2d(1)

    def forward(self, x: Tensor, norms: Own = OWN, name: str = "") -> Tensor:
        if not norms.in_place:
            h = norms.instance_relu(f"{name}.conv1", self.conv1(self.pad(x)), self.training)
            return x + norms.instance(f"{name}.conv2", self.conv2(self.pad(h)))
        around = self.pad.padding[0]
        h = norms.instance_relu(f"{name}.conv1", in_strips(self.conv1, x, around))
        return x.add_(norms.instance(f"{name}.conv2", in_strips(self.conv2, h, around)))


class Attention(nn.Module):
    """Multi-head attention of image tokens to themselves or to the prompt's tokens."""

    def __init__(self, channels: int, context_dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(channels, channels, bias=False)
        self.to_k = nn.Linear(context_dim, channels, bias=False)
        self.to_v = nn.Linear(context_dim, channels, bias=False)
        self.to_out = nn.Linear(channels, channels)

    def forward(self, x: Tensor, context: Tensor, bias: Tensor | None = None) -> Tensor:
        """x (N, L, C), context (N, T, D), bias (N, T) added to the logits -> (N, L, C)."""
        q, k, v = (
            t.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for t in (self.to_q(x), self.to_k(context), self.to_v(context))
        )
        mask = None if bias is None else bias[:, None, None, :].to(q.dtype)
        h = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.to_out(h.transpose(1, 2).flatten(2))


class GEGLU(nn.Module):
    """The MLP of a transformer block: Linear C→8C, half of it gated by the GELU of the other, Linear 4C→C."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.proj_in = nn.Linear(channels, 8 * channels)
        self.proj_out = nn.Linear(4 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.proj_in(x).chunk(2, dim=-1)
        return self.proj_out(value * F.gelu(gate))


class UpConv(nn.ConvTranspose2d):
    """A 3×3 transposed convolution of stride 2, followed by a filter.

    Its weight is that of the convolution alone.  In float32 on a CPU, the filter is folded into the kernel:
    with ``mean``, the kernel has 4×4 taps, and each of a token's four pixels is a sum over all nine of the weight's.
    So constant areas stay constant, while the bare convolution turns them into a lattice.
    """

    in_two_steps = False
    """Whether the filter is always a separate step, for a runtime that computes in half precision."""

    # The sizes are arguments because PEFT makes layers of the class that it finds.
    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel_size: int = 3,
        stride: int = 2,
        padding: int = 1,
        *,
        groups: int = 1,
        bias: bool = True,
        smoothing: str = "none",
    ) -> None:
        super().__init__(inputs, outputs, kernel_size, stride, padding, output_padding=1, groups=groups, bias=bias)
        self.smoothing = smoothing
        self.means = SMOOTHING[smoothing]

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """(N, C, H, W) to twice the height and width."""
        if self.smoothing == "none":
            return super().forward(x, output_size)
        # Folded taps are rounded to the type of the products.  In half precision, and in a GPU's TensorFloat-32,
        # the four pixels' sums then differ, the following norm amplifies that, and the lattice is back.
        exact = x.dtype == torch.float32 and x.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
        if self.in_two_steps or not exact:
            return self.filtered(x)
        return F.conv_transpose2d(x, self.smoothed(), self.bias, stride=2, padding=self.smoothed_padding)

    @property
    def smoothed_padding(self) -> int:
        """The kernel grows by as much as the filter is longer than one tap; the picture's middle stays where it is."""
        return (self.means + 1) // 2

    def folded(self) -> nn.ConvTranspose2d:
        """The same layer as one plain convolution with `smoothed` as its weight."""
        smoothed = self.smoothed().detach()
        inputs, outputs, kernel, _ = smoothed.shape
        layer = nn.ConvTranspose2d(inputs, outputs, kernel, 2, self.smoothed_padding, bias=self.bias is not None)
        layer.weight = nn.Parameter(smoothed, requires_grad=False)
        if self.bias is not None:
            layer.bias = nn.Parameter(self.bias.detach(), requires_grad=False)
        return layer

    def smoothed(self) -> Tensor:
        """The weight with the filter folded in: (inputs, outputs, 4, 4) for ``mean``, 6×6 for ``binomial``."""
        smoothed: Tensor = self.weight
        for _ in range(self.means):
            smoothed = F.avg_pool2d(F.pad(smoothed, [1, 1, 1, 1]), 2, stride=1)
        return smoothed

    def filtered(self, x: Tensor) -> Tensor:
        """The same in separate steps: each mean is then of the same four rounded numbers, whatever their order."""
        upsampled = F.conv_transpose2d(x, self.weight, stride=2)
        if self.means > 1:
            upsampled = F.pad(upsampled, [self.means // 2] * 4)
        for _ in range(self.means):
            upsampled = F.avg_pool2d(upsampled, 2, stride=1)
        return upsampled if self.bias is None else upsampled + self.bias[:, None, None].to(upsampled.dtype)


class TransformerBlock(nn.Module):
    """Self-attention, cross-attention to the prompt and an MLP, at half the trunk's resolution.

    The tokens carry no positions, so any height and width works.
    """

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        c = config.channels
        self.sampling = config.tb_sampling
        if self.sampling == "conv":
            self.down = nn.Conv2d(c, c, 3, stride=2, padding=1)
            self.up = UpConv(c, c, smoothing=config.smoothing)
        self.norm = nn.GroupNorm(32, c, eps=1e-6)
        self.proj_in = nn.Conv2d(c, c, 1)
        self.norm1 = nn.LayerNorm(c)
        self.self_attention = Attention(c, c, config.heads)
        self.norm2 = nn.LayerNorm(c)
        self.cross_attention = Attention(c, config.prompt_dim, config.heads)
        self.norm3 = nn.LayerNorm(c)
        self.mlp = GEGLU(c)
        self.proj_out = nn.Conv2d(c, c, 1)

    def forward(
        self, x: Tensor, prompt: Tensor, prompt_bias: Tensor | None, norms: Own = OWN, name: str = ""
    ) -> Tensor:
        indices: Tensor | None = None
        if self.sampling == "conv":
            x = norms.instance_relu(f"{name}.down", self.down(x), self.training)
        elif self.sampling == "pool":
            x, indices = F.max_pool2d(x, 2, return_indices=True)
        x = x + self._attend(x, prompt, prompt_bias, norms, name)
        if self.sampling == "conv":
            x = norms.instance_relu(f"{name}.up", self.up(x), self.training)
        elif indices is not None:
            x = F.max_unpool2d(x, indices, [2, 2])
        return x

    def _attend(self, x: Tensor, prompt: Tensor, prompt_bias: Tensor | None, norms: Own, name: str) -> Tensor:
        height, width = x.shape[-2:]
        h = self.proj_in(norms.group(f"{name}.norm", self.norm, x)).flatten(2).transpose(1, 2)
        n = self.norm1(h)
        h = h + self.self_attention(n, norms.keys(name, n))
        h = h + self.cross_attention(self.norm2(h), prompt, prompt_bias)
        if not norms.in_place:
            h = h + self.mlp(self.norm3(h))
        else:
            for some in h.split(TOKENS, 1):
                some.add_(self.mlp(self.norm3(some)))
        return self.proj_out(h.transpose(1, 2).unflatten(2, (height, width)))


class OutConv(nn.Conv2d):
    """A convolution to few channels that can be computed for 2×2 pixels at once.

    Three output channels fill a fraction of a SIMD register.  A stride-2 convolution with the kernel at
    its four offsets gives four times as many, which a pixel shuffle rearranges: the same sums, in
    less than half the time on a CPU.
    """

    at_once = False
    """Whether to do so, if the picture's height and width are even; `e2gan.models.edit.Edit` decides."""

    def forward(self, x: Tensor) -> Tensor:
        height, width = (n - k + 1 for n, k in zip(x.shape[-2:], self.kernel_size))
        if not self.at_once or height % 2 or width % 2:
            return super().forward(x)
        offsets = [F.pad(self.weight, (j, 1 - j, i, 1 - i)) for i in range(2) for j in range(2)]
        bias = None if self.bias is None else self.bias.repeat_interleave(4)
        return F.pixel_shuffle(F.conv2d(x, torch.stack(offsets, 1).flatten(0, 1), bias, stride=2), 2)


class Generator(nn.Module):
    """Photo and prompt in, edited photo out.

    The default configuration has 7,055,619 parameters.  The network is fully convolutional and takes
    any height and width that are multiples of ``config.stride``.
    """

    in_place = False
    """Whether layers overwrite their input, and the last one is computed strip by strip: in less memory and without
    gradients (`work_in_place`); converters to other formats may not know such operations."""

    norms: Own = OWN
    """Its norms, where it does not work in place; training may have others."""

    def __init__(self, config: GeneratorConfig | None = None) -> None:
        super().__init__()
        self.config = config or GeneratorConfig()
        w, c = self.config.width, self.config.channels
        self.pad = nn.ReflectionPad2d(3)
        self.conv_in = nn.Conv2d(3, w, 7)
        self.down1 = nn.Conv2d(w, 2 * w, 3, stride=2, padding=1)
        self.down2 = nn.Conv2d(2 * w, c, 3, stride=2, padding=1)
        self.res = nn.ModuleList(ResBlock(c) for _ in range(self.config.res_blocks))
        self.transformers = nn.ModuleDict({str(p): TransformerBlock(self.config) for p in self.config.tb_positions})
        self.up2 = UpConv(c, 2 * w, smoothing=self.config.smoothing)
        self.up1 = UpConv(2 * w, w, smoothing=self.config.smoothing)
        self.conv_out = OutConv(w, 3, 7)
        self.tanh = nn.Tanh()

    def forward(
        self, x: Tensor, prompt: Tensor, prompt_bias: Tensor | None = None, skips: Tensor | None = None
    ) -> Tensor:
        """Edit a batch of pictures.

        Args:
            x: (N, 3, H, W) in [-1, 1]; H and W multiples of ``config.stride``.
            prompt: (N, T, prompt_dim) token embeddings.
            prompt_bias: (N, T), added to the cross-attention's logits: 0 for a token, -inf for
                padding, log w to give a token the weight w.
            skips: (N, 3), 0 to 1, for a generator that is configured for them: how much of the first and the second
                convolution's activations joins their counterparts on the way up, averaged, and how much of the trunk's
                bypasses its transformer blocks.  None: nothing does.

        Returns:
            (N, 3, H, W) in [-1, 1].
        """
        shares, norms = shares_of(skips), IN_PLACE if self.in_place else self.norms
        x, half, full = self.encode(x, shares, norms)
        x = self.trunk(x, prompt, prompt_bias, shares[2], norms)
        return self.decode(x, half, full, shares, norms)

    def encode(self, x: Tensor, shares: Shares, norms: Own = OWN) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Photos (N, 3, H, W) to the trunk's input, and to what bypasses the rest at half and at full size."""
        x = norms.instance_relu("conv_in", self.layer("conv_in", x), self.training)
        full = _times(shares[0], x)
        x = norms.instance_relu("down1", self.layer("down1", x), self.training)
        half = _times(shares[1], x)
        return norms.instance_relu("down2", self.layer("down2", x), self.training), half, full

    def layer(self, name: str, x: Tensor) -> Tensor:
        """What one of `FIRST_LAYERS` makes of its input, before its norm."""
        made: Tensor = getattr(self, name)(self.pad(x) if name == "conv_in" else x)
        return made

    def trunk(
        self, x: Tensor, prompt: Tensor, prompt_bias: Tensor | None, share: Tensor | None, norms: Own = OWN
    ) -> Tensor:
        """The residual and transformer blocks, of which ``share`` (N, 1, 1, 1) of the input bypasses the latter."""
        for position in range(len(self.res) + 1):
            if position:
                x = self.res[position - 1](x, norms, f"res.{position - 1}")
            if str(position) in self.transformers:
                skipped = _times(share, x)
                block = self.transformers[str(position)](x, prompt, prompt_bias, norms, f"transformers.{position}")
                x = self.join(block, skipped, share)
        return x

    def decode(self, x: Tensor, half: Tensor | None, full: Tensor | None, shares: Shares, norms: Own = OWN) -> Tensor:
        """The trunk's output, with what bypassed it, to pictures (N, 3, H, W) in [-1, 1]."""
        x = self.enlarge(x, half, full, shares, norms)
        if not self.in_place:
            return self._last(self.pad(x))
        return in_strips(self._last, x, self.pad.padding[0])

    def enlarge(self, x: Tensor, half: Tensor | None, full: Tensor | None, shares: Shares, norms: Own = OWN) -> Tensor:
        """All of `decode` but the last layer: (N, C, H, W), of which it makes pictures."""
        x = self.join(norms.instance_relu("up2", self.up2(x), self.training), half, shares[1])
        return self.join(norms.instance_relu("up1", self.up1(x), self.training), full, shares[0])

    def _last(self, x: Tensor) -> Tensor:
        # The last layer's type may differ from the rest (`to_precision`).
        if not torch.is_autocast_enabled(x.device.type):
            x = x.to(self.conv_out.weight.dtype)
        picture: Tensor = self.tanh(self.conv_out(x))
        return picture

    def join(self, x: Tensor, skipped: Tensor | None, share: Tensor | None) -> Tensor:
        """The weighted mean of both: a plain sum would be larger, and so would everything after it."""
        if skipped is None or share is None:
            return x
        whole = 1 + share.to(x.dtype)
        return x.add_(skipped).div_(whole) if self.in_place else (x + skipped) / whole

    def to_precision(self, dtype: torch.dtype) -> Generator:
        """Convert all but the last convolution to ``dtype`` for edits: its output is the picture; half precision would
        show as banding."""
        for name, module in self.named_children():
            if name != "conv_out":
                module.to(dtype)
        return self

    def work_in_place(self) -> Generator:
        """Prepare for edits on a CPU, without gradients: in less memory, and with the values of a pixel side by side,
        which saves a sixth of the time of an edit, though not of a training step."""
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # which PyTorch's stub does not know
        self.in_place = True
        return self

    def initialize(self, std: float = 0.02) -> None:
        """Draw the weights of convolutions and projections from N(0, std), and set biases to zero, as pix2pix does."""
        draw_weights(self, std)


def in_strips(layer: Callable[[Tensor], Tensor], x: Tensor, around: int) -> Tensor:
    """A layer's result for (N, C, H, W) mirrored at its edges, of the same H and W, computed strip by strip: without a
    second, padded copy of a large picture."""

    def strips() -> Iterator[Tensor]:
        height = x.shape[2]
        for top in range(0, height, STRIP):
            bottom = min(top + STRIP, height)
            seen = x[:, :, max(0, top - around) : bottom + around]
            missing = (max(0, around - top), max(0, bottom + around - height))
            yield layer(F.pad(seen, (around, around, *missing), mode="reflect"))

    return joined(strips(), x.shape[2])


def joined(strips: Iterable[Tensor], rows: int) -> Tensor:
    """Strips (N, C, H, W) below each other, with so many rows together; each is let go before the next is made."""
    whole, top = None, 0
    for strip in strips:
        if whole is None:
            shape = (*strip.shape[:2], rows, strip.shape[3])
            whole = torch.empty(shape, dtype=strip.dtype, device=strip.device, memory_format=torch.channels_last)
        whole[:, :, top : top + strip.shape[2]] = strip
        top += strip.shape[2]
    assert whole is not None and top == rows
    return whole


def shares_of(skips: Tensor | None) -> Shares:
    """The shares (N, 3) as three of (N, 1, 1, 1)."""
    return (None, None, None) if skips is None else skips[..., None, None, None].unbind(1)


def _times(share: Tensor | None, x: Tensor) -> Tensor | None:
    return None if share is None else share.to(x.dtype) * x


def norm_relu(x: Tensor, training: bool = False) -> Tensor:
    """Instance norm without parameters, then ReLU."""
    return OWN.instance_relu("", x, training)


def load_generator(path: str | Path, config: GeneratorConfig) -> Generator:
    """Read a generator's weights; half precision on disk becomes float32.

    Raises:
        BaseModelError: the file is not safetensors, or does not hold this generator.
    """
    with torch.device("meta"):
        generator = Generator(config)
    load_weights(generator, path)
    return generator.requires_grad_(False).eval()
