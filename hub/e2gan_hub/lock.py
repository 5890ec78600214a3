"""``e2gan.lock``: the exact concepts and bases of a machine, to install the same elsewhere or later."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2gan.base import find_base
from e2gan.concept import FILES, MANIFEST, Concept
from e2gan.errors import ConceptError, E2GANError
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
"""Maximum bytes of a lockfile, enough for thousands of concepts."""

INSTALL_SECONDS = 600


@dataclass(frozen=True)
class LockedConcept:
    """One concept: from the Hub with ``repo`` and ``commit``, or from pip with ``distribution``."""

    id: str
    version: str
    files: Mapping[str, str]
    """The SHA-256 of each file."""
    repo: str = ""
    commit: str = ""
    distribution: str = ""
    listed: bool = True
    """Whether its id means it; if not, it is used as ``hub:OWNER/NAME``."""
    base: str = ""
    """The id of the base that these files are for, if the distribution holds the concept for several."""

    @property
    def source(self) -> str:
        return f"hub:{self.repo}@{self.commit}" if self.repo else f"{self.distribution}=={self.version}"


@dataclass(frozen=True)
class LockedBase:
    id: str
    sha256: str
    """SHA-256 of its generator's file."""


@dataclass(frozen=True)
class Lock:
    concepts: tuple[LockedConcept, ...]
    bases: tuple[LockedBase, ...]


def installed() -> Lock:
    """The lock of everything that is installed now; what is not trained yet, or has a problem, gets a note instead.

    Raises:
        E2GANError: the base of a concept is missing, or a file cannot be read.
    """
    concepts: list[LockedConcept] = []
    bases: dict[str, str] = {}
    for concept in (one for first in registry().all("concept").values() for one in first.for_all_bases):
        try:
            concept.check_trained()
        except ConceptError as error:
            warnings.warn(client.HubWarning(f"not locked: {error} ({error.hint})"), stacklevel=2)
            continue
        ref = source_of(concept)
        files = store.digests(concept.path)
        if ref and ref.commit:
            listed = concept.other_name is None
            concepts.append(LockedConcept(concept.id, concept.version, files, ref.repo, ref.commit, listed=listed))
        else:
            distribution = concept.distribution or ""
            several = concept.base_id if registry().all("concept")[concept.name].others else ""
            concepts.append(
                LockedConcept(concept.id, _version(distribution), files, distribution=distribution, base=several)
            )
        bases.setdefault(concept.base_id, sha256_file(find_base(concept.base_id).generator_path))
    if problems := [problem.message for problem in registry().problems]:
        told = f"{problems[0]}{f', and {len(problems) - 1} more' if problems[1:] else ''}"
        warnings.warn(client.HubWarning(f"what has a problem is not locked (e2gan plugins): {told}"), stacklevel=2)
    return Lock(tuple(concepts), tuple(LockedBase(*item) for item in sorted(bases.items())))


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return ""


def write_lock(lock: Lock, path: Path) -> None:
    """Write a lockfile, completely or not at all."""
    import tomlkit

    usual = {"repo": "", "commit": "", "distribution": "", "listed": True, "base": ""}
    concepts = [{k: v for k, v in vars(concept).items() if v != usual.get(k)} for concept in lock.concepts]
    data: dict[str, Any] = {"schema": SCHEMA}
    data |= {"base": [vars(base) for base in lock.bases]} if lock.bases else {}
    data |= {"concept": concepts} if concepts else {}
    atomic_write(path, "# Written by e2gan lock; e2gan sync restores it.\n" + tomlkit.dumps(data))


def read_lock(path: Path) -> Lock:
    """Read a lockfile.

    Raises:
        E2GANError: it is missing or malformed.
    """
    table = Table(read_toml(path, limit=LIMIT, error=E2GANError), str(path), E2GANError)
    table.whole("schema", low=SCHEMA, high=SCHEMA)
    bases = [_locked_base(row) for row in (table.tables("base") if "base" in table.data else [])]
    concepts = [_locked_concept(row) for row in (table.tables("concept") if "concept" in table.data else [])]
    table.done()
    names = [_name(concept) for concept in concepts]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise table.fault(f"the concept '{twice}' is locked twice")
    packages = {concept.id: concept.distribution for concept in concepts if concept.base}
    if torn := next((one.id for one in concepts if one.base and one.distribution != packages[one.id]), None):
        raise table.fault(f"the concept '{torn}' is locked from two distributions")
    return Lock(tuple(concepts), tuple(bases))


