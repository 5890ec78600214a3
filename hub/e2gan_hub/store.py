"""What has been pulled: one folder for each repository, below the user's data folder.

===================================== ========================================================================
OWNER--NAME/record.toml               its name, which commits are here with their digests, and what is listed
OWNER--NAME/COMMIT/                   the bundle at that commit; never written to again
OWNER--NAME/COMMIT.part/              a pull that has not ended: the next one fetches what is missing
OWNER--NAME/lock                      held by who changes any of these
===================================== ========================================================================

The folder may have the name in other capitals than the Hub's own, which the record has: one repository, one folder.

A bundle exists for everybody else once the record names it, which is the last thing a pull does.
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
"""Most bytes of a record: thousands of commits."""


@dataclass
class Record:
    """What is here of one repository."""

    repo: str
    """As the Hub writes it, if anything is here; else as it was asked for."""
    listed: str | None = None
    """The commit that ``e2gan list`` shows and the concept's id means, if any."""
    revisions: dict[str, str] = field(default_factory=dict)
    """The commit that each branch and tag was when it was last asked for."""
    commits: dict[str, dict[str, str]] = field(default_factory=dict)
    """By commit: the SHA-256 of each file."""
    signers: dict[str, str] = field(default_factory=dict)
    """By commit: who has signed it, where that was verified."""

    def save(self) -> None:
        """Write it whole, or not at all."""
        import tomlkit

        data: dict[str, Any] = {"schema": SCHEMA, "repo": self.repo}
        if self.listed:
            data["listed"] = self.listed
        data |= {"revisions": self.revisions, "commits": self.commits, "signers": self.signers}
        atomic_write(repo_folder(self.repo) / RECORD, tomlkit.dumps(data))

    def concept(self, commit: str) -> Concept:
        """The concept at a commit that is here; raises ConceptError if its manifest is damaged."""
        return Concept.read(bundle_folder(self.repo, commit), source=f"hub:{self.repo}@{commit}")


def home() -> Path:
    from platformdirs import user_data_path

    return user_data_path("e2gan", appauthor=False) / "hub"


def repo_folder(repo: str) -> Path:
    """Where a repository is or would be kept."""
    exact = home() / _folder_name(repo)
    return exact if exact.exists() else next(iter(repo_folders(repo)), exact)


def repo_folders(repo: str) -> list[Path]:
    """Where it is kept, the exact name first: earlier versions kept one again for each way it was spelt."""
    wanted = _folder_name(repo)
    matches = [folder for folder in _folders() if folder.name.lower() == wanted.lower()]
    return sorted(matches, key=lambda folder: folder.name != wanted)


def has_owner(owner: str) -> bool:
    """Whether anything of a publisher is here."""
    return any(
        folder.name.partition("--")[0].lower() == owner.lower() and (folder / RECORD).exists() for folder in _folders()
    )


def _folders() -> list[Path]:
    return sorted(home().glob("*--*"))


def _folder_name(repo: str) -> str:
    return repo.replace("/", "--")  # which no name on the Hub has in it


def bundle_folder(repo: str, commit: str) -> Path:
    return repo_folder(repo) / commit


def read_record(repo: str) -> Record:
    """What is here of a repository, asked for in any capitals: maybe nothing.

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
    revisions = table.sub("revisions", {})
    commits = table.sub("commits", {})
    signers = table.sub("signers", {})
    record = Record(
        repo,
        listed,
        {name: revisions.text(name) for name in revisions.data},
        {commit: _digests(commits.sub(commit)) for commit in commits.data},
        {commit: signers.text(commit, limit=1000) for commit in signers.data},
    )
    table.done()
    for commit in (*record.commits, *record.revisions.values(), *record.signers):
        if not COMMIT.fullmatch(commit):
            raise table.fault(f"{shown(commit)} is no commit")
    if listed and listed not in record.commits:
        raise table.fault("what is listed is not here")
    return record


def _digests(table: Table) -> dict[str, str]:
    for name in table.data:
        if name not in FILES:
            raise table.fault(f"{shown(name)} is no part of a bundle")
    return {name: table.digest(name) for name in table.data}


def records() -> Iterator[Record | E2GANError]:
    """Every repository of which something is here; for one whose record is damaged, the error that says so."""
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
    """The files, by name, that are missing, too many, or of another digest than expected."""
    return sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))


def is_intact(folder: Path, expected: Mapping[str, str]) -> bool:
    """Whether the folder holds exactly the files with these digests."""
    try:
        return digests(folder) == dict(expected)
    except (OSError, E2GANError):
        return False


def unfinished() -> list[Path]:
    """The pulls that were broken off; not those that go on just now."""
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
    """Be the only one who changes what is here of a repository; a process that dies lets go."""
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
