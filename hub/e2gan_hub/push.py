"""Publishing: one commit with everything, then the version's tag on it.

The tag defines a version.  If it exists already, the content must be the same, and pushing it again does nothing.  If a
push was interrupted before it set the tag, the next one sets it.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2gan.base import Base
from e2gan.concept import CARD, CONFIG, FILES, Concept, base_of, check_bundle, render_adapter_config
from e2gan.errors import BaseModelError, ConceptError, E2GANError
from e2gan.evaluation.checklist import LARGE
from e2gan.evaluation.summary import worse_than_nothing
from e2gan.files import read_bytes, sha256_file
from e2gan_hub import client, metadata, signing
from e2gan_hub.base_repo import base_repository
from e2gan_hub.pull import NEEDED, Listing, RemoteFile, listing
from e2gan_hub.ref import Ref

if TYPE_CHECKING:
    from huggingface_hub import HfApi

__all__ = ["Publication", "Published", "base_publication", "concept_publication", "publish"]

BASE_LIMIT = 1 << 30
"""Maximum bytes of a base's file."""

UNTOUCHED = ".gitattributes"
"""The Hub's own file in every repository."""


@dataclass(frozen=True)
class Publication:
    """The content to publish."""

    version: str
    files: Mapping[str, bytes | Path]
    """By name: the content, or the path of a file that holds it."""
    statement: bytes | None = None
    """The text to sign; None if there is nothing to sign."""

    @property
    def tag(self) -> str:
        return f"v{self.version}"

    def size(self, name: str) -> int:
        content = self.files[name]
        return len(content) if isinstance(content, bytes) else content.stat().st_size


@dataclass(frozen=True)
class Published:
    """The result of a push."""

    repo: str
    commit: str
    committed: bool
    """False if the repository held all of it already."""
    tag: str | None
    """The version's tag, if it exists now."""
    tagged: bool
    """Whether this push set it."""
    pull_request: str | None
    """Address of the pull request, if one was opened."""


def concept_publication(
    concept: Concept, repo: str, *, base_model: str | None = None, allow_large: bool = False, token: str | None = None
) -> Publication:
    """Check a concept and prepare its publication, with a new model card.

    A concept that is worse than doing nothing gets a warning.

    Raises:
        ConceptError: the bundle is not sound, not trained, not measured, or too large.
        Unreachable: the Hub cannot be reached.
        E2GANError: its base is not in the repository ``base_model``, or nowhere on the Hub.
    """
    check_bundle(concept)
    if not list(metadata.results(concept)):
        raise ConceptError(
            f"{concept.path}: '{concept.id}' has no quality figures, which publishing needs",
            hint=f"e2gan eval {concept.path} --data PHOTOS --record",
        )
    files: dict[str, bytes | Path] = {
        name: read_bytes(concept.path / name, limit=limit, error=ConceptError)
        for name, limit in FILES.items()
        if (concept.path / name).is_file()
    }
    if base := base_of(concept):
        # The order of its keys is fixed, so that a machine with the base need not fetch the file.
        files[CONFIG] = render_adapter_config(base.config, concept.ranks).encode()
    sizes = (len(content) for content in files.values() if isinstance(content, bytes))
    if (total := sum(sizes)) > LARGE and not allow_large:
        raise ConceptError(
            f"{concept.path}: the bundle has {total:,} bytes, which is more than {LARGE:,}",
            hint="to publish it anyway: --allow-large",
        )
    for line in worse_than_nothing(concept.quality):
        warnings.warn(client.HubWarning(line.strip()), stacklevel=2)
    base_repo = base_repository(concept, base_model, client.client(token))
    files[CARD] = metadata.concept_card(concept, repo, base_repo).encode()
    digests = {name: hashlib.sha256(files[name]).hexdigest() for name in NEEDED}  # type: ignore[arg-type]
    return Publication(concept.version, files, signing.statement(concept, digests))


def base_publication(folder: Path, repo: str) -> Publication:
    """Check the base in ``folder`` and prepare its publication.

    Raises:
        BaseModelError: there is no base, it is malformed, or a file differs from the digest in its manifest.
    """
    from e2gan.base import DISCRIMINATOR, GENERATOR, KEPT, MANIFEST

    base = Base.read(folder)
    promised = {GENERATOR: base.sha256, DISCRIMINATOR: base.discriminator_sha256}
    files: dict[str, bytes | Path] = {CARD: metadata.base_card(base, repo).encode()}
    for name in (MANIFEST, *promised, *KEPT):
        path = folder / name
        if name == CARD or not path.is_file():
            continue
        if path.stat().st_size > BASE_LIMIT:
            raise BaseModelError(f"{path}: exceeds the limit of {BASE_LIMIT:,} bytes")
        if name in promised and sha256_file(path) != promised[name]:
            raise BaseModelError(f"{path}: differs from the digest in {MANIFEST}", hint="install the base again")
        files[name] = path
    for name in (GENERATOR, *([DISCRIMINATOR] if base.discriminator_sha256 else [])):
        if name not in files:
            raise BaseModelError(f"{folder / name}: the file is missing")
    return Publication(base.version, files)