def _name(concept: LockedConcept) -> str:
    if not concept.listed:
        return f"hub:{concept.repo.lower()}"
    return f"{concept.id} for {concept.base}" if concept.base else concept.id


def _locked_base(table: Table) -> LockedBase:
    base = LockedBase(table.id("id"), table.digest("sha256"))
    table.done()
    return base


def _locked_concept(table: Table) -> LockedConcept:
    files = table.sub("files")
    for name in files.data:
        if name not in FILES:
            raise files.fault(f"{shown(name)} is not a bundle's file")
    from_hub = "repo" in table.data
    concept = LockedConcept(
        id=table.id("id"),
        version=table.version("version"),
        files={name: files.digest(name) for name in files.data},
        repo=table.text("repo") if from_hub else "",
        commit=table.text("commit") if from_hub else "",
        distribution="" if from_hub else table.text("distribution"),
        listed=table.flag("listed", True) if from_hub else True,
        base="" if from_hub or "base" not in table.data else table.id("base"),
    )
    table.done()
    if from_hub and (Ref.parse(concept.repo).revision or not COMMIT.fullmatch(concept.commit)):
        raise table.fault("repo must be OWNER/NAME and commit 40 hexadecimal digits")
    if not from_hub and not _is_name(concept.distribution):
        raise table.fault(f"{shown(concept.distribution)} is not a distribution's name")
    return concept


def _is_name(text: str) -> bool:
    """Whether pip reads it as a name and as nothing else."""
    return text.isascii() and all(c.isalnum() or c in "-_." for c in text) and text[0].isalnum() and text[-1].isalnum()


@dataclass(frozen=True)
class Synced:
    """The result of one entry of the lockfile."""

    id: str
    source: str
    done: str
    """``is here``, ``pulled`` or ``installed``; ``left as it was`` because another failed; empty if it failed."""
    problem: str | None = None


CHANGED = ("pulled", "installed")
"""The values of ``done`` that mean a change."""

Change = Callable[[], None]
"""Installs what has been fetched and checked."""


def sync(lock: Lock, *, require_trusted: bool = False) -> list[Synced]:
    """Install exactly the locked concepts; if any of them cannot be had, change nothing.

    A concept from the Hub is fetched at its commit.  One from pip is downloaded if it is missing or has another
    version, as a wheel, which runs no code before it is installed.  A base is only checked.  All files stay in a
    temporary folder until every one has arrived and been checked.  Concepts that are not in the lockfile stay.

    Raises:
        E2GANError: an installation failed after all checks; as far as possible, the former state is restored.
    """
    results = [_check_base(base) for base in lock.bases]
    with temporary_folder() as place:
        from_hub: dict[str, Change] = {}
        wheels: list[tuple[LockedConcept, Path]] = []
        for number, concept in enumerate(lock.concepts):
            folder = place / str(number)
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
    return results[: len(lock.bases)] + [
        _check_installed(result, locked) if result.done == "installed" else result
        for result, locked in zip(results[len(lock.bases) :], lock.concepts, strict=True)
    ]


def _check_base(base: LockedBase) -> Synced:
    try:
        digest = sha256_file(find_base(base.id).generator_path)
    except E2GANError as error:
        return Synced(base.id, "base", "", str(error))
    if digest != base.sha256:
        problem = f"the base differs: its generator's SHA-256 is {digest[:12]}…, not {base.sha256[:12]}…"
        return Synced(base.id, "base", "", problem)
    return Synced(base.id, "base", "is here")


def _compare(digests: Mapping[str, str], id: str, locked: LockedConcept) -> None:
    if id != locked.id:
        raise E2GANError(f"its concept has the id {shown(id)}, not the locked '{locked.id}'")
    if differing := store.differing(digests, locked.files):
        raise E2GANError(f"files differ from the lockfile: {', '.join(differing)}")


def _same(locked: LockedConcept) -> Concept | None:
    """The installed concept with the locked id, for the locked base if its package holds it for several."""
    concept = registry().all("concept").get(locked.id)
    return concept and concept.on(locked.base)


def _check_id(locked: LockedConcept, ours: Callable[[Concept], bool]) -> None:
    """Refuse to install a concept whose id another installed concept uses."""
    other = registry().all("concept").get(locked.id)
    if other is not None and not ours(other):
        raise E2GANError(
            f"another installed concept already uses the id '{locked.id}': {other.source or other.distribution}"
        )


