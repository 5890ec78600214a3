"""Writing a bundle: whole or not at all, and read back."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2gan.concept.card import render_card
from e2gan.concept.checks import check_preview, refuse
from e2gan.concept.layout import ADAPTER, CARD, CONFIG, FILES, MANIFEST, PREVIEW, PROMPT, config_of_ranks, pretty_json
from e2gan.concept.manifest import Concept
from e2gan.errors import ConceptError
from e2gan.files import atomic_folder, atomic_write
from e2gan.leftovers import names
from e2gan.models.layout import ADAPTER_PREFIX

if TYPE_CHECKING:
    import numpy as np


__all__ = ["record_quality", "write_concept"]


def write_concept(
    folder: str | os.PathLike[str],
    *,
    manifest: Mapping[str, Any],
    tensors: Mapping[str, np.ndarray] | None = None,
    prompt: np.ndarray | None = None,
    preview: bytes | None = None,
    card: str | None = None,
) -> Concept:
    """Write a bundle into ``folder``, whole or not at all, and read it back; a bundle already there is replaced.

    Args:
        manifest: the content of ``concept.toml``; a tomlkit document keeps its author's comments.
        tensors: the adapter's factors by PEFT's names, float32 or float16 arrays (or CPU tensors).
        prompt: (T, D) token embeddings.  Without ``tensors`` and ``prompt`` the concept is untrained.
        preview: a WebP picture.
        card: the ``README.md``; without one, :func:`render_card`'s.

    Raises:
        ConceptError: the folder holds something else, or the result would not be a valid bundle.
        RecipeError: the manifest's recipe is wrong.
    """
    import tomlkit

    target = Path(folder)
    foreign = [name for name in names(target) if name not in FILES] if target.is_dir() else []
    if foreign:
        refuse(
            target / foreign[0],
            "not part of a concept, so e2gan does not write to its folder",
            "choose an empty folder",
        )
    with atomic_folder(target) as new:
        atomic_write(new / MANIFEST, tomlkit.dumps(manifest))
        concept = Concept.read(new)
        if tensors is not None and prompt is not None:
            atomic_write(new / ADAPTER, _to_safetensors(tensors, concept.header()))
            atomic_write(new / PROMPT, _to_safetensors({"prompt": prompt}, concept.header()))
            ranks = {
                name.removeprefix(ADAPTER_PREFIX).removesuffix(".lora_B.weight"): value.shape[1]
                for name, value in tensors.items()
                if name.endswith(".lora_B.weight")
            }
            config = config_of_ranks(ranks, concept.ranks.transformer)
            atomic_write(new / CONFIG, pretty_json(config))
            if preview is not None:
                atomic_write(new / PREVIEW, preview)
                check_preview(new / PREVIEW)
        atomic_write(new / CARD, render_card(Concept.read(new)) if card is None else card)
        Concept.read(new)
    return Concept.read(target)


def _to_safetensors(tensors: Mapping[str, np.ndarray], header: Mapping[str, str]) -> bytes:
    import numpy as np
    from safetensors.numpy import save

    arrays = {}
    for name, value in tensors.items():
        array = np.asarray(value)
        if array.dtype not in (np.float32, np.float16) or not np.isfinite(array).all():
            raise ConceptError(f"the tensor '{name}' must be finite float32 or float16")
        arrays[name] = np.ascontiguousarray(array)
    data = save(arrays, {"format": "pt", **header})
    # The library writes the metadata in random order; sort it, so that equal bundles have equal bytes.
    length = int.from_bytes(data[:8], "little")
    entries = json.loads(data[8 : 8 + length])
    entries["__metadata__"] = dict(sorted(entries["__metadata__"].items()))
    text = json.dumps(entries, separators=(",", ":")).encode().ljust(length)
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def record_quality(concept: Concept, quality: Mapping[str, Any]) -> Concept:
    """Write what an evaluation measured into the concept's manifest and card; return the updated concept."""
    import tomlkit

    file = concept.path / MANIFEST
    manifest = tomlkit.parse(file.read_text("utf-8"))  # keeps its author's comments
    manifest["quality"] = dict(quality)
    atomic_write(file, tomlkit.dumps(manifest))
    measured = Concept.read(concept.path, distribution=concept.distribution, source=concept.source)
    atomic_write(concept.path / CARD, render_card(measured))
    return measured
