"""Publishing: one commit with everything, then the version's tag on it.

The tag decides what a version is.  Where it is there already, the content must be the same, and pushing it again does
nothing; where a push was cut off before it, the next one sets it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2gan.base import Base
from e2gan.concept import CARD, CONFIG, FILES, Concept, render_adapter_config
from e2gan.errors import BaseModelError, ConceptError, E2GANError
from e2gan.files import read_bytes, sha256_file
from e2gan_hub import card, client, config, signing
from e2gan_hub.pull import NEEDED, Listing, RemoteFile, base_of, check_files, listing
from e2gan_hub.ref import Ref

if TYPE_CHECKING:
    import tomlkit
    from huggingface_hub import HfApi

__all__ = ["LARGE", "Publication", "Published", "base_publication", "concept_publication", "publish"]

LARGE = 5_000_000
"""More bytes than these are published only on demand."""

BASE_LIMIT = 1 << 30
"""Most bytes of a base's file."""

UNTOUCHED = ".gitattributes"
"""The Hub's own file in every repository."""


@dataclass(frozen=True)
class Publication:
    """What is to be published."""

    version: str
    files: Mapping[str, bytes | Path]
    """By name: the content, or where it is."""
    statement: bytes | None = None
    """What a signature is for; None where there is nothing to sign."""

    @property
    def tag(self) -> str:
        return f"v{self.version}"

    def size(self, name: str) -> int:
        content = self.files[name]
        return len(content) if isinstance(content, bytes) else content.stat().st_size


@dataclass(frozen=True)
class Published:
    """How it went."""

    repo: str
    commit: str
    committed: bool
    """False where all of it was there already."""
    tag: str | None
    """The version's tag, where there is one now."""
    tagged: bool
    """Whether it was set now."""
    pull_request: str | None
    """Its address, if one was made."""


def concept_publication(
    folder: Path, repo: str, *, base_model: str | None = None, allow_large: bool = False
) -> Publication:
    """Check the concept in ``folder`` and make what is published of it, the model card written anew.

    Raises:
        ConceptError: it is no sound bundle, not trained, not measured, or too large.
        E2GANError: nobody has said where its base is on the Hub.
    """
    concept = Concept.read(_bundle(folder))
    check_files(concept)
    if not list(card.results(concept)):
        raise ConceptError(
            f"{concept.path}: '{concept.id}' has no quality figures, and cannot be published without them",
            hint=f"e2gan eval {folder} --data PHOTOS --record",
        )
    files: dict[str, bytes | Path] = {
        name: read_bytes(concept.path / name, limit=limit, error=ConceptError)
        for name, limit in FILES.items()
        if (concept.path / name).is_file()
    }
    if base := base_of(concept):
        # In the one order of its keys, so that who has the base need not fetch it.
        files[CONFIG] = render_adapter_config(base.config, concept.ranks).encode()
    files[CARD] = card.concept_card(concept, repo, _base_model(concept, base_model)).encode()
    digests = {name: hashlib.sha256(files[name]).hexdigest() for name in NEEDED}  # type: ignore[arg-type]
    publication = Publication(concept.version, files, signing.statement(concept, digests))
    total = sum(map(publication.size, files))
    if total > LARGE and not allow_large:
        raise ConceptError(
            f"{concept.path}: the bundle has {total:,} bytes, more than {LARGE:,}", hint="--allow-large publishes it"
        )
    return publication


def _bundle(folder: Path) -> Path:
    """``folder``, or the one ``bundle`` inside a concept's distribution."""
    inside = [manifest.parent for manifest in folder.glob("*/bundle/concept.toml")]
    return inside[0] if len(inside) == 1 and not (folder / "concept.toml").exists() else folder


def _base_model(concept: Concept, given: str | None) -> str:
    """Where the base is on the Hub: as given, which is remembered, or as remembered."""
    remembered = config.read_config().bases.get(concept.base_sha256)
    if given is None:
        if remembered is None:
            raise E2GANError(
                f"it is not known yet where the base '{concept.base_id}' is on the Hub, and the card must name it",
                hint="--base-model OWNER/NAME says it once; e2gan push-base publishes a base",
            )
        return remembered
    repo = Ref.given(given).repo
    if repo != remembered:
        remember_base(concept.base_sha256, repo)
    return repo


def remember_base(sha256: str, repo: str) -> None:
    """Keep in the settings where the base with this generator is on the Hub."""

    def edit(document: tomlkit.TOMLDocument) -> None:
        document.setdefault("bases", {})[sha256] = repo

    config.change(edit)


def base_publication(folder: Path, repo: str) -> Publication:
    """Check the base in ``folder`` and make what is published of it.

    Raises:
        BaseModelError: there is no base, it is malformed, or a file is not the one its manifest promises.
    """
    from e2gan.base import DISCRIMINATOR, GENERATOR, KEPT, MANIFEST

    base = Base.read(folder)
    promised = {GENERATOR: base.sha256, DISCRIMINATOR: base.discriminator_sha256}
    files: dict[str, bytes | Path] = {CARD: card.base_card(base, repo).encode()}
    for name in (MANIFEST, *promised, *KEPT):
        path = folder / name
        if name == CARD or not path.is_file():
            continue
        if path.stat().st_size > BASE_LIMIT:
            raise BaseModelError(f"{path}: larger than the {BASE_LIMIT:,} bytes allowed")
        if name in promised and sha256_file(path) != promised[name]:
            raise BaseModelError(f"{path}: not the file that {MANIFEST} promises", hint="install the base again")
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
    """Bring a repository to hold exactly this, in one commit, and tag the version.

    Args:
        ref: where to; its revision is the branch, made if there is none.  Only the main branch gets the tag.
        private: for a repository that is made now.
        create_pr: as a pull request, without a tag.
        sign: put a Sigstore signature beside the files.

    Raises:
        Unreachable: the Hub cannot be asked.
        E2GANError: the version is published with other content, or the Hub refuses.
    """
    api = client.client(token)
    releases = not create_pr and ref.branch == "main"
    message = message or f"Version {publication.version}"
    with client.failures(ref.repo, ref.revision):
        tagged = _listing_or_none(api, ref.at(publication.tag)) if releases else None
        if tagged is not None and not _same(publication, tagged.files, but=CARD):
            raise E2GANError(
                f"{ref.repo}: version {publication.version} is published already, with other content",
                hint="raise the version in the manifest, and push again",
            )
        if sign and tagged is not None and signing.SIGNATURE not in tagged.files:
            raise E2GANError(
                f"{ref.repo}: version {publication.version} is published already, without a signature",
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
    """What is there; None where there is no such revision, or no repository yet.

    Raises:
        E2GANError: the repository has another name now, or another spelling, which its card must have.
    """
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        listed = listing(ref, api)
        if listed.ref != ref:
            raise E2GANError(
                f"{ref.repo}: the Hub has moved this repository, and calls it {listed.ref.repo}"
                if not ref.is_of(listed.ref.repo)
                else f"{ref.repo}: the Hub writes it {listed.ref.repo}",
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
    """Whether the repository holds exactly what is to be published; the file ``but`` may differ."""
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
    """The commit that adds or replaces ``files``, and deletes all else that is ``present``."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    added = [CommitOperationAdd(name, content) for name, content in files.items()]
    return [*added, *(CommitOperationDelete(name) for name in sorted({*present} - files.keys()))]