def publish(
    publication: Publication,
    ref: Ref,
    *,
    private: bool = False,
    create_pr: bool = False,
    sign: bool = False,
    message: str | None = None,
    token: str | None = None,
) -> Published:
    """Make a repository hold exactly this content, in one commit, and tag the version.

    Args:
        ref: the repository; its revision is the branch, created if missing.  Only the main branch gets the tag.
        private: whether a repository that is created now is private.
        create_pr: open a pull request instead, without a tag.
        sign: put a Sigstore signature beside the files.

    Raises:
        Unreachable: the Hub cannot be reached.
        E2GANError: the version is already published with other content, or the Hub refuses.
    """
    api = client.client(token)
    releases = not create_pr and ref.branch == "main"
    message = message or f"Version {publication.version}"
    with client.failures(ref.repo, ref.revision):
        tagged = _listing_or_none(api, ref.at(publication.tag)) if releases else None
        if tagged is not None and not _same(publication, tagged.files, but=CARD):
            raise E2GANError(
                f"{ref.repo}: version {publication.version} is already published with other content",
                hint="raise the version in the manifest, and push again",
            )
        if sign and tagged is not None and signing.SIGNATURE not in tagged.files:
            raise E2GANError(
                f"{ref.repo}: version {publication.version} is already published without a signature",
                hint="raise the version in the manifest, and push again",
            )
        head = _listing_or_none(api, ref)
        if head is None:
            _make_place(api, ref, private=private, create_pr=create_pr)
            head = listing(ref, api)
        commit, present = head.commit, head.files
        pull_request = None
        committed = not _same(publication, present) or (sign and signing.SIGNATURE not in present)
        if committed:
            files = dict(publication.files)
            untouched = {UNTOUCHED, signing.SIGNATURE} if _same(publication, present, but=CARD) else {UNTOUCHED}
            if sign and publication.statement is not None and not present.keys() & untouched - {UNTOUCHED}:
                files[signing.SIGNATURE] = signing.sign(publication.statement).encode()
            done = client.patiently(
                api.create_commit,
                ref.repo,
                _operations(files, present.keys() - untouched),
                commit_message=message,
                revision=ref.revision,
                create_pr=create_pr,
                parent_commit=None if create_pr else commit,
            )
            commit, pull_request = done.oid, done.pr_url
        if releases and tagged is None:
            client.patiently(api.create_tag, ref.repo, tag=publication.tag, revision=commit)
    return Published(
        ref.repo, commit, committed, publication.tag if releases else None, releases and tagged is None, pull_request
    )


def _listing_or_none(api: HfApi, ref: Ref) -> Listing | None:
    """The list of the repository; None if the revision or the repository does not exist yet.

    Raises:
        E2GANError: the repository's name or spelling differs from ``ref``'s; the card must use the Hub's.
    """
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        listed = listing(ref, api)
        if listed.ref != ref:
            raise E2GANError(
                f"{ref.repo}: the Hub has moved this repository to {listed.ref.repo}"
                if not ref.is_of(listed.ref.repo)
                else f"{ref.repo}: the Hub spells it {listed.ref.repo}",
                hint=f"--repo {listed.ref.repo}",
            )
        return listed
    except E2GANError as error:
        if isinstance(error.__cause__, (RepositoryNotFoundError, RevisionNotFoundError)) and not isinstance(
            error.__cause__, GatedRepoError
        ):
            return None
        raise


def _make_place(api: HfApi, ref: Ref, *, private: bool, create_pr: bool) -> None:
    """The repository and the branch to commit to."""
    if not create_pr:
        client.patiently(api.create_repo, ref.repo, private=private or None, exist_ok=True)
        if ref.revision not in (None, "main"):
            client.patiently(api.create_branch, ref.repo, branch=ref.branch, exist_ok=True)


def _same(publication: Publication, present: Mapping[str, RemoteFile], but: str = "") -> bool:
    """Whether the repository holds exactly the publication's content; the file ``but`` may differ."""
    ours = publication.files.keys() - {but}
    if ours != present.keys() - {UNTOUCHED, signing.SIGNATURE, but}:
        return False
    return all(
        present[name].size == publication.size(name) and present[name].is_of(_content(publication.files[name]))
        for name in ours
    )


def _content(file: bytes | Path) -> bytes:
    return file if isinstance(file, bytes) else file.read_bytes()


def _operations(files: Mapping[str, bytes | Path], present: Iterable[str]) -> list[Any]:
    """The operations that add or replace ``files``, and delete all other files that are ``present``."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    added = [CommitOperationAdd(name, content) for name, content in files.items()]
    return [*added, *(CommitOperationDelete(name) for name in sorted({*present} - files.keys()))]
