"""The generator's layout as plain data: its configuration, its crucial layers, its adapters.

This module does not import torch, so that a concept bundle can be checked, name by
name and shape by shape, before a model exists.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from enum import Enum
from typing import Any, Literal, TypeAlias

from e2gan.errors import BaseModelError

__all__ = [
    "ADAPTER_PREFIX",
    "MAX_KEYS",
    "MAX_NOISE",
    "NEUTRAL",
    "NO_SKIPS",
    "SMOOTHING",
    "CrucialLayer",
    "GeneratorConfig",
    "Keeps",
    "Ranks",
    "Skips",
    "Tone",
    "adapter_parameters",
    "adapter_shapes",
    "crucial_layers",
    "generator_shapes",
]

ADAPTER_PREFIX = "base_model.model."
"""What PEFT puts before each module's name in ``adapter_model.safetensors``."""

MAX_RANK = 256


class Keeps(str, Enum):
    """What an edit keeps of its photo (:mod:`e2gan.models.light`); the values are a manifest's words."""

    NOTHING = "nothing"
    LIGHT = "light"
    COLOUR = "colour"
    DETAIL = "detail"

    __str__ = str.__str__


Tone: TypeAlias = "tuple[tuple[float, float, float, float], ...]"
"""An affine map of colours in [-1, 1]: for each of red, green and blue, the weights of the photo's three and of 1."""

NEUTRAL: Tone = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0))
"""The tone that leaves every colour as it is."""

Skips: TypeAlias = "tuple[float, float, float]"
"""How much bypasses the bottleneck at full, half and quarter size (from the image side inward), each from 0 to 1."""

NO_SKIPS: Skips = (0.0, 0.0, 0.0)

MAX_KEYS = 4096
"""Maximum tokens that one token attends to; a photo of 512² has this many."""

MAX_NOISE = 0.25
"""Maximum noise on a photo: a standard deviation for values in [-1, 1]."""

SMOOTHING = {"none": 0, "mean": 1, "binomial": 3}
"""The filters that may follow a transposed convolution, each as a number of 2×2 means."""