# From the Hub


def _check_hub(locked: LockedConcept, folder: Path, require_trusted: bool) -> tuple[str, Change | None]:
    """Get a concept's files into ``folder`` or the store, and check them; returns the repository, and the change that
    installs them."""
    asked = Ref(locked.repo, locked.commit)
    here = pull.here(asked, offline=client.is_offline(), require_trusted=require_trusted)
    if here is not None:
        ref, concept = here.ref, here.concept
        _compare(store.digests(concept.path), concept.id, locked)
        change: Change = lambda: _listed(  # noqa: E731
            pull.install(ref, locked.commit, asked=asked, by_id=locked.listed), locked
        )
    else:
        api = client.client()
        found = pull.find(asked, api, require_trusted=require_trusted)
        ref, digests = found.ref, pull.fetch(found, folder, api)
        _compare(digests, Concept.read(folder).id, locked)
        change = lambda: _listed(  # noqa: E731
            pull.adopt(found, folder, digests, asked=asked, by_id=locked.listed), locked
        )
    if locked.listed:
        _check_id(locked, lambda other: any(_is_from(other, name) for name in (asked, ref)))
    return ref.repo, None if here and _is_installed(ref, locked) else change


def _is_installed(ref: Ref, locked: LockedConcept) -> bool:
    record = store.read_record(ref.repo)
    return record.pulled == locked.commit and (record.listed == locked.commit) == locked.listed


def _is_from(concept: Concept, ref: Ref) -> bool:
    source = source_of(concept)
    return source is not None and ref.is_of(source.repo)


def _listed(done: pull.Pulled, locked: LockedConcept) -> None:
    if locked.listed and not done.listed:
        raise E2GANError(f"another installed concept already uses the id '{done.concept.id}'", hint="e2gan list")


@contextmanager
def _records_put_back(repos: Iterable[str]) -> Iterator[None]:
    """If the body fails, restore the store's record; files that it does not name are unused."""
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
    """The checked wheel with a concept, in ``folder``; None if the locked version is already installed."""
    _check_id(locked, lambda other: other.source is None and other.distribution == locked.distribution)
    if _version(locked.distribution) == locked.version:
        concept = _same(locked)
        if concept is None:
            raise E2GANError(f"{locked.distribution} does not contain the concept '{locked.id}'")
        _compare(store.digests(concept.path), concept.id, locked)
        return None
    requirement = f"{locked.distribution}=={locked.version}"
    _pip(requirement, "download", "--no-deps", "--only-binary", ":all:", "--dest", str(folder), requirement)
    (wheel,) = folder.glob("*.whl")
    _check_wheel(wheel, locked)
    return wheel


def _check_wheel(wheel: Path, locked: LockedConcept) -> None:
    """Check that one folder of a wheel holds exactly the locked files."""
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
                raise E2GANError(f"{locked.distribution} contains no concept")
            digests, files = min(candidates, key=lambda candidate: len(store.differing(candidate[0], locked.files)))
            _compare(digests, locked.id, locked)
            manifest = wheel.with_name(MANIFEST)
            manifest.write_bytes(archive.read(files[MANIFEST]))
    except (OSError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as fault:
        raise E2GANError(f"{wheel.name} cannot be read: {fault}") from fault
    _compare(digests, str(read_toml(manifest).get("id")), locked)


def _digest(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> str:
    """The SHA-256 of a file in a wheel; empty if it is too large to be a bundle's file."""
    if entry.file_size > FILES.get(entry.filename.rpartition("/")[2], 0):
        return ""
    return hashlib.sha256(archive.read(entry)).hexdigest()


def _pip_install(wheels: Sequence[tuple[LockedConcept, Path]], place: Path) -> None:
    """Install exactly the checked wheels, all at once."""
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
        reason = " ".join(lines[-1:]).removeprefix("ERROR: ") or f"exit code {ended.returncode}"
        raise E2GANError(f"pip could not {command} {what}: {reason}")


def _check_installed(synced: Synced, locked: LockedConcept) -> Synced:
    """Check an installed distribution again: its code, which now runs for the first time, decides what it registers."""
    concept = _same(locked)
    try:
        if concept is None or concept.distribution != locked.distribution:
            raise E2GANError(f"{locked.distribution} does not contain the concept '{locked.id}'")
        _compare(store.digests(concept.path), concept.id, locked)
    except E2GANError as error:
        return Synced(locked.id, locked.source, synced.done, str(error))
    return synced
