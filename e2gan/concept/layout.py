"""The bundle's layout: names and sizes of its files, and the required content of ``adapter_config.json``."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from e2gan.errors import ConceptError
from e2gan.files import TOML_LIMIT, interrupted
from e2gan.models.layout import GeneratorConfig, Ranks, crucial_layers

__all__ = [
    "ADAPTER",
    "CARD",
    "CHANNELS",
    "CONFIG",
    "DAMAGED",
    "FILES",
    "MANIFEST",
    "MAX_TOKENS",
    "MAX_TONE",
    "PREVIEW",
    "PROMPT",
    "SCHEMA",
    "TRAINED",
    "adapter_config",
    "bundle_beside",
    "bundle_folder",
    "bundle_folders",
    "config_of_ranks",
    "pretty_json",
    "render_adapter_config",
]

SCHEMA = 1


MANIFEST, CONFIG, ADAPTER = "concept.toml", "adapter_config.json", "adapter_model.safetensors"


PROMPT, PREVIEW, CARD = "prompt.safetensors", "preview.webp", "README.md"


FILES = {
    MANIFEST: TOML_LIMIT,
    CONFIG: 64 * 1024,
    ADAPTER: 32 * 1024**2,
    PROMPT: 1024**2,
    PREVIEW: 2 * 1024**2,
    CARD: 256 * 1024,
}
"""The files a bundle may hold, and the maximum bytes of each."""


TRAINED = (CONFIG, ADAPTER, PROMPT)
"""The files that training adds, always all of them together."""


MAX_TOKENS = 512
"""Maximum number of prompt tokens."""


CHANNELS = ("red", "green", "blue")
"""The rows of ``[tone]``, each over the photo's red, green, blue, and 1."""


MAX_TONE = 16.0
"""Largest magnitude of a tone's numbers; a grade's are below 2."""


DAMAGED = "the bundle is damaged, or e2gan did not write it: download or install it again"


def bundle_folders(folder: str | os.PathLike[str]) -> list[Path]:
    """The bundles of one concept, the first first: ``folder`` itself, or those inside a concept's distribution, which
    are the one ``bundle`` and, for other bases, ``bundle-BASE`` beside it.

    Raises:
        ConceptError: there is no bundle, or there are those of more than one concept.
    """
    folder = Path(folder)
    present = [bundle for bundle in (folder, *sorted(folder.glob("*/bundle"))) if _is_bundle(bundle)]
    if len(present) != 1:
        fault = f"holds no {MANIFEST}" if not present else "holds several concepts"
        raise ConceptError(f"{folder}: {fault}", hint=f"give the folder of one {MANIFEST}, or make one with: e2gan new")
    beside = [] if present == [folder] else sorted(present[0].parent.glob("bundle-*"))
    return [*present, *(bundle for bundle in beside if _is_bundle(bundle))]


def bundle_folder(folder: str | os.PathLike[str]) -> Path:
    """The first of `bundle_folders`, whose base is the one that people get who ask for nothing else."""
    return bundle_folders(folder)[0]


def bundle_beside(bundle: Path, base: str) -> Path:
    """Where the same concept's bundle for another base belongs: ``bundle-BASE`` beside ``bundle``."""
    return bundle.with_name(f"{bundle.name}-{base}")


def holds_concept(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder looks like a concept's: a bundle, or a distribution around it."""
    return any(True for name in (MANIFEST, f"*/bundle/{MANIFEST}") for _ in Path(folder).glob(name))


def _is_bundle(folder: Path) -> bool:
    return (folder / MANIFEST).is_file() or bool(interrupted(folder))


def adapter_config(config: GeneratorConfig, ranks: Ranks) -> dict[str, Any]:
    """The content of ``adapter_config.json``: PEFT's LoRA on exactly the crucial layers, at scale 1.

    The base and the ranks determine it, so that a bundle cannot influence what PEFT does.
    """
    return config_of_ranks({layer.name: layer.rank(ranks) for layer in crucial_layers(config)}, ranks.transformer)


def render_adapter_config(config: GeneratorConfig, ranks: Ranks) -> str:
    """The ``adapter_config.json`` that :func:`write_concept` writes for an adapter of this base and these ranks."""
    return pretty_json(adapter_config(config, ranks))


def pretty_json(data: Mapping[str, Any]) -> str:
    return json.dumps(data, indent=2) + "\n"


def config_of_ranks(ranks: Mapping[str, int], default: int) -> dict[str, Any]:
    # PEFT matches pattern keys as regular expressions against the end of a module's name.
    pattern = {"^" + name.replace(".", r"\."): rank for name, rank in ranks.items()}
    return {
        "peft_type": "LORA",
        "r": default,
        "lora_alpha": default,
        "rank_pattern": pattern,
        "alpha_pattern": pattern,
        "target_modules": sorted(ranks),
        "bias": "none",
    }
