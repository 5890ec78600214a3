"""The list of all concepts on the Hub, kept in the user's cache so that a search needs no network.

It is fetched again when it is a day old, or on demand.  It is one SQLite file, which is replaced as a whole.
"""

from __future__ import annotations

import math
import os
import sqlite3
import time
import warnings
from collections.abc import Iterable
from contextlib import closing
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from e2gan.errors import E2GANError
from e2gan.files import FULL, atomic_path
from e2gan_hub import answers, client
from e2gan_hub.metadata import CONCEPT_TAG
from e2gan_hub.ref import Ref

__all__ = ["Entry", "entry_of", "include", "index_path", "is_stale", "refresh", "search", "write_index"]

DAY = 24 * 3600
SCHEMA = 2

SORTS = {"downloads": "downloads DESC", "fid": "fid IS NULL, fid"}
"""The sort orders of a search, as SQL; ties are sorted by name."""


@dataclass(frozen=True)
class Entry:
    """One concept in the index; a field that the card lacks is empty, or None."""

    repo: str
    title: str
    prompt: str
    license: str
    base: str
    """The base's repository."""
    tags: str
    """Tags, with a space before and after each."""
    downloads: int
    """Downloads of the last month."""
    fid: float | None
    """The card's first FID, which the author measured on photographs of their choice."""

    @property
    def author(self) -> str:
        return self.repo.partition("/")[0]


COLUMNS = tuple(field.name for field in fields(Entry))


def index_path() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("e2gan", appauthor=False) / "hub-index.sqlite"


def is_stale() -> bool:
    """Whether there is no index, or it is older than a day, or of another Hub."""
    try:
        old = not 0 <= time.time() - index_path().stat().st_mtime < DAY
    except OSError:
        return True
    return old or _endpoint() != client.endpoint()


def _endpoint() -> str | None:
    """The address of the Hub that the index is of; None if it cannot be read."""
    try:
        with closing(sqlite3.connect(f"{index_path().as_uri()}?mode=ro", uri=True)) as database:
            row = database.execute("SELECT endpoint FROM hub").fetchone()
    except sqlite3.Error:
        return None
    return str(row[0]) if row else None


def include(repo: str) -> None:
    """Put a repository's present state into the index, for its publisher; nothing if there is no index of this Hub.

    A fault is only noted: the index is fetched again within a day.
    """
    if is_stale():
        return  # the next search fetches all of it
    api = client.client()
    try:
        with client.failures(repo):
            model = answers.parse(answers.read(api, f"/api/models/{repo}").body)
        entry = entry_of(model) if CONCEPT_TAG in _list(model.get("tags")) else None
        if entry is not None:
            others = [old for old in search(limit=-1) if old.repo.lower() != entry.repo.lower()]
            age = index_path().stat()
            write_index([*others, entry])
            os.utime(index_path(), ns=(age.st_atime_ns, age.st_mtime_ns))  # the rest of it is no newer than before
    except (E2GANError, OSError) as error:
        warnings.warn(client.HubWarning(f"searches show it within a day: {error}"), stacklevel=2)


def refresh() -> int:
    """Fetch the list from the Hub, write the index and return the number of concepts.

    Raises:
        Unreachable: the Hub cannot be reached; the index is unchanged.
        E2GANError: the Hub refuses.
    """
    api = client.client()
    asked = {"filter": CONCEPT_TAG, "full": "true", "cardData": "true"}
    with client.failures("the list of concepts"):
        models = answers.pages(api, "/api/models", asked)
        return write_index(entry for model in models if (entry := entry_of(model)))


def entry_of(model: dict[str, Any]) -> Entry | None:
    """The index entry of a model in the Hub's list; None if its name cannot be a concept's.

    Publishers write the cards, so fields of the wrong form are left out.
    """
    try:
        repo = Ref.parse(str(model.get("id"))).repo
    except E2GANError:
        return None
    card = model.get("cardData")
    told: dict[str, Any] = card if isinstance(card, dict) else {}
    index = told.get("model-index")
    downloads = model.get("downloads")
    return Entry(
        repo=repo,
        title=_text(_first(index, "name")) or repo.partition("/")[2],
        prompt=_text(told.get("instance_prompt")),
        license=_text(told.get("license")),
        base=_text(_one(told.get("base_model"))),
        tags=f" {' '.join(filter(None, map(_text, _list(model.get('tags')))))} ",
        downloads=downloads if type(downloads) is int and 0 <= downloads < 2**63 else 0,
        fid=_fid(index),
    )


