"""Building the site: all of it, or nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from e2gan import __version__
from e2gan.concept import Concept
from e2gan.errors import ConceptError, E2GANError
from e2gan.files import atomic_folder, parse_json, read_bytes, recover
from e2gan.leftovers import names
from e2gan.web import ASSETS
from e2gan_catalogue.entries import Entry, write_entry
from e2gan_catalogue.getting import step_to_install
from e2gan_catalogue.trying import Runtime, write_editor

__all__ = ["INDEX", "Built", "build"]

HERE = Path(__file__).parent

INDEX = "catalogue.json"
"""The list of concepts for programs; a folder that holds it is a site of ours."""

INDEX_LIMIT = 64 * 1024**2

MOST_RELATED = 4
"""Other concepts on a concept's page."""


@dataclass(frozen=True)
class Built:
    """A written site."""

    shown: list[str]
    """The concepts' ids."""
    left_out: list[str]
    """For each concept that is not shown, why."""
    edits: bool
    """Whether it has the page that edits."""


def build(
    concepts: Sequence[Concept],
    folder: Path,
    *,
    title: str = "E²GAN concepts",
    runtime: Path | None = None,
    clips: Path | None = None,
    tell: Callable[[str], object] = lambda text: None,
) -> Built:
    """Write the site into ``folder``, in one step.

    A concept that is damaged or not trained is left out.  In a folder with an earlier site, everything of that site is
    replaced, and everything else stays.

    Args:
        runtime: the folder of onnxruntime-web's files: adds the page that edits in the browser.
        clips: the folder of Mediabunny's file: that page edits clips, too.
        tell: is told what is being done, a line at a time.

    Raises:
        E2GANError: no concept can be shown, the folder holds something else or cannot be written, or the page that
            edits lacks something.
    """
    files = None if runtime is None else Runtime.found_in(runtime, clips)
    recover(folder)
    former = _former(folder)
    shown: list[Entry] = []
    left_out: list[str] = []
    with atomic_folder(folder) as site:
        slugs: set[str] = set()
        for concept in concepts:
            slug = _slug(concept.id, slugs)
            try:
                shown.append(write_entry(concept, site, slug))
            except ConceptError as fault:
                left_out.append(str(fault))
            else:
                slugs.add(slug)
        if not shown:
            raise E2GANError(
                "there is no concept to show" + "".join(f"; {reason}" for reason in left_out[:1]),
                hint="install one, or name one: e2gan catalogue ./my-concept -o site/",
            )
        edited: list[Entry] = []
        if files is not None:
            edited = write_editor(shown, site / "try", files, former=folder / "try", tell=tell)
        shutil.copytree(ASSETS, site / "shared", ignore=shutil.ignore_patterns("__pycache__", "*.py"))
        for file in ("catalogue.css", "catalogue.js"):
            shutil.copy(HERE / "pages" / file, site / file)
        _write_pages(site, title, shown, edited)
        ours = sorted({INDEX, *os.listdir(site)})
        index = {
            "title": title,
            "made_by": f"e2gan {__version__}",
            "files": ours,
            "concepts": [e.data() for e in shown],
        }
        (site / INDEX).write_text(json.dumps(index, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        _keep_theirs(folder, site, former)
    return Built([entry.concept.id for entry in shown], left_out, files is not None)


def _former(folder: Path) -> set[str]:
    """The names in an earlier site's folder that were the site; empty for a new folder.

    Raises:
        E2GANError: the folder holds something else.
    """
    present = names(folder) if folder.is_dir() else []
    if not present:
        return set()
    try:
        index = parse_json(read_bytes(folder / INDEX, limit=INDEX_LIMIT))
        files = {name for name in index["files"] if isinstance(name, str)}
    except (E2GANError, ValueError, KeyError, TypeError):
        raise E2GANError(
            f"{folder} holds {min(present)}, and is not a site that e2gan catalogue made",
            hint="choose an empty folder, or a new one",
        ) from None
    return files


def _keep_theirs(folder: Path, site: Path, former: set[str]) -> None:
    """Bring along what somebody has put beside an earlier site, such as CNAME or .git."""
    for name in names(folder) if folder.is_dir() else []:
        if name in former or (site / name).exists():
            continue
        there = folder / name
        if there.is_dir() and not there.is_symlink():
            shutil.copytree(there, site / name, symlinks=True)
        else:
            shutil.copy2(there, site / name, follow_symlinks=False)


def _slug(id: str, taken: set[str]) -> str:
    """An id, or the id with a number, that no other entry has."""
    slug, number = id, 1
    while slug in taken:
        number += 1
        slug = f"{id}-{number}"
    return slug


def _write_pages(site: Path, title: str, entries: Sequence[Entry], edited: Sequence[Entry]) -> None:
    environment = Environment(
        loader=FileSystemLoader(HERE / "pages"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["size"] = lambda size: f"{size / 1000:,.0f} kB"
    environment.filters["sources"] = lambda files, root: ", ".join(f"{root}{files[w]} {w}w" for w in files)
    common: dict[str, Any] = {
        "title": title,
        "version": __version__,
        "edited": {entry.slug for entry in edited},
        "install": step_to_install(),
    }
    page = environment.get_template("index.html.jinja").render(root="", entries=entries, hero=_hero(entries), **common)
    (site / "index.html").write_text(page, encoding="utf-8")
    (site / "concepts").mkdir()
    template = environment.get_template("concept.html.jinja")
    for number, entry in enumerate(entries):
        others = [*entries[number + 1 :], *entries[:number]]
        blends = [other for other in edited if other is not entry] if entry in edited else []
        page = template.render(root="../", entry=entry, related=others[:MOST_RELATED], blends=blends, **common)
        (site / entry.page).write_text(page, encoding="utf-8")


def _hero(entries: Sequence[Entry]) -> list[Entry]:
    """Concepts to begin with: some with a preview, spread over all."""
    pictured = [entry for entry in entries if entry.pictures]
    return pictured[:: max(1, len(pictured) // 5)][:5]
