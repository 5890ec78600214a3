"""The metadata of a model, and the lists of models."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from starlette.responses import PlainTextResponse, Response

from e2gan_hub.devserver import cards
from e2gan_hub.devserver.call import Call
from e2gan_hub.devserver.repos import iso
from e2gan_hub.devserver.repositories import MAIN, Repository

# The fields of each model in a list, unless the query asks for more.
SHORT = ("id", "_id", "modelId", "likes", "downloads", "private", "tags", "pipeline_tag", "library_name", "createdAt")
FULL = (*SHORT, "author", "sha", "lastModified", "gated", "disabled", "siblings")
SORTS = {"downloads": "downloads", "likes": "likes", "lastModified": "lastModified", "createdAt": "createdAt"}


def card_of(repository: Repository, commit: str) -> dict[str, Any]:
    """The metadata of a commit's model card; empty if there is none or it cannot be read."""
    readme = repository.files(commit).get("README.md")
    try:
        return cards.front_matter(repository.content(readme).decode()) or {} if readme else {}
    except ValueError:
        return {}


def describe(repository: Repository, commit: str, blobs: bool = False) -> dict[str, Any]:
    """All metadata of a model at a commit; with ``blobs``, of its files, too."""
    files, card, settings = repository.files(commit), card_of(repository, commit), repository.settings
    siblings = []
    for path, entry in sorted(files.items()):
        sibling: dict[str, Any] = {"rfilename": path}
        if blobs:
            sibling |= {"size": entry.size, "blobId": entry.oid}
            if entry.lfs:
                sibling["lfs"] = {"sha256": entry.lfs, "size": entry.size, "pointerSize": entry.pointer_size}
        siblings.append(sibling)
    told = {
        "_id": hashlib.sha256(repository.id.encode()).hexdigest()[:24],
        "id": repository.id,
        "modelId": repository.id,
        "author": repository.owner,
        "sha": commit,
        "lastModified": iso(repository.describe_commit(repository.resolve(MAIN)).time),
        "createdAt": iso(settings.created),
        "private": settings.private,
        "gated": settings.gated,
        "disabled": False,
        "downloads": settings.downloads,
        "likes": settings.likes,
        "tags": cards.tags(card, set(files)),
        "cardData": card,
        "siblings": siblings,
        "usedStorage": sum(entry.size for entry in files.values()),
        "model-index": card.get("model-index"),
        "baseModels": {"models": [{"id": base} for base in cards.as_list(card.get("base_model"))]},
    }
    for key in ("library_name", "pipeline_tag"):
        if card.get(key):
            told[key] = card[key]
    return told


def answer(told: Any) -> Response:
    # YAML has dates; JSON does not.
    return Response(json.dumps(told, default=str), media_type="application/json")


def chosen(told: dict[str, Any], keys: Any) -> dict[str, Any]:
    return {key: told[key] for key in keys if key in told}


def model(call: Call) -> Response:
    repository = call.repository()
    commit = repository.resolve(call.path.get("revision", "main"))
    told = describe(repository, commit, blobs=call.query.get("blobs") in ("true", "1"))
    expand = call.query.getlist("expand")
    return answer(chosen(told, ("_id", "id", *expand)) if expand else told)


def home(call: Call) -> Response:
    """What a browser is told at ``/``: which repositories there are, and how to publish the first."""
    names = sorted(repository.id for repository in call.state.store if call.may_see(repository))
    lines = ["A small Hugging Face Hub, to try out publishing. It has no pages, but these repositories:", ""]
    lines += [f"  {name}" for name in names] or [
        "  none yet. To publish a concept: e2gan push FOLDER --repo OWNER/NAME"
    ]
    lines += ["", "To install one of the concepts: e2gan pull OWNER/NAME"]
    return PlainTextResponse("\n".join(lines) + "\n")


def models(call: Call) -> Response:
    """The models that match the query and that the account may see; by default, the newest first."""
    query = call.query
    words = query.get("search", "").lower().split()
    wanted = {tag for group in query.getlist("filter") for tag in group.split(",") if tag}
    wanted |= {query["pipeline_tag"]} if "pipeline_tag" in query else set()
    entries = []
    for repository in call.state.store:
        if not call.may_see(repository) or not all(word in repository.id.lower() for word in words):
            continue
        if query.get("author", repository.owner).lower() != repository.owner.lower():
            continue
        told = describe(repository, repository.resolve(MAIN))
        if wanted <= set(told["tags"]):
            entries.append(told)
    key = SORTS.get(query.get("sort", ""), "lastModified")
    entries.sort(key=lambda told: told[key], reverse=query.get("direction") != "1")
    keys: tuple[str, ...] = FULL if query.get("full") in ("true", "1") else SHORT
    if query.get("cardData") in ("true", "1"):
        keys = (*keys, "cardData")
    if "expand" in query:
        keys = ("_id", "id", *query.getlist("expand"))
    page = call.page(
        json.loads(json.dumps([chosen(told, keys) for told in entries], default=str)),
        min(int(query.get("limit", call.state.page)), call.state.page),
    )
    return page
