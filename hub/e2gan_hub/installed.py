"""Everything that is installed, from any source: the folders, and their files as expected and as they are."""

from __future__ import annotations

import base64
import importlib.metadata
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from e2gan import base as bases
from e2gan.base import Base
from e2gan.concept import Concept, check_bundle
from e2gan.errors import E2GANError
from e2gan.files import sha256_file
from e2gan.plugins import Registry, registry
from e2gan_hub import store
from e2gan_hub.pull import listing
from e2gan_hub.ref import Ref

if TYPE_CHECKING:
    from huggingface_hub import HfApi

__all__ = ["Checked", "Outdated", "outdated", "repository_of", "source_of", "verify"]


@dataclass(frozen=True)
class Checked:
    """The result of checking one concept or base again."""

    kind: str
    """``concept`` or ``base``."""
    id: str
    source: str
    """``hub:OWNER/NAME@COMMIT``, or the distribution."""
    problem: str | None
    """None if it is sound."""


def source_of(concept: Concept) -> Ref | None:
    """The repository and commit that an installed concept was pulled from; None if it came from elsewhere."""
    return Ref.parse(concept.source) if concept.source and concept.source.startswith("hub:") else None


def repository_of(text: str) -> str:
    """The repository of a pulled concept that is named by its id, its repository, or its folder in the store.

    Raises:
        E2GANError: no such concept was pulled.
    """
    loaded = Registry.load()
    installed = loaded.all("concept")
    if concept := installed.get(text):
        if ref := source_of(concept):
            return ref.repo
        package = concept.distribution or "a package"
        raise E2GANError(
            f"'{text}' was not pulled from the Hub: it is part of {package}", hint=f"pip uninstall {package}"
        )
    folder = Path(text).expanduser()
    if folder.is_dir():
        for concept in installed.values():
            if (ref := source_of(concept)) and concept.path.resolve() == folder.resolve():
                return ref.repo
        raise E2GANError(f"{text}: a folder that was not pulled from the Hub", hint="delete it yourself")
    if "/" not in text:
        loaded.get("concept", text)  # raises, and says which one may be meant
    return Ref.given(text).repo


def verify() -> Iterator[Checked]:
    """Check that all installed files are sound and have not changed since they were installed.

    Pulled concepts are compared with the record of the pull, concepts from pip with pip's record, and each base with
    its manifest.
    """
    loaded = Registry.load()
    for record in store.records():
        if isinstance(record, E2GANError):
            yield Checked("concept", "?", "hub", str(record))
            continue
        for commit, expected in record.commits.items():
            source = f"hub:{record.repo}@{commit}"
            folder = store.bundle_folder(record.repo, commit)
            try:
                digests = store.digests(folder)
                concept = record.concept(commit)
                changed = store.differing(digests, expected)
                if changed:
                    raise E2GANError(f"{', '.join(changed)}: changed since the pull")
                check_bundle(concept)
            except (E2GANError, OSError) as error:
                yield Checked("concept", record.repo, source, str(error))
            else:
                yield Checked("concept", concept.id, source, None)
    for concept in (one for first in loaded.all("concept").values() for one in first.for_all_bases):
        if source_of(concept) is None:
            yield Checked("concept", concept.id, concept.distribution or "", _problem(concept))
    for problem in loaded.problems:
        if problem.distribution != "e2gan-hub":
            yield Checked("concept", "?", problem.distribution, problem.message)
    for manifest in sorted(bases.BUNDLED.glob("*/base.toml")):
        yield _checked_base(manifest.parent)


def _problem(concept: Concept) -> str | None:
    """What is wrong with a concept from a distribution, if anything."""
    try:
        if concept.trained:
            check_bundle(concept)
        recorded = _recorded(concept.distribution or "")
        for file in concept.path.iterdir():
            if recorded.get(file.resolve(), sha256_file(file)) != sha256_file(file):
                return f"{file.name}: changed since pip installed it"
    except (E2GANError, OSError) as error:
        return str(error)
    return None


def _recorded(distribution: str) -> dict[Path, str]:
    """The SHA-256 of each file from pip's RECORD; empty for an editable installation."""
    try:
        files = importlib.metadata.files(distribution) or []
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return {}
    return {
        Path(str(file.locate())).resolve(): base64.urlsafe_b64decode(f"{file.hash.value}==").hex()
        for file in files
        if file.hash and file.hash.mode == "sha256"
    }


def _checked_base(folder: Path) -> Checked:
    try:
        base = Base.read(folder)
        base.verify()
    except E2GANError as error:
        return Checked("base", folder.name, "e2gan", str(error))
    return Checked("base", base.id, "e2gan", None)


@dataclass(frozen=True)
class Outdated:
    """A pulled concept with a newer version on the Hub."""

    repo: str
    id: str
    name: str
    """What it is installed as: its id, or ``hub:OWNER/NAME`` if another concept uses the id."""
    version: str
    newest: str
    """The newest version on the Hub."""


def outdated() -> Iterator[Outdated]:
    """The pulled concepts that have a newer version's tag on the Hub; takes two requests for each.

    A concept that the Hub no longer has, or whose files here are damaged, gets a note and is left out.

    Raises:
        Unreachable: the Hub cannot be reached.
    """
    from e2gan_hub import client

    api = client.client()
    for record in store.records():
        try:
            if isinstance(record, E2GANError):
                raise record
            if record.pulled and (newer := _newer(record, record.pulled, api)):
                yield newer
        except client.Unreachable:
            raise
        except E2GANError as error:
            warnings.warn(client.HubWarning(str(error)), stacklevel=2)


def _newer(record: store.Record, commit: str, api: HfApi) -> Outdated | None:
    from packaging.version import InvalidVersion, Version

    from e2gan_hub import answers, client

    concept = record.concept(commit)
    ref = listing(Ref(record.repo), api).ref
    if not ref.is_of(record.repo):
        warnings.warn(client.HubWarning(f"moved from {record.repo} to {ref.repo}"), stacklevel=3)
    with client.failures(ref.repo):
        refs = answers.parse(answers.read(api, f"/api/models/{ref.repo}/refs").body)
        tags = [str(tag["name"]) for tag in refs["tags"]]
    versions = []
    for tag in tags:
        if tag.startswith("v"):
            try:
                versions.append(Version(tag[1:]))
            except InvalidVersion:
                continue
    try:
        own = Version(concept.version)
    except InvalidVersion:
        return None  # such a version is neither newer nor older
    newest = max((version for version in versions if not version.is_prerelease), default=own)
    known = [other.name for other in registry().all("concept").values() if other.path == concept.path]
    name = known[0] if known else f"hub:{record.repo}"
    return Outdated(ref.repo, concept.id, name, concept.version, str(newest)) if newest > own else None
