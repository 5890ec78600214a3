"""``e2gan.lock``: which concepts and bases a machine has, exactly, to have the same on another or next year."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2gan.base import find_base
from e2gan.concept import FILES, MANIFEST, Concept
from e2gan.errors import E2GANError
from e2gan.files import atomic_write, read_toml, sha256_file, temporary_folder
from e2gan.plugins import registry, reload_registry
from e2gan.processes import run_python
from e2gan.tables import Table, shown
from e2gan_hub import client, pull, store
from e2gan_hub.installed import source_of
from e2gan_hub.ref import COMMIT, Ref

__all__ = [
    "CHANGED",
    "LOCKFILE",
    "Lock",
    "LockedBase",
    "LockedConcept",
    "Synced",
    "installed",
    "read_lock",
    "sync",
    "write_lock",
]

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
    for concept in registry().all("concept").values():
        ref = source_of(concept)
        files = store.digests(concept.path)
        if ref and ref.commit:
            concepts.append(LockedConcept(concept.id, concept.version, files, ref.repo, ref.commit))
        else:
            distribution = concept.distribution or ""
            concepts.append(LockedConcept(concept.id, _version(distribution), files, distribution=distribution))
        bases.setdefault(concept.base_id, sha256_file(find_base(concept.base_id).generator_path))
    return Lock(tuple(concepts), tuple(LockedBase(*item) for item in sorted(bases.items())))


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return ""


def write_lock(lock: Lock, path: Path) -> None:
    """Write a lockfile, whole or not at all."""
    import tomlkit

    concepts = [{k: v for k, v in vars(concept).items() if v != ""} for concept in lock.concepts]
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
    bases = [_locked_base(row) for row in (table.tables("base") if "base" in table.data else [])]
    concepts = [_locked_concept(row) for row in (table.tables("concept") if "concept" in table.data else [])]
    table.done()
    ids = [concept.id for concept in concepts]
    if twice := next((id for id in ids if ids.count(id) > 1), None):
        raise table.fault(f"the concept '{twice}' is locked twice")
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
    """``is here``, ``pulled`` or ``installed``; ``left as it was`` because of another's problem; empty if it failed."""
    problem: str | None = None


CHANGED = ("pulled", "installed")
"""What has been done where something has."""

Change = Callable[[], None]
"""Puts in place what has been fetched and checked."""


def sync(lock: Lock, *, require_trusted: bool = False) -> list[Synced]:
    """Restore what is locked: all of it, or nothing where any of it cannot be had exactly so.

    A concept from the Hub is fetched at its commit.  One from pip is downloaded if it is missing or of another version,
    as a wheel, which holds nothing that runs before it is installed.  A base is only checked.  All that lies in a
    folder of its own until everything is there and checked.  What is installed and not in the lockfile stays.

    Raises:
        E2GANError: something could not be put in place, after all was checked; what can be is put back.
    """
    results = [_check_base(base) for base in lock.bases]
    with temporary_folder() as place:
        from_hub: dict[str, Change] = {}
        wheels: list[tuple[LockedConcept, Path]] = []
        for concept in lock.concepts:
            folder = place / concept.id
            done, problem = "is here", None
            try:
                if not concept.repo:
                    if wheel := _check_pip(concept, folder):
                        wheels.append((concept, wheel))
                        done = "installed"
                else:
                    repo, change = _check_hub(concept, folder, require_trusted)
                    if change:
                        from_hub[repo], done = change, "pulled"
            except E2GANError as error:
                done, problem = "", str(error)
            results.append(Synced(concept.id, concept.source, done, problem))
        if any(result.problem for result in results):
            return [
                Synced(result.id, result.source, "left as it was") if result.done in CHANGED else result
                for result in results
            ]
        with _records_put_back(from_hub):
            for change in from_hub.values():
                change()
            _pip_install(wheels, place)
    importlib.invalidate_caches()
    reload_registry()
    installed = {concept.id: concept for concept, _ in wheels}
    return [
        _check_installed(result, installed[result.id]) if result.done == "installed" else result for result in results
    ]


def _check_base(base: LockedBase) -> Synced:
    try:
        digest = sha256_file(find_base(base.id).generator_path)
    except E2GANError as error:
        return Synced(base.id, "base", "", str(error))
    if digest != base.sha256:
        problem = f"the base is another one: its generator's SHA-256 is {digest[:12]}…, not {base.sha256[:12]}…"
        return Synced(base.id, "base", "", problem)
    return Synced(base.id, "base", "is here")


def _compare(digests: Mapping[str, str], id: str, locked: LockedConcept) -> None:
    if id != locked.id:
        raise E2GANError(f"its concept has the id {shown(id)}, not the locked '{locked.id}'")
    if differing := store.differing(digests, locked.files):
        raise E2GANError(f"files differ from the lockfile: {', '.join(differing)}")


def _check_id(locked: LockedConcept, ours: Callable[[Concept], bool]) -> None:
    """Refuse to install a concept whose id another one has here."""
    other = registry().all("concept").get(locked.id)
    if other is not None and not ours(other):
        raise E2GANError(
            f"another installed concept already uses the id '{locked.id}': {other.source or other.distribution}"
        )


# From the Hub


