"""An adapter multiplied out, and folded into the base's weights: NumPy's arrays or PyTorch's tensors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from e2gan.models.arrays import Array, functions_of
from e2gan.models.layout import ADAPTER_PREFIX, GeneratorConfig, crucial_layers

__all__ = ["delta_weights", "folded"]


def delta_weights(config: GeneratorConfig, tensors: Mapping[str, Array]) -> dict[str, Array]:
    """Multiply out an adapter's factors: {layer name: ΔW, shaped like the layer's weight}.

    ``tensors`` are float32, named and shaped as PEFT saves them; the scale is 1 (lora_alpha equals the
    rank in every layer).
    """
    deltas = {}
    for layer in crucial_layers(config):
        a, b = (tensors[f"{ADAPTER_PREFIX}{layer.name}.lora_{factor}.weight"] for factor in "AB")
        if layer.kind == "linear":
            deltas[layer.name] = b @ a
        elif layer.kind == "conv":
            flat = a.reshape(-1, layer.inputs * layer.kernel**2)
            deltas[layer.name] = (b.reshape(layer.outputs, -1) @ flat).reshape(-1, *a.shape[1:])
        else:
            deltas[layer.name] = functions_of(a).einsum("irhw,or->iohw", a, b.reshape(layer.outputs, -1))
    return deltas


def folded(
    pristine: Mapping[str, Array], parts: Iterable[tuple[float, Mapping[str, Array]]]
) -> Iterator[tuple[str, Array]]:
    """Each layer's name, and its weight + Σ weight · ΔW; its weight itself if there are no parts."""
    parts = list(parts)
    for name, total in pristine.items():
        for weight, deltas in parts:
            total = functions_of(total).plus(total, deltas[name], weight)
        yield name, total
