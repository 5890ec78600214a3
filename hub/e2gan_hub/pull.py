"""Pulling a concept: resolve the name, check the list of files, fetch them, check them, and only then show the concept.

Only the files that an edit needs are fetched: the manifest, the adapter and the prompt, not the card or the preview.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from e2gan.concept import CONFIG, FILES, MANIFEST, TRAINED, Concept, base_of, check_bundle, render_adapter_config
from e2gan.errors import ConceptError, E2GANError, RecipeError
from e2gan.files import temporary_folder
from e2gan.plugins import registry, reload_registry
from e2gan.tables import shown
from e2gan_hub import answers, client, config, signing, store, trust
from e2gan_hub.client import HubWarning
from e2gan_hub.ref import COMMIT, Ref, is_repo

if TYPE_CHECKING:
    from huggingface_hub import HfApi

__all__ = [
    "NEEDED",
    "Found",
    "Listing",
    "Pulled",
    "RemoteFile",
    "adopt",
    "concept_from",
    "fetch",
    "find",
    "here",
    "install",
    "listing",
    "pull",
    "remove",
]

NEEDED = (MANIFEST, *TRAINED)
"""The files that are fetched."""

TOLERATED = {".gitattributes": 64 * 1024, signing.SIGNATURE: signing.SIGNATURE_LIMIT}
"""Other files that a repository may hold, with their maximum bytes; they are not fetched."""


@dataclass(frozen=True)
class RemoteFile:
    """A file as the Hub lists it."""

    name: str
    size: int
    """In bytes."""
    blob: str
    """git's SHA-1 of the file, or of its git-lfs pointer."""
    sha256: str | None
    """SHA-256 of its content if that is kept outside git."""

    def holds(self, path: Path) -> bool:
        """Whether ``path`` is that file."""
        return path.is_file() and path.stat().st_size == self.size and self.is_of(path.read_bytes())

    def is_of(self, content: bytes) -> bool:
        if self.sha256 is not None:
            return hashlib.sha256(content).hexdigest() == self.sha256
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest() == self.blob


@dataclass(frozen=True)
class Listing:
    """The Hub's list of a repository at a revision."""

    ref: Ref
    """The repository by the Hub's name (after a rename, not the requested one), and the requested revision."""
    commit: str
    files: Mapping[str, RemoteFile]
    """By name."""


@dataclass(frozen=True)
class Found:
    """A concept on the Hub whose list of files is acceptable; nothing has been fetched yet."""

    listing: Listing
    signer: config.Signer | None
    """Who must have signed it."""
    note: Warning | None
    """A note for the user when it is fetched."""

    @property
    def ref(self) -> Ref:
        return self.listing.ref

    @property
    def commit(self) -> str:
        return self.listing.commit

    @property
    def size(self) -> int:
        """Bytes to fetch."""
        return sum(self.listing.files[name].size for name in NEEDED)


@dataclass(frozen=True)
class Pulled:
    """A concept in the store."""

    ref: Ref
    """By the Hub's name."""
    commit: str
    concept: Concept
    fetched: bool
    """Whether this pull fetched it."""
    listed: bool
    """Whether its id means it; False if another concept uses the id, or the pull was told not to list it."""


def concept_from(name: str) -> Concept:
    """The concept that ``hub:NAME`` means in a blend, ``e2gan apply`` and ``e2gan show``.

    A process looks a revision up once; if the Hub cannot be reached, the last known commit is used.
    """
    return _concept_from(Ref.given(name))


@functools.cache
def _concept_from(ref: Ref) -> Concept:
    try:
        return pull(ref, list_it=False).concept
    except client.Unreachable as error:
        if ref.branch not in store.read_record(ref.repo).revisions:
            raise
        warnings.warn(HubWarning(f"{error}; using the last known commit"), stacklevel=2)
        return pull(ref, list_it=False, offline=True).concept