@dataclass(frozen=True)
class GeneratorConfig:
    """What a generator is made of (paper section 4.1, Fig. 2 and Tab. 10)."""

    prompt_dim: int = 512
    """Width of one prompt token: 512 for CLIP ViT-B/32 text, 384 for all-MiniLM-L6-v2."""
    width: int = 64
    """Channels after the first convolution; the trunk has four times as many."""
    res_blocks: int = 3
    """Number of residual blocks (RB)."""
    tb_positions: tuple[int, ...] = (2,)
    """Positions of the transformer blocks (TB): 0 is before the first RB, n after RB n."""
    tb_sampling: Literal["conv", "pool", "none"] = "conv"
    """How a TB's tokens are halved and doubled again: strided convolutions, max-pooling and
    unpooling, or not at all."""
    heads: int = 8
    """Attention heads of a TB."""
    skips: bool = False
    """Whether activations may bypass the bottleneck; each concept then says how much of them does."""
    smoothing: Literal["none", "mean", "binomial"] = "none"
    """The filter after each transposed convolution.  Without one, the four pixels that a token becomes are sums of
    one, two, two and four taps, and a flat area comes out as a lattice; ``mean`` is over 2×2 pixels, ``binomial`` is
    StyleGAN's [1 3 3 1] (Karras et al., 2019)."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "tb_positions", tuple(self.tb_positions))
        for name in ("prompt_dim", "width", "heads"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise BaseModelError(f"generator configuration: {name} must be a positive whole number, not {value!r}")
        if not isinstance(self.res_blocks, int) or self.res_blocks < 0:
            raise BaseModelError(f"generator configuration: res_blocks must be 0 or more, not {self.res_blocks!r}")
        positions = self.tb_positions
        in_range = all(isinstance(p, int) and 0 <= p <= self.res_blocks for p in positions)
        if not in_range or list(positions) != sorted(set(positions)):
            raise BaseModelError(
                f"generator configuration: tb_positions must be rising whole numbers from 0 to {self.res_blocks}, "
                f"not {list(positions)}"
            )
        if self.tb_sampling not in ("conv", "pool", "none"):
            raise BaseModelError(
                f"generator configuration: tb_sampling must be conv, pool or none, not {self.tb_sampling!r}"
            )
        if not isinstance(self.skips, bool):
            raise BaseModelError(f"generator configuration: skips must be true or false, not {self.skips!r}")
        if not isinstance(self.smoothing, str) or self.smoothing not in SMOOTHING:
            raise BaseModelError(
                f"generator configuration: smoothing must be {', '.join(SMOOTHING)}, not {self.smoothing!r}"
            )
        if self.channels % self.heads or self.channels % 32:
            raise BaseModelError("generator configuration: 4 × width must be a multiple of 32 and of heads")

    @property
    def channels(self) -> int:
        """Channels of the trunk (RBs and TBs)."""
        return 4 * self.width

    @property
    def stride(self) -> int:
        """Input heights and widths must be multiples of this."""
        return 8 if self.tb_positions and self.tb_sampling != "none" else 4

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> GeneratorConfig:
        unknown = sorted(set(data) - {f.name for f in fields(cls)})
        if unknown:
            raise BaseModelError(f"generator configuration: unknown key {unknown[0]!r}")
        return cls(**data)

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "tb_positions": list(self.tb_positions)}


@dataclass(frozen=True)
class Ranks:
    """LoRA ranks, the same on the way down and on the way up (paper section 4.2)."""

    sampling: tuple[int, int, int, int] = (1, 4, 8, 8)
    """From the image side inward: 7×7, first and second strided convolution, the TB's own."""
    transformer: int = 1
    """For the TB's projections: in, q, k, v, out, and the MLP's."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "sampling", tuple(self.sampling))
        values = (*self.sampling, self.transformer)
        good = all(isinstance(r, int) and not isinstance(r, bool) and 1 <= r <= MAX_RANK for r in values)
        if len(self.sampling) != 4 or not good:
            raise BaseModelError(
                f"ranks must be four whole numbers and the transformer's, each from 1 to {MAX_RANK}, "
                f"not {list(self.sampling)} and {self.transformer!r}"
            )


@dataclass(frozen=True)
class CrucialLayer:
    """One layer of the generator that a concept may change (paper section 4.2)."""

    name: str
    """Module name inside the generator, for example ``down1``."""
    kind: Literal["linear", "conv", "conv_transpose"]
    inputs: int
    outputs: int
    kernel: int
    """Side of the square kernel; 1 for linear layers."""
    depth: int
    """0–3: sampling depth from the image side inward; 4: the transformer's projections."""

    def rank(self, ranks: Ranks) -> int:
        return (*ranks.sampling, ranks.transformer)[self.depth]

    def factor_shapes(self, rank: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Shapes of PEFT's A and B for this layer."""
        if self.kind == "linear":
            return (rank, self.inputs), (self.outputs, rank)
        if self.kind == "conv":
            return (rank, self.inputs, self.kernel, self.kernel), (self.outputs, rank, 1, 1)
        return (self.inputs, rank, self.kernel, self.kernel), (self.outputs, rank, 1, 1)


def crucial_layers(config: GeneratorConfig) -> Iterator[CrucialLayer]:
    """The layers that get LoRA, from the image inward and out again.

    The paper names "the sampling layers" and "the transformer's projections"; its 0.092M
    parameters come out exactly when the latter are all of a TB's ten linear maps and its
    two 1×1 convolutions, at rank 1.
    """
    w, c = config.width, config.channels
    yield CrucialLayer("conv_in", "conv", 3, w, 7, 0)
    yield CrucialLayer("down1", "conv", w, 2 * w, 3, 1)
    yield CrucialLayer("down2", "conv", 2 * w, c, 3, 2)
    for position in config.tb_positions:
        tb = f"transformers.{position}"
        if config.tb_sampling == "conv":
            yield CrucialLayer(f"{tb}.down", "conv", c, c, 3, 3)
        yield CrucialLayer(f"{tb}.proj_in", "conv", c, c, 1, 4)
        for attention, width in (("self_attention", c), ("cross_attention", config.prompt_dim)):
            yield CrucialLayer(f"{tb}.{attention}.to_q", "linear", c, c, 1, 4)
            yield CrucialLayer(f"{tb}.{attention}.to_k", "linear", width, c, 1, 4)
            yield CrucialLayer(f"{tb}.{attention}.to_v", "linear", width, c, 1, 4)
            yield CrucialLayer(f"{tb}.{attention}.to_out", "linear", c, c, 1, 4)
        yield CrucialLayer(f"{tb}.mlp.proj_in", "linear", c, 8 * c, 1, 4)
        yield CrucialLayer(f"{tb}.mlp.proj_out", "linear", 4 * c, c, 1, 4)
        yield CrucialLayer(f"{tb}.proj_out", "conv", c, c, 1, 4)
        if config.tb_sampling == "conv":
            yield CrucialLayer(f"{tb}.up", "conv_transpose", c, c, 3, 3)
    yield CrucialLayer("up2", "conv_transpose", c, 2 * w, 3, 2)
    yield CrucialLayer("up1", "conv_transpose", 2 * w, w, 3, 1)
    yield CrucialLayer("conv_out", "conv", w, 3, 7, 0)


def generator_shapes(config: GeneratorConfig) -> dict[str, tuple[int, ...]]:
    """Every tensor of the generator's file, by name, with its shape."""
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in crucial_layers(config):
        kernel = () if layer.kind == "linear" else (layer.kernel,) * 2
        ends = (layer.inputs, layer.outputs) if layer.kind == "conv_transpose" else (layer.outputs, layer.inputs)
        shapes[f"{layer.name}.weight"] = (*ends, *kernel)
        if not layer.name.endswith((".to_q", ".to_k", ".to_v")):
            shapes[f"{layer.name}.bias"] = (layer.outputs,)
    c = config.channels
    for block in range(config.res_blocks):
        for conv in ("conv1", "conv2"):
            shapes[f"res.{block}.{conv}.weight"], shapes[f"res.{block}.{conv}.bias"] = (c, c, 3, 3), (c,)
    for position in config.tb_positions:
        for norm in ("norm", "norm1", "norm2", "norm3"):
            for part in ("weight", "bias"):
                shapes[f"transformers.{position}.{norm}.{part}"] = (c,)
    return shapes


def adapter_shapes(config: GeneratorConfig, ranks: Ranks) -> dict[str, tuple[int, ...]]:
    """Every tensor an adapter file must hold, by PEFT's name, with its shape."""
    shapes = {}
    for layer in crucial_layers(config):
        a, b = layer.factor_shapes(layer.rank(ranks))
        shapes[f"{ADAPTER_PREFIX}{layer.name}.lora_A.weight"] = a
        shapes[f"{ADAPTER_PREFIX}{layer.name}.lora_B.weight"] = b
    return shapes


def adapter_parameters(config: GeneratorConfig, ranks: Ranks) -> int:
    """Trained parameters of an adapter: 91,926 for the default ranks and 512-wide prompts."""
    total = 0
    for shape in adapter_shapes(config, ranks).values():
        size = 1
        for n in shape:
            size *= n
        total += size
    return total