def _fid(index: Any) -> float | None:
    for result in _list(_first(index, "results")):
        for metric in _list(result.get("metrics") if isinstance(result, dict) else None):
            if isinstance(metric, dict) and metric.get("type") == "fid":
                value: Any = metric.get("value")
                good = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf
                return float(value) if good else None
    return None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _one(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value


def _first(index: Any, key: str) -> Any:
    first = _one(index)
    return first.get(key) if isinstance(first, dict) else None


def _text(value: Any) -> str:
    """The value if it is text on one line that cannot rewrite a terminal; else empty."""
    if not isinstance(value, str):
        return ""
    text = " ".join(value.split())[:300]
    return text if text.isprintable() else ""


def write_index(entries: Iterable[Entry]) -> int:
    """Write the index completely or not at all, and return the number of entries.

    Raises:
        E2GANError: it cannot be written, for example because the disk is full.
    """
    path = index_path()
    marks = ", ".join("?" * len(COLUMNS))
    try:
        with atomic_path(path) as temporary, closing(sqlite3.connect(temporary)) as database, database:
            # The file is replaced as a whole, so it needs no journal, which could be left behind.
            database.execute("PRAGMA journal_mode = OFF")
            database.execute(f"PRAGMA user_version = {SCHEMA}")
            database.execute("CREATE TABLE hub (endpoint)")
            database.execute("INSERT INTO hub VALUES (?)", (client.endpoint(),))
            database.execute(f"CREATE TABLE concepts ({', '.join(COLUMNS)})")
            return database.executemany(f"INSERT INTO concepts VALUES ({marks})", map(astuple, entries)).rowcount
    except sqlite3.Error as fault:
        raise E2GANError(f"cannot write {path}: {fault}", hint=FULL if "full" in str(fault) else None) from fault


def search(
    query: str = "",
    *,
    tags: Iterable[str] = (),
    base: str | None = None,
    license: str | None = None,
    author: str | None = None,
    sort: str = "downloads",
    limit: int = 20,
) -> list[Entry]:
    """The concepts with every word of ``query`` in their name, title, prompt or tags that meet all other conditions.

    Raises:
        E2GANError: the index is missing or cannot be read.
    """
    where, values = ["1"], []
    for word in query.split():
        where.append("(repo || ' ' || title || ' ' || prompt || tags) LIKE ? ESCAPE '\\'")
        values.append(f"%{_literal(word)}%")
    for tag in tags:
        where.append("tags LIKE ? ESCAPE '\\'")
        values.append(f"% {_literal(tag)} %")
    for column, value in (("base", base), ("license", license)):
        if value is not None:
            where.append(f"{column} = ? COLLATE NOCASE")
            values.append(value)
    if author is not None:
        where.append("repo LIKE ? ESCAPE '\\'")
        values.append(f"{_literal(author)}/%")
    asked = f"SELECT * FROM concepts WHERE {' AND '.join(where)} ORDER BY {SORTS[sort]}, repo LIMIT ?"
    path = index_path()
    if not path.exists():
        raise E2GANError("there is no list of concepts yet", hint="e2gan search fetches it when you are online")
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            if database.execute("PRAGMA user_version").fetchone() != (SCHEMA,):
                raise sqlite3.DatabaseError("it has another version's format")
            return [Entry(*row) for row in database.execute(asked, (*values, limit))]
    except (sqlite3.Error, TypeError) as fault:
        raise E2GANError(
            f"{path}: the list of concepts cannot be read: {fault}", hint="e2gan search --refresh"
        ) from fault


def _literal(text: str) -> str:
    """Text for SQL's LIKE, its wildcards escaped."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