def pull(
    ref: Ref,
    *,
    offline: bool = False,
    require_trusted: bool = False,
    signer: config.Signer | None = None,
    list_it: bool = True,
) -> Pulled:
    """Get a concept into the store, checked.  A commit that is already there costs no request.

    Args:
        offline: make no requests; a branch or tag means its last known commit.
        require_trusted: refuse publishers that are not on the allow-list.
        signer: who must have signed it; by default the signer in the settings for the publisher, if any.
        list_it: install it: from now on its id means it, or its repository's name if another concept uses the id.

    Raises:
        Unreachable: the Hub cannot be reached.
        E2GANError: there is no such concept, it is refused, or its bundle is not sound; it is not shown then.
    """
    offline = offline or client.is_offline()
    if done := here(ref, offline=offline, require_trusted=require_trusted, signer=signer):
        return done if done.listed or not list_it else install(done.ref, done.commit, asked=ref)
    api = client.client()
    found = find(ref, api, require_trusted=require_trusted, signer=signer)
    _check_tag(found)
    record = store.read_record(found.ref.repo)
    fetched = False
    known = ref.commit or record.revisions.get(ref.branch) == found.commit
    if not (known and record.repo == found.ref.repo and _is_here(record, found.commit, found.signer)):
        with store.locked(found.ref.repo):
            record = store.read_record(found.ref.repo)
            fetched = not _is_here(record, found.commit, found.signer)
            digests = None
            if fetched:
                _say(found.note)
                digests = fetch(found, _part(found), api)
            _keep(record, found, digests)
    done = install(found.ref, found.commit, asked=ref) if list_it else None
    listed = done.listed if done else record.listed == found.commit
    return Pulled(found.ref, found.commit, record.concept(found.commit), fetched, listed)


def here(
    ref: Ref, *, offline: bool = False, require_trusted: bool = False, signer: config.Signer | None = None
) -> Pulled | None:
    """The concept from the store, without a request; None if it must be fetched from the Hub.

    Raises:
        Unreachable: it is not in the store, and ``offline`` is set.
        E2GANError: its publisher is not trusted, as for :func:`pull`.
    """
    settings = config.read_config()
    record = store.read_record(ref.repo)
    ref = ref.called(record.repo)
    commit = ref.commit or (record.revisions.get(ref.branch) if offline else None)
    if commit is not None:
        # If the store has nothing, the Hub may still name another publisher.
        if offline or record.commits:
            trust.check(ref, settings, required=require_trusted)
        if _is_here(record, commit, signer or settings.signer(ref.owner)):
            return Pulled(ref, commit, record.concept(commit), False, record.listed == commit)
    if offline:
        raise client.Unreachable(
            f"{ref} is not on this machine, and offline mode makes no requests", hint="pull it once online"
        )
    return None


def find(ref: Ref, api: HfApi, *, require_trusted: bool = False, signer: config.Signer | None = None) -> Found:
    """Ask the Hub for a concept, and check its list of files; arguments as for :func:`pull`.

    The name in the Hub's answer decides who the publisher is, not the requested one.

    Raises:
        Unreachable: the Hub cannot be reached.
        E2GANError: there is no such concept, its publisher is not trusted, or it holds a file that a concept may not.
    """
    settings = config.read_config()
    listed = listing(ref, api)
    if moved := trust.check_move(ref, listed.ref, settings):
        _say(HubWarning(moved))
    note = trust.check(listed.ref, settings, required=require_trusted)
    _check_listing(ref.at(listed.commit), listed.files.values())
    return Found(listed, signer or settings.signer(listed.ref.owner), note)


def install(ref: Ref, commit: str, *, asked: Ref | None = None, by_id: bool = True) -> Pulled:
    """Install a concept that is in the store: under its id, or under ``hub:OWNER/NAME`` if another concept uses the id.

    Args:
        asked: the requested name.  If it is a former name of the repository, its entry is replaced.
        by_id: false to leave the id free for another concept.
    """
    asked = asked or ref
    record = store.read_record(ref.repo)
    concept = record.concept(commit)
    listed = by_id and (record.listed == commit or _may_list(concept, ref, asked))
    if record.pulled != commit or listed != (record.listed == commit):
        if store.repo_folder(asked.repo) != store.repo_folder(ref.repo) and store.read_record(asked.repo).pulled:
            _forget_former(asked.repo)
        with store.locked(ref.repo):
            record = store.read_record(ref.repo)
            if commit in record.commits:
                record.pulled = commit
                record.listed = commit if listed else None
                record.save()
        reload_registry()  # the next concept of the same command may have the same id
    return Pulled(ref, commit, concept, False, record.listed == commit)


def _forget_former(repo: str) -> None:
    """A repository has another name now, so nothing is installed from the former one."""
    with store.locked(repo):
        former = store.read_record(repo)
        former.listed = former.pulled = None
        former.save()


def adopt(found: Found, folder: Path, digests: dict[str, str], *, asked: Ref, by_id: bool = True) -> Pulled:
    """Move files fetched into another folder into the store, and install the concept."""
    with store.locked(found.ref.repo):
        part = _part(found)
        with client.failures(str(found.ref)):
            shutil.rmtree(part, ignore_errors=True)
            shutil.copytree(folder, part)
        _keep(store.read_record(found.ref.repo), found, digests)
    return install(found.ref, found.commit, asked=asked, by_id=by_id)