def _check_hub(locked: LockedConcept, folder: Path, require_trusted: bool) -> tuple[str, Change | None]:
    """Have a concept's files, in ``folder`` or in the store, and check them; gives the repository, and what is to be
    done yet."""
    asked = Ref(locked.repo, locked.commit)
    here = pull.here(asked, offline=client.is_offline(), require_trusted=require_trusted)
    if here is not None:
        ref, concept = here.ref, here.concept
        _compare(store.digests(concept.path), concept.id, locked)
        change: Change = lambda: _listed(pull.install(ref, locked.commit, asked=asked))  # noqa: E731
    else:
        api = client.client()
        found = pull.find(asked, api, require_trusted=require_trusted)
        ref, digests = found.ref, pull.fetch(found, folder, api)
        _compare(digests, Concept.read(folder).id, locked)
        change = lambda: _listed(pull.adopt(found, folder, digests, asked=asked))  # noqa: E731
    _check_id(locked, lambda other: any(_is_from(other, name) for name in (asked, ref)))
    return ref.repo, None if here and here.listed else change


def _is_from(concept: Concept, ref: Ref) -> bool:
    source = source_of(concept)
    return source is not None and ref.is_of(source.repo)


def _listed(done: pull.Pulled) -> None:
    if not done.listed:
        raise E2GANError(f"another installed concept already uses the id '{done.concept.id}'", hint="e2gan list")


@contextmanager
def _records_put_back(repos: Iterable[str]) -> Iterator[None]:
    """If the body fails half-way, let the store say what it said before: what it holds besides is nobody's."""
    paths = [store.repo_folder(repo) / store.RECORD for repo in repos]
    before = [path.read_bytes() if path.exists() else None for path in paths]
    try:
        yield
    except BaseException:
        for path, content in zip(paths, before, strict=True):
            if content is None:
                path.unlink(missing_ok=True)
            else:
                atomic_write(path, content)
        raise


# From pip


def _check_pip(locked: LockedConcept, folder: Path) -> Path | None:
    """The checked wheel with a concept, in ``folder``; None if it is installed and as it is locked."""
    _check_id(locked, lambda other: other.source is None and other.distribution == locked.distribution)
    if _version(locked.distribution) == locked.version:
        concept = registry().all("concept").get(locked.id)
        if concept is None:
            raise E2GANError(f"{locked.distribution} does not bring the concept '{locked.id}'")
        _compare(store.digests(concept.path), concept.id, locked)
        return None
    requirement = f"{locked.distribution}=={locked.version}"
    _pip(requirement, "download", "--no-deps", "--only-binary", ":all:", "--dest", str(folder), requirement)
    (wheel,) = folder.glob("*.whl")
    _check_wheel(wheel, locked)
    return wheel


def _check_wheel(wheel: Path, locked: LockedConcept) -> None:
    """Check that a wheel holds the locked files, side by side in one of its folders."""
    folders: dict[str, dict[str, zipfile.ZipInfo]] = {}
    try:
        with zipfile.ZipFile(wheel) as archive:
            for entry in archive.infolist():
                folder, _, name = entry.filename.rpartition("/")
                if name:
                    folders.setdefault(folder, {})[name] = entry
            bundles = [files for files in folders.values() if MANIFEST in files]
            candidates = [
                ({name: _digest(archive, member) for name, member in files.items()}, files) for files in bundles
            ]
            if not candidates:
                raise E2GANError(f"{locked.distribution} brings no concept")
            digests, files = min(candidates, key=lambda candidate: len(store.differing(candidate[0], locked.files)))
            _compare(digests, locked.id, locked)
            manifest = wheel.with_name(MANIFEST)
            manifest.write_bytes(archive.read(files[MANIFEST]))
    except (OSError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as fault:
        raise E2GANError(f"{wheel.name} cannot be read: {fault}") from fault
    _compare(digests, str(read_toml(manifest).get("id")), locked)


def _digest(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> str:
    """The SHA-256 of a file in a wheel; empty for one that is larger than any of a bundle, and so none of it."""
    if entry.file_size > FILES.get(entry.filename.rpartition("/")[2], 0):
        return ""
    return hashlib.sha256(archive.read(entry)).hexdigest()


def _pip_install(wheels: Sequence[tuple[LockedConcept, Path]], place: Path) -> None:
    """Install the wheels that were checked, those very ones, all at once."""
    if not wheels:
        return
    lines = [
        f"{concept.distribution}=={concept.version} --hash=sha256:{sha256_file(wheel)}" for concept, wheel in wheels
    ]
    requirements = place / "requirements.txt"
    requirements.write_text("\n".join(dict.fromkeys(lines)) + "\n", encoding="utf-8")
    folders = [f"--find-links={wheel.parent}" for _, wheel in wheels]
    names = ", ".join(dict.fromkeys(f"{concept.distribution}=={concept.version}" for concept, _ in wheels))
    _pip(names, "install", "--no-deps", "--no-index", *folders, "--require-hashes", "--requirement", str(requirements))


def _pip(what: str, command: str, *arguments: str) -> None:
    """Run pip for this Python."""
    words = ("-m", "pip", command, "--quiet", "--disable-pip-version-check", *arguments)
    try:
        ended = run_python(*words, timeout=INSTALL_SECONDS)
    except OSError as fault:
        raise E2GANError(f"pip could not {command} {what}: {fault}") from fault
    if ended.returncode:
        lines = [line for line in ended.stderr.splitlines() if line.startswith("ERROR:")]
        reason = " ".join(lines[-1:]).removeprefix("ERROR: ") or f"it ended with {ended.returncode}"
        raise E2GANError(f"pip could not {command} {what}: {reason}")


def _check_installed(synced: Synced, locked: LockedConcept) -> Synced:
    """Look at a distribution once more: what it registers is up to its code, which does not run before."""
    concept = registry().all("concept").get(locked.id)
    try:
        if concept is None or concept.distribution != locked.distribution:
            raise E2GANError(f"{locked.distribution} does not bring the concept '{locked.id}'")
        _compare(store.digests(concept.path), concept.id, locked)
    except E2GANError as error:
        return Synced(locked.id, locked.source, synced.done, str(error))
    return synced
