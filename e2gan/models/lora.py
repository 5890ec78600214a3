"""LoRA on the generator's crucial layers: folded in by the runtime, trained through PEFT.

The runtime half needs only torch.  The training half (`attach`, `adapter_state`) imports
PEFT, which takes seconds, when it is called.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from e2gan.models.deltas import delta_weights, folded
from e2gan.models.generator import Generator, UpConv
from e2gan.models.layout import GeneratorConfig, Ranks, crucial_layers
from e2gan.quiet import quiet_import

if TYPE_CHECKING:
    import numpy as np
    from peft import LoraConfig, PeftModel

__all__ = ["CrucialWeights", "adapter_state", "attach", "fold_adapter", "lora_config"]


class CrucialWeights:
    """The weights of a generator's crucial layers, into which weighted sums of ΔW are folded from pristine copies.

    Whatever was folded before leaves no trace: base → A → B → base gives the base bit for bit.
    """

    def __init__(self, generator: Generator) -> None:
        self._layers = {layer.name: generator.get_submodule(layer.name) for layer in crucial_layers(generator.config)}
        self._pristine = {name: _weight(layer).detach().float().clone() for name, layer in self._layers.items()}

    @torch.no_grad()
    def fold(self, parts: Iterable[tuple[float, Mapping[str, Tensor]]]) -> None:
        """Set every crucial layer to its pristine weight + Σ weight · ΔW."""
        for name, weight in folded(self._pristine, parts):
            _weight(self._layers[name]).copy_(weight)

    def unfold(self) -> None:
        """Give the generator the base's weights back."""
        self.fold([])


def fold_adapter(generator: Generator, tensors: Mapping[str, np.ndarray]) -> None:
    """Fold an adapter into a generator for good; ``tensors`` as for `e2gan.models.deltas.delta_weights`."""
    factors = {name: torch.from_numpy(value) for name, value in tensors.items()}
    CrucialWeights(generator).fold([(1.0, delta_weights(generator.config, factors))])


def _weight(layer: nn.Module) -> Tensor:
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight


def lora_config(config: GeneratorConfig, ranks: Ranks) -> LoraConfig:
    """PEFT's configuration of an adapter for this generator, with LoRA for transposed convolutions registered."""
    with quiet_import():  # PEFT tries torchao, which logs all that it cannot load here
        from peft import LoraConfig

    by_layer = {layer.name: layer.rank(ranks) for layer in crucial_layers(config)}
    peft_config = LoraConfig(
        r=ranks.transformer,
        lora_alpha=ranks.transformer,
        target_modules=list(by_layer),
        rank_pattern={_exactly(name): rank for name, rank in by_layer.items()},
        alpha_pattern={_exactly(name): rank for name, rank in by_layer.items()},
        bias="none",
    )
    peft_config._register_custom_module({UpConv: _conv_transpose_lora()})
    return peft_config


def attach(generator: Generator, ranks: Ranks) -> PeftModel:
    """Freeze the generator and put a fresh, trainable adapter on its crucial layers."""
    config = lora_config(generator.config, ranks)
    from peft import get_peft_model

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Unsupported layer type")  # ours below supports it
        return get_peft_model(generator, config)  # type: ignore[arg-type]


def adapter_state(model: PeftModel) -> dict[str, Tensor]:
    """A copy of the adapter's tensors by PEFT's file names, float32 on the CPU."""
    from peft import get_peft_model_state_dict

    return {k: v.detach().float().cpu().clone() for k, v in get_peft_model_state_dict(model).items()}


def _exactly(name: str) -> str:
    # PEFT matches pattern keys as regular expressions against the end of the module's path.
    return "^" + name.replace(".", r"\.")


def _conv_transpose_lora() -> type[nn.Module]:
    """LoRA for transposed convolutions, which PEFT does not have.

    A is a transposed convolution (in, r, k, k), with the base's filter after it; B is a 1×1 convolution
    (out, r, 1, 1), and ΔW = einsum("irhw,or->iohw", A, B).
    """
    from peft.tuners.lora.layer import _ConvNd

    class ConvTranspose2dLoRA(_ConvNd):
        def update_layer(self, adapter_name: str, r: int, lora_alpha: int, config: Any, **kwargs: Any) -> None:
            base: Any = self.get_base_layer()
            # PEFT only knows the sizes of layers it supports.
            self.in_features, self.out_features = base.in_channels, base.out_channels
            super().update_layer(adapter_name, r, lora_alpha, config=config, **kwargs)
            a = UpConv(base.in_channels, r, smoothing=base.smoothing, bias=False)
            self.lora_A[adapter_name] = a.to(base.weight)
            self.lora_B[adapter_name] = nn.Conv2d(r, base.out_channels, 1, bias=False).to(base.weight)
            self.reset_lora_parameters(adapter_name, config.init_lora_weights)
            self.set_adapter(self.active_adapters, inference_mode=config.inference_mode)

        def get_delta_weight(self, adapter: str) -> Tensor:
            factors: Any = self.lora_A[adapter], self.lora_B[adapter]
            a, b = (factor.weight for factor in factors)
            return torch.einsum("irhw,or->iohw", a, b.flatten(1)) * self.scaling[adapter]

    return ConvTranspose2dLoRA
