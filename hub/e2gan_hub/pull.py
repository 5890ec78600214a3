"""Getting a concept: resolve, look at the list, fetch, check, and only then make it visible.

What an edit needs is fetched: the manifest, the adapter and the prompt.  The card and the preview stay on the Hub.
"""

from __future__ import annotations

import functools
import hashlib
import io
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2gan.base import Base, find_base
from e2gan.concept import CONFIG, FILES, MANIFEST, TRAINED, Concept, render_adapter_config
from e2gan.errors import BaseModelError, ConceptError, E2GANError, E2GANWarning, RecipeError
from e2gan.tables import shown
from e2gan_hub import client, config, signing, store, trust
from e2gan_hub.ref import COMMIT, Ref

if TYPE_CHECKING:
    from huggingface_hub import HfApi

__all__ = [
    "NEEDED",
    "HubWarning",
    "Pulled",
    "RemoteFile",
    "base_of",
    "check_files",
    "concept_from",
    "listing",
    "pull",
    "remove",
]

NEEDED = (MANIFEST, *TRAINED)
"""The files that are fetched."""

TOLERATED = {".gitattributes": 64 * 1024, signing.SIGNATURE: signing.SIGNATURE_LIMIT}
"""What else may lie in a repository, and the most bytes of it; it is not fetched."""


class HubWarning(E2GANWarning):
    """What was asked for was got, though not quite as asked."""


@dataclass(frozen=True)
class RemoteFile:
    """A file as the Hub lists it."""

    name: str
    size: int
    """In bytes."""
    blob: str
    """git's SHA-1 of it, or of what stands for it in git."""
    sha256: str | None
    """Of its content, where that is kept outside of git."""

    def holds(self, path: Path) -> bool:
        """Whether ``path`` is that file."""
        return path.is_file() and path.stat().st_size == self.size and self.is_of(path.read_bytes())

    def is_of(self, content: bytes) -> bool:
        if self.sha256 is not None:
            return hashlib.sha256(content).hexdigest() == self.sha256
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest() == self.blob


@dataclass(frozen=True)
class Pulled:
    """A concept that is here."""

    ref: Ref
    commit: str
    concept: Concept
    fetched: bool
    """Whether it had to be fetched now."""
    listed: bool
    """Whether its id means it; False where the id is another's, or the pull was not to list it."""


def concept_from(name: str) -> Concept:
    """The concept that ``hub:NAME`` means: what a blend, ``e2gan apply`` and ``e2gan show`` ask for.

    A revision is looked up once in a process; where the Hub cannot be asked, it is what it was when it last could.
    """
    return _concept_from(Ref.parse(name))


@functools.cache
def _concept_from(ref: Ref) -> Concept:
    try:
        return pull(ref, list_it=False).concept
    except client.Unreachable as error:
        if ref.branch not in store.read_record(ref.repo).revisions:
            raise
        warnings.warn(HubWarning(f"{error}; taken as it was last time"), stacklevel=2)
        return pull(ref, list_it=False, offline=True).concept


def pull(
    ref: Ref,
    *,
    offline: bool = False,
    require_trusted: bool = False,
    signer: config.Signer | None = None,
    list_it: bool = True,
) -> Pulled:
    """Have a concept here, checked; a commit that is here already costs no request.

    Args:
        offline: ask nobody; a branch or tag is the commit that it was when the Hub was last asked.
        require_trusted: refuse publishers that are not on the allow-list.
        signer: who must have signed it; by default whom the settings name for the publisher, if any.
        list_it: let its id mean it from now on, unless that is the id of another.

    Raises:
        Unreachable: the Hub cannot be asked.
        E2GANError: there is no such concept, it is refused, or it is no sound bundle; nothing of it is visible then.
    """
    settings = config.read_config()
    note = trust.check(ref, settings, required=require_trusted)
    signer = signer or settings.signers.get(ref.owner)
    record = store.read_record(ref.repo)
    offline = offline or client.is_offline()
    commit, files = _resolve(ref, record, offline)
    _check_tag(ref, record, commit)

    done = _is_here(record, commit, signer)
    if not done and offline:
        raise _not_here(ref)
    known = ref.commit or record.revisions.get(ref.branch) == commit
    if done and known and record.listed == (commit if list_it else record.listed):
        return Pulled(ref, commit, record.concept(commit), False, record.listed == commit)

    with store.locked(ref.repo):
        record = store.read_record(ref.repo)
        fetched = not _is_here(record, commit, signer)
        if fetched:
            if note is not None:
                warnings.warn(note, stacklevel=2)
            _fetch(ref.at(commit), record, files, signer)
        concept = record.concept(commit)
        if list_it and _may_list(concept, ref.repo):
            record.listed = commit
        if not ref.commit:
            record.revisions[ref.branch] = commit
        record.save()
    return Pulled(ref, commit, concept, fetched, record.listed == commit)