def remove(repo: str) -> None:
    """Remove a repository, in any capitals, from the store; raises E2GANError if the store has nothing of it."""
    folders = [folder for folder in store.repo_folders(repo) if (folder / store.RECORD).exists()]
    if not folders:
        raise E2GANError(f"{repo} has not been pulled", hint="e2gan list shows the installed concepts")
    for folder in folders:
        with store.locked(repo):
            (folder / store.RECORD).unlink(missing_ok=True)
            for entry in folder.iterdir():
                if entry.is_dir():
                    shutil.rmtree(entry, ignore_errors=True)


def _say(note: Warning | None) -> None:
    if note is not None:
        warnings.warn(note, stacklevel=3)


def _check_tag(found: Found) -> None:
    """Refuse a version's tag that has been moved since it was first pulled."""
    ref, record = found.ref, store.read_record(found.ref.repo)
    before = record.revisions.get(ref.branch)
    if before in (None, found.commit) or before not in record.commits:
        return
    if ref.revision == f"v{record.concept(before).version}":
        raise E2GANError(
            f"{ref}: the tag was moved from {before[:12]} to {found.commit[:12]}, but a version is published once",
            hint=f"e2gan pull {ref.at(before)} gets the earlier one, e2gan pull {ref.at(found.commit)} the new one",
        )


def _is_here(record: store.Record, commit: str, signer: config.Signer | None) -> bool:
    if commit not in record.commits or (signer and record.signers.get(commit) != signer.identity):
        return False
    return store.is_intact(store.bundle_folder(record.repo, commit), record.commits[commit])


def _may_list(concept: Concept, ref: Ref, asked: Ref) -> bool:
    """Whether the concept's id is free or already this repository's, under its present or a former name."""
    other = registry().all("concept").get(concept.id)
    if other is None:
        return True
    source = Ref.parse(other.source) if other.source and other.source.startswith("hub:") else None
    if source is None or not (ref.is_of(source.repo) or asked.is_of(source.repo)):
        owner = other.source or other.distribution
        _say(HubWarning(f"the id '{concept.id}' is already used by {owner}; use this concept as hub:{ref}"))
        return False
    if store.repo_folder(source.repo) != store.repo_folder(ref.repo):
        _forget_former(source.repo)
    return True


# The Hub's lists


def listing(ref: Ref, api: HfApi | None = None) -> Listing:
    """The list of a revision: one request to the Hub, or two to a mirror that reports less.

    Raises:
        Unreachable: the Hub cannot be reached.
        E2GANError: there is no such repository or revision, or the answer is malformed.
    """
    api = api or client.client()
    with client.failures(ref.repo, ref.revision):
        at = f"/revision/{quote(ref.revision, safe='')}" if ref.revision else ""
        info = answers.parse(answers.read(api, f"/api/models/{ref.repo}{at}", params={"blobs": "true"}).body)
        repo, commit, siblings = info["id"], info["sha"], info.get("siblings") or []
        if not isinstance(commit, str) or not COMMIT.fullmatch(commit) or ref.commit not in (None, commit):
            raise ValueError(f"it names the commit {shown(commit)}")
        if not is_repo(repo):
            raise ValueError(f"it names the repository {shown(repo)}")
        files = [
            (sibling["rfilename"], sibling.get("size"), sibling.get("blobId"), sibling.get("lfs"))
            for sibling in siblings
        ]
        if any(size is None for _, size, _, _ in files):
            tree = answers.pages(api, f"/api/models/{repo}/tree/{commit}", {"recursive": "true"})
            files = [
                (entry["path"], entry["size"], entry["oid"], _tree_lfs(entry))
                for entry in tree
                if entry["type"] == "file"
            ]
        listed = [
            RemoteFile(str(name), int(size), str(blob), str(lfs["sha256"]) if lfs else None)
            for name, size, blob, lfs in files
        ]
    return Listing(ref.called(repo), commit, {file.name: file for file in listed})


