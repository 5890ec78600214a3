"""The concept bundle, a folder of data and never code: reading, checking, loading and writing it.

========================== ====================================================
concept.toml               identity, prompt, pinned base, recipe, quality
adapter_config.json        PEFT's own format, so that PEFT can read the bundle
adapter_model.safetensors  the LoRA factors, float32 or float16
prompt.safetensors         the prompt's token embeddings, one tensor "prompt"
preview.webp               before and after (may be absent)
README.md                  the model card
========================== ====================================================

Reading is cheap and imports neither torch nor numpy: it covers the manifest, the file set
and the sizes.  Loading checks everything else before it touches a model.  An
untrained concept is ``concept.toml`` alone, optionally with a ``README.md``.
"""

from e2gan.concept.card import render_card
from e2gan.concept.facts import learned_from, main_facts, ratios, tested_on
from e2gan.concept.fit import base_of, check_bundle, concept_in, made_for
from e2gan.concept.layout import (
    ADAPTER,
    CARD,
    CHANNELS,
    CONFIG,
    FILES,
    MANIFEST,
    PREVIEW,
    PROMPT,
    TRAINED,
    bundle_beside,
    bundle_folder,
    bundle_folders,
    holds_concept,
    render_adapter_config,
)
from e2gan.concept.manifest import Adapter, Concept, Licenses
from e2gan.concept.writing import record_quality, write_concept

__all__ = [
    "ADAPTER",
    "CARD",
    "CHANNELS",
    "CONFIG",
    "FILES",
    "MANIFEST",
    "PREVIEW",
    "PROMPT",
    "TRAINED",
    "Adapter",
    "Concept",
    "Licenses",
    "base_of",
    "bundle_beside",
    "bundle_folder",
    "bundle_folders",
    "check_bundle",
    "concept_in",
    "holds_concept",
    "learned_from",
    "made_for",
    "main_facts",
    "ratios",
    "record_quality",
    "render_adapter_config",
    "render_card",
    "tested_on",
    "write_concept",
]