def remove(repo: str) -> None:
    """Forget a repository and delete what is here of it; raises E2GANError if there is nothing."""
    folder = store.repo_folder(repo)
    if not (folder / store.RECORD).exists():
        raise E2GANError(f"nothing of {repo} is here", hint="e2gan list shows what is")
    with store.locked(repo):
        (folder / store.RECORD).unlink(missing_ok=True)
        for entry in folder.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)


def _resolve(ref: Ref, record: store.Record, offline: bool) -> tuple[str, Mapping[str, RemoteFile] | None]:
    """The commit that is meant, and what the Hub lists there if it had to be asked."""
    if ref.commit:
        return ref.commit, None
    if offline:
        commit = record.revisions.get(ref.branch)
        if commit is None:
            raise _not_here(ref)
        return commit, None
    return listing(ref)


def _not_here(ref: Ref) -> client.Unreachable:
    return client.Unreachable(f"{ref} is not here, and the Hub is not asked while offline", hint="pull it once online")


def _check_tag(ref: Ref, record: store.Record, commit: str) -> None:
    """Refuse a version's tag that has been moved: it is no longer what it was when it was first pulled."""
    before = record.revisions.get(ref.branch)
    if before in (None, commit) or before not in record.commits:
        return
    if ref.revision == f"v{record.concept(before).version}":
        raise E2GANError(
            f"{ref}: the tag has been moved, from {before[:12]} to {commit[:12]}: a version is published once",
            hint=f"e2gan pull {ref.at(before)} is what you had, e2gan pull {ref.at(commit)} what it is now",
        )


def _is_here(record: store.Record, commit: str, signer: config.Signer | None) -> bool:
    if commit not in record.commits or (signer and record.signers.get(commit) != signer.identity):
        return False
    return store.is_intact(store.bundle_folder(record.repo, commit), record.commits[commit])


def _may_list(concept: Concept, repo: str) -> bool:
    """Whether the concept's id is free, or this repository's."""
    from e2gan.plugins import registry

    other = registry().concepts.get(concept.id)
    if other is None or (other.source or "").startswith(f"hub:{repo}@"):
        return True
    owner = other.source or other.distribution
    warnings.warn(
        HubWarning(f"the id '{concept.id}' is that of {owner}, so this one is to be called hub:{repo}"), stacklevel=2
    )
    return False


# What the Hub lists


def listing(ref: Ref, api: HfApi | None = None) -> tuple[str, dict[str, RemoteFile]]:
    """The commit of a revision, and its files by name: one request to the Hub, or two to a mirror that tells less.

    Raises:
        Unreachable: the Hub cannot be asked.
        E2GANError: there is no such repository or revision, or the answer is malformed.
    """
    from huggingface_hub.hf_api import RepoFile

    api = api or client.client()
    with client.failures(ref.repo, ref.revision):
        info = client.patiently(
            api.model_info, ref.repo, revision=ref.revision, files_metadata=True, timeout=client.TIMEOUT
        )
        commit = info.sha
        if not isinstance(commit, str) or not COMMIT.fullmatch(commit) or ref.commit not in (None, commit):
            raise ValueError(f"it names the commit {shown(commit)}")
        files: list[tuple[str, Any, Any, Any]]
        files = [(each.rfilename, each.size, each.blob_id, each.lfs) for each in info.siblings or ()]
        if any(size is None for _, size, _, _ in files):
            tree = client.patiently(lambda: list(api.list_repo_tree(ref.repo, recursive=True, revision=commit)))
            files = [(each.path, each.size, each.blob_id, each.lfs) for each in tree if isinstance(each, RepoFile)]
        found = [
            RemoteFile(str(name), int(size), str(blob), lfs.sha256 if lfs else None) for name, size, blob, lfs in files
        ]
    return commit, {file.name: file for file in found}


