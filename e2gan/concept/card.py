"""The model card of a concept: a ``README.md`` as the Hugging Face Hub reads it."""

from __future__ import annotations

import json
import re

from e2gan.concept.facts import main_facts
from e2gan.concept.layout import PREVIEW
from e2gan.concept.manifest import Concept
from e2gan.models.layout import NO_SKIPS
from e2gan.recipe import GIVEN, Framing, TeacherChoice
from e2gan.tables import flat_rows, options_line, readable
from e2gan.terminal import one_line

__all__ = ["render_card"]


def render_card(concept: Concept, metadata: str | None = None, name: str | None = None) -> str:
    """The ``README.md`` of a concept: a Hugging Face model card.

    Args:
        metadata: the card's YAML; by default what follows from the bundle alone.
        name: how the concept is named on the command line; by default its id.
    """
    recipe = concept.recipe
    own = [
        f"license: {json.dumps(concept.license)}",
        "library_name: e2gan",
        "pipeline_tag: image-to-image",
        "tags: [e2gan, e2gan-concept, lora, image-to-image]",
    ]
    lines = ["---", *(own if metadata is None else metadata.splitlines()), "---", ""]
    lines += [f"# {_escape(concept.title)}", ""]
    if concept.description:
        lines += [_escape(concept.description), ""]
    if concept.preview:
        lines += [f"![before and after]({PREVIEW})", ""]
    lines += [
        "| | |",
        "|---|---|",
        *(f"| {fact} | {_escape(text)} |" for fact, text in main_facts(concept).items()),
        "",
        "```sh",
        f"e2gan apply {name or concept.id} photo.jpg -o edited.jpg",
        "```",
        "",
        "<details>",
        "<summary>Recipe, figures and digests</summary>",
        "",
        "| | |",
        "|---|---|",
        f"| id, version | `{concept.id}` {concept.version} |",
        f"| base | `{concept.base_id}`, generator SHA-256 `{concept.base_sha256}` |",
        *(f"| teacher | {_teacher(teacher)} |" for teacher in recipe.teachers),
        f"| of the photo it keeps | {concept.keeps} |",
        *(
            [f"| round the bottleneck | {', '.join(map(readable, concept.skips))} |"]
            if concept.skips != NO_SKIPS
            else []
        ),
        *([f"| noise | {readable(concept.noise)} |"] if concept.noise else []),
        f"| photos | {_escape(recipe.source) or 'not stated'} |",
        *([f"| pictures | {recipe.pictures} |"] if recipe.pictures != Framing() else []),
        f"| pairs kept | {recipe.selection.method}"
        + (f", {recipe.selection.clusters}" if recipe.selection.method != "all" else "")
        + " |",
        f"| ranks | {', '.join(map(str, concept.ranks.sampling))}; transformer {concept.ranks.transformer} |",
        *(f"| licence of the {name} | {_escape(text)} |" for name, text in concept.licenses._asdict().items() if text),
        f"| recipe digest | `{concept.recipe_digest}` |",
    ]
    if concept.authors:
        lines.append(f"| authors | {_escape(', '.join(concept.authors))} |")
    for title, table in (("Quality", concept.quality), ("Training", concept.training)):
        if table:
            lines += ["", f"**{title}**", "", "| | |", "|---|---|"]
            lines += [f"| {_escape(name)} | {_escape(readable(value))} |" for name, value in flat_rows(table)]
    lines += ["", "</details>"]
    return "\n".join(lines) + "\n"


def _teacher(teacher: TeacherChoice) -> str:
    return str(teacher) if teacher.id == GIVEN else f"`{teacher.id}` {_escape(options_line(teacher.options))}"


def _escape(text: str) -> str:
    """Text from a manifest as plain text in Markdown: no markup, no table cells, no HTML."""
    return re.sub(r"([\\`*_\[\]<>#|~!])", r"\\\1", one_line(text))
