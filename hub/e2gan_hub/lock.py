"""``e2gan.lock``: which concepts and bases a machine has, exactly, to have the same on another or next year."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2gan.base import find_base
from e2gan.concept import FILES, Concept
from e2gan.errors import E2GANError
from e2gan.files import atomic_write, read_toml, sha256_file
from e2gan.plugins import registry
from e2gan.processes import run_python
from e2gan.tables import Table, shown
from e2gan_hub import store
from e2gan_hub.installed import source_of
from e2gan_hub.pull import pull
from e2gan_hub.ref import COMMIT, Ref

__all__ = ["LOCKFILE", "Lock", "LockedBase", "LockedConcept", "Synced", "installed", "read_lock", "sync", "write_lock"]

LOCKFILE = "e2gan.lock"
SCHEMA = 1
LIMIT = 4 * 1024**2
"""Most bytes of a lockfile: thousands of concepts."""

INSTALL_SECONDS = 600


@dataclass(frozen=True)
class LockedConcept:
    """One concept: from the Hub with ``repo`` and ``commit``, or from pip with ``distribution``."""

    id: str
    version: str
    files: Mapping[str, str]
    """The SHA-256 of each."""
    repo: str = ""
    commit: str = ""
    distribution: str = ""

    @property
    def source(self) -> str:
        return f"hub:{self.repo}@{self.commit}" if self.repo else f"{self.distribution}=={self.version}"


@dataclass(frozen=True)
class LockedBase:
    id: str
    sha256: str
    """Of its generator."""


@dataclass(frozen=True)
class Lock:
    concepts: tuple[LockedConcept, ...]
    bases: tuple[LockedBase, ...]


def installed() -> Lock:
    """What is installed now.

    Raises:
        E2GANError: a base is missing that a concept is for, or a file cannot be read.
    """
    concepts: list[LockedConcept] = []
    bases: dict[str, str] = {}
    for concept in registry().concepts.values():
        ref = source_of(concept)
        files = store.digests(concept.path)
        if ref and ref.commit:
            concepts.append(LockedConcept(concept.id, concept.version, files, ref.repo, ref.commit))
        else:
            distribution = concept.distribution or ""
            concepts.append(LockedConcept(concept.id, _version(distribution), files, distribution=distribution))
        bases.setdefault(concept.base_id, sha256_file(find_base(concept.base_id).generator_path))
    return Lock(tuple(concepts), tuple(LockedBase(*each) for each in sorted(bases.items())))


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return ""


def write_lock(lock: Lock, path: Path) -> None:
    """Write a lockfile, whole or not at all."""
    import tomlkit

    concepts = [{k: v for k, v in vars(each).items() if v != ""} for each in lock.concepts]
    data: dict[str, Any] = {"schema": SCHEMA}
    data |= {"base": [vars(base) for base in lock.bases]} if lock.bases else {}
    data |= {"concept": concepts} if concepts else {}
    atomic_write(path, "# Written by e2gan lock; e2gan sync restores it.\n" + tomlkit.dumps(data))


def read_lock(path: Path) -> Lock:
    """Read a lockfile.

    Raises:
        E2GANError: there is none, or it is malformed.
    """
    table = Table(read_toml(path, limit=LIMIT, error=E2GANError), str(path), E2GANError)
    table.whole("schema", low=SCHEMA, high=SCHEMA)
    bases = [_locked_base(each) for each in (table.tables("base") if "base" in table.data else [])]
    concepts = [_locked_concept(each) for each in (table.tables("concept") if "concept" in table.data else [])]
    table.done()
    return Lock(tuple(concepts), tuple(bases))


def _locked_base(table: Table) -> LockedBase:
    base = LockedBase(table.id("id"), table.digest("sha256"))
    table.done()
    return base


def _locked_concept(table: Table) -> LockedConcept:
    files = table.sub("files")
    for name in files.data:
        if name not in FILES:
            raise files.fault(f"{shown(name)} is no part of a bundle")
    from_hub = "repo" in table.data
    concept = LockedConcept(
        id=table.id("id"),
        version=table.version("version"),
        files={name: files.digest(name) for name in files.data},
        repo=table.text("repo") if from_hub else "",
        commit=table.text("commit") if from_hub else "",
        distribution="" if from_hub else table.text("distribution"),
    )
    table.done()
    if from_hub and (Ref.parse(concept.repo).revision or not COMMIT.fullmatch(concept.commit)):
        raise table.fault("repo must be OWNER/NAME and commit 40 hexadecimal digits")
    if not from_hub and not _is_name(concept.distribution):
        raise table.fault(f"{shown(concept.distribution)} is no distribution's name")
    return concept


def _is_name(text: str) -> bool:
    """Whether pip would take it for a name, and for nothing else."""
    return text.isascii() and all(c.isalnum() or c in "-_." for c in text) and text[0].isalnum() and text[-1].isalnum()


@dataclass(frozen=True)
class Synced:
    """What came of one line of the lockfile."""

    id: str
    source: str
    done: str
    """``is here``, ``pulled`` or ``installed``; empty if it failed."""
    problem: str | None = None


def sync(lock: Lock, *, require_trusted: bool = False) -> Iterator[Synced]:
    """Restore what is locked, one by one; what cannot be exactly so is told, and does not stop the others.

    A concept from the Hub is pulled at its commit.  One from pip is installed with ``pip install --no-deps
    DISTRIBUTION==VERSION`` if it is missing or of another version.  A base is only checked.  What is installed and not
    in the lockfile stays.
    """
    for base in lock.bases:
        yield _sync_base(base)
    for concept in lock.concepts:
        try:
            done = _sync_hub(concept, require_trusted) if concept.repo else _sync_pip(concept)
        except E2GANError as error:
            yield Synced(concept.id, concept.source, "", str(error))
        else:
            yield Synced(concept.id, concept.source, done)


def _sync_base(base: LockedBase) -> Synced:
    try:
        found = sha256_file(find_base(base.id).generator_path)
    except E2GANError as error:
        return Synced(base.id, "base", "", str(error))
    if found != base.sha256:
        problem = f"the base is another one: its generator's SHA-256 is {found[:12]}…, not {base.sha256[:12]}…"
        return Synced(base.id, "base", "", problem)
    return Synced(base.id, "base", "is here")


def _sync_hub(concept: LockedConcept, require_trusted: bool) -> str:
    done = pull(Ref(concept.repo, concept.commit), require_trusted=require_trusted)
    _compare(done.concept, concept)
    if not done.listed:
        raise E2GANError(f"the id '{concept.id}' is another's here", hint="e2gan list shows whose")
    return "pulled" if done.fetched else "is here"


def _sync_pip(concept: LockedConcept) -> str:
    done = "is here"
    if _version(concept.distribution) != concept.version:
        _pip_install(f"{concept.distribution}=={concept.version}")
        done = "installed"
    importlib.invalidate_caches()
    registry.cache_clear()
    found = registry().concepts.get(concept.id)
    if found is None or found.source is not None or found.distribution != concept.distribution:
        raise E2GANError(f"{concept.distribution} does not bring the concept '{concept.id}'")
    _compare(found, concept)
    return done


def _compare(found: Concept, locked: LockedConcept) -> None:
    differing = store.differing(store.digests(found.path), locked.files)
    if differing:
        raise E2GANError(f"not what is locked: {', '.join(differing)}")


def _pip_install(requirement: str) -> None:
    try:
        ended = run_python(
            *("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", requirement),
            timeout=INSTALL_SECONDS,
        )
    except OSError as fault:
        raise E2GANError(f"pip could not install {requirement}: {fault}") from fault
    if ended.returncode:
        lines = [line for line in ended.stderr.splitlines() if line.startswith("ERROR:")]
        reason = " ".join(lines[-1:]).removeprefix("ERROR: ") or f"it ended with {ended.returncode}"
        raise E2GANError(f"pip could not install {requirement}: {reason}")