def _check_listing(ref: Ref, files: Iterable[RemoteFile]) -> None:
    """Refuse a repository by what it lists, before anything of it is fetched."""
    limits = {**TOLERATED, **FILES}
    names = set()
    for file in files:
        if file.name not in limits:
            raise ConceptError(
                f"{ref}: unexpected file {shown(file.name)}; nothing was fetched",
                hint=f"a concept is data alone: {', '.join(FILES)}",
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


def _fetch(
    ref: Ref, record: store.Record, files: Mapping[str, RemoteFile] | None, signer: config.Signer | None
) -> None:
    """Bring a commit's bundle into the store and into ``record``, which is not saved here."""
    api = client.client()
    if files is None:
        _, files = listing(ref, api)
    _check_listing(ref, files.values())
    assert ref.revision
    final = store.bundle_folder(ref.repo, ref.revision)
    part = final.with_name(f"{final.name}.part")
    with client.failures(str(ref)):
        if final.exists():  # damaged, or of a pull that ended before the record was written
            shutil.rmtree(part, ignore_errors=True)
            os.replace(final, part)
        part.mkdir(exist_ok=True)
        for file in part.iterdir():
            if file.name not in NEEDED:
                file.unlink()
        try:
            _fetch_file(api, ref, files[MANIFEST], part)
            _make_config(part, files[CONFIG])
            for name in TRAINED:
                _fetch_file(api, ref, files[name], part)
            concept = _checked(part)
        except (ConceptError, RecipeError) as error:
            shutil.rmtree(part, ignore_errors=True)  # all there, and wrong: there is nothing to go on from
            raise type(error)(f"{ref}: {str(error).replace(f'{part}{os.sep}', '')}", hint=error.hint) from error
        found = store.digests(part)
        if signer:
            _check_signature(api, ref, files.get(signing.SIGNATURE), signing.statement(concept, found), signer)
            record.signers[ref.revision] = signer.identity
        os.replace(part, final)
        record.commits[ref.revision] = found


def _fetch_file(api: HfApi, ref: Ref, file: RemoteFile, folder: Path) -> None:
    """Fetch one file, unless it is there already; what is not as the Hub lists it does not stay."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    path = folder / file.name
    if file.holds(path):
        return
    with open(path, "wb") as out:
        # Not hf_hub_download: it asks twice for each file, and believes what comes.
        http_get(
            hf_hub_url(ref.repo, file.name, revision=ref.revision, endpoint=api.endpoint),
            _Limited(out, file.size),  # type: ignore[arg-type]
            headers=build_hf_headers(token=api.token, **client.LIBRARY),
            expected_size=file.size,
        )
        out.flush()
        os.fsync(out.fileno())
    if not file.holds(path):
        path.unlink()
        raise E2GANError(
            f"{ref}: {file.name} is not what the Hub lists: it was damaged on the way, or exchanged",
            hint="run it again; if it stays so, tell the publisher",
        )


class _Limited:
    """A file to write to that takes no more bytes than were announced."""

    def __init__(self, file: io.BufferedWriter, limit: int) -> None:
        self._file = file
        self._limit = limit
        self.name = file.name

    def write(self, data: bytes) -> int:
        if self._file.tell() + len(data) > self._limit:
            raise E2GANError(f"{Path(self.name).name}: more bytes come than the {self._limit:,} that the Hub lists")
        return self._file.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _make_config(folder: Path, file: RemoteFile) -> None:
    """Write ``adapter_config.json`` without fetching it, where that gives the very file that is listed.

    It follows from the base and the ranks alone, so it does wherever the base is here.

    Raises:
        ConceptError: the manifest that is there already is malformed.
        RecipeError: its recipe is.
    """
    with tempfile.TemporaryDirectory() as alone:
        shutil.copy(folder / MANIFEST, alone)
        concept = Concept.read(alone)
    if base := base_of(concept):
        content = render_adapter_config(base.config, concept.ranks).encode()
        if file.is_of(content):
            (folder / file.name).write_bytes(content)


def _checked(folder: Path) -> Concept:
    """The concept in a folder, everything about it checked."""
    concept = Concept.read(folder)
    check_files(concept)
    return concept


def check_files(concept: Concept) -> None:
    """Check every file of a bundle, and with its base here their contents against that.

    Raises:
        ConceptError: something is wrong.
    """
    if base := base_of(concept):
        concept.load(base)
    else:
        concept.check()


def base_of(concept: Concept) -> Base | None:
    """The base that a concept was made for, if it is here."""
    try:
        base = find_base(concept.base_id)
    except BaseModelError:
        return None
    return base if base.sha256 == concept.base_sha256 else None


def _check_signature(api: HfApi, ref: Ref, file: RemoteFile | None, statement: bytes, signer: config.Signer) -> None:
    if file is None:
        raise E2GANError(f"not signed, and {signer.identity} must have signed it")
    with tempfile.TemporaryDirectory() as folder:
        _fetch_file(api, ref, file, Path(folder))
        signing.verify(statement, (Path(folder) / file.name).read_text("utf-8", "replace"), signer)
