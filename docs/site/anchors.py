"""Headings get the anchors that GitHub gives them, so that a link to one works in both places."""

from __future__ import annotations

import unicodedata
from typing import Any


def github_anchor(heading: str, separator: str) -> str:
    """Letters, digits, hyphens and underscores of a heading, in lower case; spaces become ``separator``."""
    kept = (c for c in heading.lower().strip() if c in " -_" or c.isdecimal() or unicodedata.category(c)[0] in "LM")
    return "".join(kept).replace(" ", separator)


def on_config(config: Any) -> Any:
    """The event of MkDocs once it has read mkdocs.yml."""
    config.mdx_configs.setdefault("toc", {})["slugify"] = github_anchor
    return config
