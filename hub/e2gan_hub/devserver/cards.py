"""A model card's front matter, and what the Hub makes of it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import yaml

# The identifiers that the Hub accepts as a licence.
LICENSES = frozenset(
    (
        *("apache-2.0", "mit", "openrail", "bigscience-openrail-m", "creativeml-openrail-m"),
        *("bigscience-bloom-rail-1.0", "bigcode-openrail-m", "afl-3.0", "artistic-2.0", "bsl-1.0", "bsd"),
        *("bsd-2-clause", "bsd-3-clause", "bsd-3-clause-clear", "c-uda", "cc", "cc0-1.0", "cc-by-2.0", "cc-by-2.5"),
        *("cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0"),
        *("cc-by-nd-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0"),
        *("cc-by-nc-sa-4.0", "cdla-sharing-1.0", "cdla-permissive-1.0", "cdla-permissive-2.0", "wtfpl", "ecl-2.0"),
        *("epl-1.0", "epl-2.0", "etalab-2.0", "eupl-1.1", "eupl-1.2", "agpl-3.0", "gfdl", "gpl", "gpl-2.0"),
        *("gpl-3.0", "lgpl", "lgpl-2.1", "lgpl-3.0", "isc", "h-research", "intel-research", "lppl-1.3c", "ms-pl"),
        *("apple-ascl", "apple-amlr", "mpl-2.0", "odc-by", "odbl", "openmdw-1.0", "openrail++", "osl-3.0"),
        *("postgresql", "ofl-1.1", "ncsa", "unlicense", "zlib", "pddl", "lgpl-lr", "deepfloyd-if-license"),
        *("fair-noncommercial-research-license", "llama2", "llama3", "llama3.1", "llama3.2", "llama3.3", "llama4"),
        *("gemma", "unknown", "other"),
    )
)
RELATIONS = ("adapter", "finetune", "merge", "quantized")
REPO_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
FRONT_MATTER = re.compile(r"\A\ufeff?\s*---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(\r?\n|\Z)", re.DOTALL)


@lru_cache(maxsize=4096)  # a list reads every card, and YAML is slow
def front_matter(card: str) -> dict[str, Any] | None:
    """The metadata at the head of a card; empty if there is none.  Callers must not change it.

    Raises:
        ValueError: it is not YAML, or not a mapping.
    """
    match = FRONT_MATTER.match(card)
    if not match:
        return None
    try:
        data = yaml.safe_load(match[1])
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    if not isinstance(data, dict):
        raise ValueError("the metadata is not a mapping")
    return data


def check(card: str) -> tuple[list[str], list[str]]:
    """What the Hub finds wrong with a card: errors, which make it refuse the commit, and warnings."""
    try:
        data = front_matter(card)
    except ValueError as error:
        return [str(error)], []
    if not data:
        return [], ["empty or missing yaml metadata in repo card"]
    errors = []
    for name in as_list(data.get("license")):
        if name not in LICENSES:
            errors.append(f'"license" must be one of {sorted(LICENSES)}')
    for index, base in enumerate(as_list(data.get("base_model"))):
        if not isinstance(base, str) or not REPO_ID.fullmatch(base):
            errors.append(f'"base_model[{index}]" with value "{base}" is not valid. Use a model id from the Hub.')
    if data.get("base_model_relation", "adapter") not in RELATIONS:
        errors.append(f'"base_model_relation" must be one of {list(RELATIONS)}')
    for key in ("tags", "datasets", "metrics"):
        if not isinstance(data.get(key, []), list):
            errors.append(f'"{key}" must be an array')
    for key in ("library_name", "pipeline_tag", "license_name", "instance_prompt"):
        if not isinstance(data.get(key, ""), str):
            errors.append(f'"{key}" must be a string')
    for index, model in enumerate(as_list(data.get("model-index"))):
        if not isinstance(model, dict) or not {"name", "results"} <= model.keys():
            errors.append(f'"model-index[{index}]" must have a name and results')
    return errors, []


def tags(card: dict[str, Any], paths: set[str]) -> list[str]:
    """The tags that a search uses: the card's own and those that follow from its other fields."""
    labels = [str(tag) for tag in as_list(card.get("tags"))]
    labels += [str(card[key]) for key in ("library_name", "pipeline_tag") if card.get(key)]
    if any(path.endswith(".safetensors") for path in paths):
        labels.append("safetensors")
    labels += [str(language) for language in as_list(card.get("language"))]
    labels += [f"dataset:{name}" for name in as_list(card.get("datasets"))]
    relation = card.get("base_model_relation") or ("adapter" if "adapter_config.json" in paths else "finetune")
    for base in as_list(card.get("base_model")):
        labels += [f"base_model:{base}", f"base_model:{relation}:{base}"]
    labels += [f"license:{name}" for name in as_list(card.get("license"))]
    labels.append("region:us")
    return list(dict.fromkeys(labels))


def as_list(value: Any) -> list[Any]:
    """A field of a card that may be one value, several or absent."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