def _tree_lfs(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """The git-lfs fields of a file in the tree's list, in the form of the other list."""
    return {"sha256": entry["lfs"]["oid"]} if entry.get("lfs") else None


def _check_listing(ref: Ref, files: Iterable[RemoteFile]) -> None:
    """Refuse a repository because of its list, before anything is fetched."""
    limits = {**TOLERATED, **FILES}
    names = set()
    for file in files:
        if file.name not in limits:
            raise ConceptError(
                f"{ref}: unexpected file {shown(file.name)}; nothing was fetched",
                hint=f"a concept holds only data: {', '.join(FILES)}",
            )
        if not 0 <= file.size <= limits[file.name]:
            raise ConceptError(
                f"{ref}: {file.name} has {file.size:,} bytes; at most {limits[file.name]:,} are allowed; "
                "nothing was fetched"
            )
        names.add(file.name)
    for name in NEEDED:
        if name not in names:
            raise ConceptError(f"{ref} holds no trained concept: {name} is missing; nothing was fetched")


# Fetching


def fetch(found: Found, folder: Path, api: HfApi) -> dict[str, str]:
    """Fetch the files that ``folder`` lacks, check all of them, and return the SHA-256 of each.

    Raises:
        Unreachable: the Hub cannot be reached; complete files stay in the folder, and a later pull continues from them.
        E2GANError: a file differs from the list.
        ConceptError: the bundle is not sound; the folder is deleted then.
    """
    ref, files = found.ref.at(found.commit), found.listing.files
    with client.failures(str(ref)):
        folder.mkdir(parents=True, exist_ok=True)
        for file in folder.iterdir():
            if file.name not in NEEDED:
                file.unlink()
        try:
            _fetch_file(api, ref, files[MANIFEST], folder)
            _make_config(folder, files[CONFIG])
            for name in TRAINED:
                _fetch_file(api, ref, files[name], folder)
            _checked(folder)
            digests = store.digests(folder)
        except (ConceptError, RecipeError) as error:
            shutil.rmtree(folder, ignore_errors=True)  # complete and wrong: a later pull could not continue from it
            raise type(error)(f"{ref}: {str(error).replace(f'{folder}{os.sep}', '')}", hint=error.hint) from error
        if found.signer:
            statement = signing.statement(Concept.read(folder), digests)
            _check_signature(api, ref, files.get(signing.SIGNATURE), statement, found.signer)
    return digests


def _part(found: Found) -> Path:
    """The folder in the store that holds a bundle while it is fetched."""
    final = store.bundle_folder(found.ref.repo, found.commit)
    return final.with_name(f"{final.name}.part")


def _keep(record: store.Record, found: Found, digests: dict[str, str] | None) -> None:
    """Move fetched files, if any, to their final folder, and update the record."""
    if digests is not None:
        final = store.bundle_folder(record.repo, found.commit)
        with client.failures(str(found.ref)):
            if final.exists():  # damaged, or left by a pull that ended before it wrote the record
                shutil.rmtree(final)
            os.replace(_part(found), final)
        record.commits[found.commit] = digests
        if found.signer:
            record.signers[found.commit] = found.signer.identity
    record.repo = found.ref.repo  # an earlier version wrote the requested name
    if not found.ref.commit:
        record.revisions[found.ref.branch] = found.commit
    record.save()


def _fetch_file(api: HfApi, ref: Ref, file: RemoteFile, folder: Path) -> None:
    """Fetch one file unless it is there already; a file that differs from the Hub's list is deleted."""
    from huggingface_hub import hf_hub_url

    path = folder / file.name
    if file.holds(path):
        return
    try:
        # Not hf_hub_download, which sends two requests for each file and does not check the content.
        address = hf_hub_url(ref.repo, file.name, revision=ref.revision, endpoint=api.endpoint)
        content = answers.read(api, address, limit=file.size).body
    except answers.TooLargeError:
        raise E2GANError(f"{ref}: {file.name}: the file exceeds the {file.size:,} bytes that the Hub lists") from None
    if not file.is_of(content):
        raise E2GANError(
            f"{ref}: {file.name} differs from the Hub's list: it was damaged in transit, or replaced",
            hint="run it again; if that does not help, tell the publisher",
        )
    with open(path, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())


def _make_config(folder: Path, file: RemoteFile) -> None:
    """Write ``adapter_config.json`` without fetching it, if that gives exactly the listed file.

    The file follows from the base and the ranks alone, so this works whenever the base is installed.

    Raises:
        ConceptError: the fetched manifest is malformed.
        RecipeError: its recipe is.
    """
    with temporary_folder() as alone:
        shutil.copy(folder / MANIFEST, alone)
        concept = Concept.read(alone)
    if base := base_of(concept):
        content = render_adapter_config(base.config, concept.ranks).encode()
        if file.is_of(content):
            (folder / file.name).write_bytes(content)


def _checked(folder: Path) -> Concept:
    """The concept in a folder, fully checked."""
    concept = Concept.read(folder)
    check_bundle(concept)
    return concept


def _check_signature(api: HfApi, ref: Ref, file: RemoteFile | None, statement: bytes, signer: config.Signer) -> None:
    if file is None:
        raise E2GANError(f"not signed, but {signer.identity} must have signed it")
    with temporary_folder() as folder:
        _fetch_file(api, ref, file, Path(folder))
        signing.verify(statement, (Path(folder) / file.name).read_text("utf-8", "replace"), signer)
