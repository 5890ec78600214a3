"""The model cards of published concepts and bases: the metadata that the Hub indexes, shows and searches."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from e2gan.base import Base
from e2gan.concept import PREVIEW, Concept, render_card

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

__all__ = ["BASE_TAG", "CONCEPT_TAG", "base_card", "concept_card", "results"]

CONCEPT_TAG, BASE_TAG = "e2gan-concept", "e2gan-base"
TASK = "image-to-image"

METRICS = {
    "l1": "L1 to the teacher's edits",
    "l1_ratio": "L1 to the teacher's edits, unedited photos being 1",
    "ssim": "SSIM to the teacher's edits",
    "lpips": "LPIPS to the teacher's edits",
    "fid": "FID",
    "fid_ratio": "FID, unedited photos being 1",
    "kid": "KID",
}
"""The figures of the evaluation that the card reports to the Hub."""


def concept_card(concept: Concept, repo: str, base_model: str) -> str:
    """The ``README.md`` of a concept in the repository ``repo``, whose base is the one in ``base_model``."""
    from huggingface_hub import ModelCardData

    example: dict[str, Any] = {"text": concept.prompt}
    if concept.preview:
        example["output"] = {"url": PREVIEW}
    data = ModelCardData(
        **_license(concept.license),
        library_name="e2gan",
        tags=["e2gan", CONCEPT_TAG, "lora"],
        base_model=base_model,
        base_model_relation="adapter",
        pipeline_tag=TASK,
        instance_prompt=concept.prompt,
        widget=[example],
        model_name=concept.title,
        eval_results=list(results(concept)),
    )
    return render_card(concept, data.to_yaml(), f"hub:{repo}")


def results(concept: Concept) -> Iterator[EvalResult]:
    """The measured figures that the card reports; those of the headline's network come first."""
    from huggingface_hub import EvalResult

    headline = concept.quality.get("headline")
    figures = sorted(_figures(concept.quality), key=lambda figure: figure[0] not in ("", headline))
    for table, name, value, features in figures:
        yield EvalResult(
            task_type=TASK,
            dataset_type="photographs",
            dataset_name=concept.recipe.source or "photographs",
            dataset_split="test",
            metric_type=name,
            metric_name=METRICS[name] + (f" ({features or table})" if table else ""),
            metric_value=value,
        )


def _figures(quality: Mapping[str, Any]) -> Iterator[tuple[str, str, float, str]]:
    """(table, name, value, features) of each reported figure; the table is empty for figures outside any table."""
    tables = {"": quality, **{name: table for name, table in quality.items() if isinstance(table, Mapping)}}
    for title, table in tables.items():
        for name, value in table.items():
            if name in METRICS and isinstance(value, (int, float)) and not isinstance(value, bool):
                yield title, name, float(value), str(table.get("features", ""))


def base_card(base: Base, repo: str) -> str:
    """The ``README.md`` of a base in the repository ``repo``."""
    from huggingface_hub import ModelCardData

    data = ModelCardData(**_license(base.license), library_name="e2gan", tags=["e2gan", BASE_TAG], pipeline_tag=TASK)
    discriminator = "the discriminator, to train concepts with, and " if base.discriminator_sha256 else ""
    return "\n".join(
        [
            "---",
            *data.to_yaml().splitlines(),
            "---",
            "",
            f"# {base.title}",
            "",
            f"A base for E²GAN concepts: the generator they change, {discriminator}what it was made from.",
            "",
            "```sh",
            f"hf download {repo} --local-dir {base.id}",
            f"e2gan apply CONCEPT photo.jpg -o edited.jpg --base ./{base.id}",
            "```",
            "",
            "| | |",
            "|---|---|",
            f"| id, version | `{base.id}` {base.version} |",
            f"| generator SHA-256 | `{base.sha256}` |",
            "",
        ]
    )


def _license(license: str) -> dict[str, Any]:
    """The licence in the Hub's terms: one of its identifiers, or ``other`` with a name."""
    if re.fullmatch(r"[A-Za-z0-9.+-]+", license):
        return {"license": license.lower()}
    return {"license": "other", "license_name": license}
