"""The store of pulled concepts: one folder for each repository, below the user's data folder.

===================================== ========================================================================
OWNER--NAME/record.toml               its name, the stored commits with their digests, and which are in use
OWNER--NAME/COMMIT/                   the bundle at that commit; never written to again
OWNER--NAME/COMMIT.part/              a pull that has not ended: the next one fetches what is missing
OWNER--NAME/lock                      held by a process that changes any of these
===================================== ========================================================================

A repository has one folder.  Its capitals may differ from the Hub's own, which the record has.

Other processes see a bundle once the record names it, which is the last step of a pull.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from e2gan.concept import FILES, Concept
from e2gan.errors import E2GANError
from e2gan.files import atomic_write, read_toml, sha256_file
from e2gan.tables import Table, shown
from e2gan_hub.ref import COMMIT, is_repo

__all__ = [
    "Record",
    "bundle_folder",
    "differing",
    "digests",
    "has_owner",
    "home",
    "is_intact",
    "locked",
    "read_record",
    "records",
    "repo_folder",
    "repo_folders",
    "unfinished",
]

RECORD = "record.toml"
SCHEMA = 1
LIMIT = 1024**2
"""Maximum bytes of a record, enough for thousands of commits."""


@dataclass
class Record:
    """The store's record of one repository."""

    repo: str
    """The Hub's name if anything is stored; else the requested name."""
    listed: str | None = None
    """The commit that the concept's id means, if any."""
    pulled: str | None = None
    """The commit that was pulled last; the same as the listed one, unless the id means another concept."""
    revisions: dict[str, str] = field(default_factory=dict)
    """The last known commit of each branch and tag."""
    commits: dict[str, dict[str, str]] = field(default_factory=dict)
    """By commit: the SHA-256 of each file."""
    signers: dict[str, str] = field(default_factory=dict)
    """By commit: the verified signer, if any."""

    def save(self) -> None:
        """Write the record completely or not at all."""
        import tomlkit

        data: dict[str, Any] = {"schema": SCHEMA, "repo": self.repo}
        data |= {name: commit for name in ("listed", "pulled") if (commit := getattr(self, name))}
        data |= {"revisions": self.revisions, "commits": self.commits, "signers": self.signers}
        atomic_write(repo_folder(self.repo) / RECORD, tomlkit.dumps(data))

    def concept(self, commit: str) -> Concept:
        """The concept at a stored commit; raises ConceptError if its manifest is damaged."""
        return Concept.read(bundle_folder(self.repo, commit), source=f"hub:{self.repo}@{commit}")


def home() -> Path:
    from platformdirs import user_data_path

    return user_data_path("e2gan", appauthor=False) / "hub"


def repo_folder(repo: str) -> Path:
    """The folder of a repository, whether it exists or not."""
    exact = home() / _folder_name(repo)
    return exact if exact.exists() else next(iter(repo_folders(repo)), exact)


def repo_folders(repo: str) -> list[Path]:
    """Existing folders of a repository, the exact name first: earlier versions made one for each spelling."""
    wanted = _folder_name(repo)
    matches = [folder for folder in _folders() if folder.name.lower() == wanted.lower()]
    return sorted(matches, key=lambda folder: folder.name != wanted)


def has_owner(owner: str) -> bool:
    """Whether the store has anything from a publisher."""
    return any(
        folder.name.partition("--")[0].lower() == owner.lower() and (folder / RECORD).exists() for folder in _folders()
    )


def _folders() -> list[Path]:
    return sorted(home().glob("*--*"))


def _folder_name(repo: str) -> str:
    return repo.replace("/", "--")  # no name on the Hub contains it


def bundle_folder(repo: str, commit: str) -> Path:
    return repo_folder(repo) / commit


def read_record(repo: str) -> Record:
    """The record of a repository, in any capitals; empty if nothing is stored.

    Raises:
        E2GANError: the record is damaged.
    """
    path = repo_folder(repo) / RECORD
    return _read_record(path) if path.exists() else Record(repo)


def _read_record(path: Path) -> Record:
    table = Table(read_toml(path, limit=LIMIT, error=E2GANError), str(path), E2GANError)
    table.whole("schema", low=SCHEMA, high=SCHEMA)
    repo = table.text("repo")
    if _folder_name(repo).lower() != path.parent.name.lower() or not is_repo(repo):
        raise table.fault(f"repo is {shown(repo)}, but the folder is {shown(path.parent.name)}")
    listed = table.text("listed", "") or None
    pulled = table.text("pulled", "") or listed  # earlier versions wrote only the listed one
    revisions = table.sub("revisions", {})
    commits = table.sub("commits", {})
    signers = table.sub("signers", {})
    record = Record(
        repo,
        listed,
        pulled,
        {name: revisions.text(name) for name in revisions.data},
        {commit: _digests(commits.sub(commit)) for commit in commits.data},
        {commit: signers.text(commit, limit=1000) for commit in signers.data},
    )
    table.done()
    for commit in (*record.commits, *record.revisions.values(), *record.signers):
        if not COMMIT.fullmatch(commit):
            raise table.fault(f"{shown(commit)} is not a commit")
    for commit in filter(None, (listed, pulled)):
        if commit not in record.commits:
            raise table.fault(f"the {'listed' if commit == listed else 'pulled'} commit is not stored")
    return record


def _digests(table: Table) -> dict[str, str]:
    for name in table.data:
        if name not in FILES:
            raise table.fault(f"{shown(name)} is not a bundle's file")
    return {name: table.digest(name) for name in table.data}


def records() -> Iterator[Record | E2GANError]:
    """The record of every stored repository, or the error if the record is damaged."""
    for folder in _folders():
        try:
            if (folder / RECORD).exists():
                yield _read_record(folder / RECORD)
        except E2GANError as error:
            yield error


def digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file of a bundle."""
    return {file.name: sha256_file(file) for file in sorted(folder.iterdir())}


def differing(found: Mapping[str, str], expected: Mapping[str, str]) -> list[str]:
    """The names of files that are missing or unexpected, or whose digests differ."""
    return sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))


def is_intact(folder: Path, expected: Mapping[str, str]) -> bool:
    """Whether the folder holds exactly the files with these digests."""
    try:
        return digests(folder) == dict(expected)
    except (OSError, E2GANError):
        return False


def unfinished() -> list[Path]:
    """The folders of interrupted pulls, without those still running."""
    from filelock import FileLock, Timeout

    parts: list[Path] = []
    for part in sorted(home().glob("*--*/*.part")):
        try:
            with FileLock(part.parent / "lock", timeout=0):
                parts.append(part)
        except (OSError, Timeout):
            continue
    return parts


@contextmanager
def locked(repo: str) -> Iterator[None]:
    """Hold the exclusive right to change a repository's files; a process that dies releases it."""
    from filelock import FileLock

    folder = repo_folder(repo)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "lock")
        lock.acquire()
    except OSError as fault:
        raise E2GANError(f"cannot write to {folder}: {fault.strerror or fault}") from fault
    try:
        yield
    finally:
        lock.release()
