"""Git repositories on disk, with git-lfs's store beside their objects, and the Hub's own settings.

A repository is ``FOLDER/models/OWNER/NAME/.git``: git's own layout without a working tree, so that git, git-lfs and
other servers read the same files.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dulwich.config import StackedConfig
from dulwich.index import commit_tree
from dulwich.objects import Blob, Commit, ObjectID, Tag, Tree
from dulwich.refs import Ref
from dulwich.repo import Repo

from e2gan_hub.devserver.errors import Refusal, revision_not_found

REGULAR = 0o100644
SYMLINK = 0o120000
MAIN = "refs/heads/main"

# The first content of a repository, as on the Hub: the patterns of files that go into git-lfs.
LFS_PATTERNS = (
    *("*.7z", "*.arrow", "*.bin", "*.bz2", "*.ckpt", "*.ftz", "*.gz", "*.h5", "*.joblib", "*.lfs.*", "*.mlmodel"),
    *("*.model", "*.msgpack", "*.npy", "*.npz", "*.onnx", "*.ot", "*.parquet", "*.pb", "*.pickle", "*.pkl", "*.pt"),
    *("*.pth", "*.rar", "*.safetensors", "saved_model/**/*", "*.tar.*", "*.tar", "*.tflite", "*.tgz", "*.wasm"),
    *("*.xz", "*.zip", "*.zst", "*tfevents*"),
)
LFS_ATTRIBUTES = "filter=lfs diff=lfs merge=lfs -text"
GITATTRIBUTES = "".join(f"{pattern} {LFS_ATTRIBUTES}\n" for pattern in LFS_PATTERNS).encode()

POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\noid sha256:(?P<oid>[0-9a-f]{64})\nsize (?P<size>\d+)\n"
)
POINTER_LIMIT = 200  # bytes; a pointer is shorter


def pointer(oid: str, size: int) -> bytes:
    """git's placeholder for the file of ``size`` bytes with the SHA-256 ``oid``."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n".encode()


@dataclass(frozen=True)
class Entry:
    """A file or a folder of a commit."""

    path: str
    oid: str
    """SHA-1 of the blob or tree, hexadecimal."""
    mode: int
    size: int
    """Bytes of the content, not of its pointer. 0 for a folder."""
    lfs: str | None = None
    """SHA-256 of the content if it is in git-lfs."""
    pointer_size: int = 0

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.mode)


@dataclass(frozen=True)
class CommitInfo:
    id: str
    title: str
    message: str
    author: str
    time: float
    """Seconds since the epoch."""


@dataclass
class Settings:
    """What the Hub keeps of a repository outside git. Tests set these freely and ``save`` them."""

    private: bool = False
    gated: str | bool = False
    """``auto`` or ``manual``: files only for the owner and ``granted``."""
    granted: list[str] = field(default_factory=list)
    downloads: int = 0
    likes: int = 0
    created: float = field(default_factory=time.time)
    discussions: list[dict[str, Any]] = field(default_factory=list)


class Repository:
    """One repository. Safe for many threads: git's objects never change, and writes take turns."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.id = f"{folder.parent.name}/{folder.name}"
        self.owner = folder.parent.name
        self.git = Repo(str(folder))
        self.lock = threading.RLock()
        self._entries: dict[str, list[Entry]] = {}
        self._settings_file = folder / ".git" / "hub.json"
        if self._settings_file.exists():
            self.settings = Settings(**json.loads(self._settings_file.read_text(encoding="utf-8")))
        else:
            self.settings = Settings()

    @classmethod
    def create(cls, folder: Path, settings: Settings) -> Repository:
        """A new repository with the Hub's first commit."""
        folder.mkdir(parents=True)
        # The result must not depend on the machine's user: only the repository's configuration counts.
        Repo.init(str(folder), config=StackedConfig([]), default_branch=b"main").close()
        repository = cls(folder)
        repository.settings = settings
        repository.save()
        repository.commit({".gitattributes": GITATTRIBUTES}, "initial commit")
        return repository

    def save(self) -> None:
        """Write the settings."""
        with self.lock:
            partial = self._settings_file.with_suffix(".part")
            partial.write_text(json.dumps(asdict(self.settings)), encoding="utf-8")
            partial.replace(self._settings_file)

    # --- reading -------------------------------------------------------------------------------------------------

    def refs(self) -> dict[str, str]:
        """Full names of branches, tags and pull requests, with the commit of each."""
        refs = {}
        for name in sorted(self.git.refs.subkeys(Ref(b"refs/"))):
            ref = f"refs/{name.decode()}"
            commit = self._commit_of(ref)
            if commit:
                refs[ref] = commit
        return refs

    def _commit_of(self, ref: str) -> str | None:
        try:
            thing = self.git[self.git.refs[Ref(ref.encode())]]
        except KeyError:
            return None
        while isinstance(thing, Tag):
            thing = self.git[thing.object[1]]
        return thing.id.decode()

    def resolve(self, revision: str) -> str:
        """The commit (40 hexadecimal digits) of a branch, a tag, ``refs/…`` or a commit.

        Raises:
            Refusal: there is no such revision.
        """
        if re.fullmatch(r"[0-9a-f]{40}", revision):
            try:
                if isinstance(self.git[revision.encode()], Commit):
                    return revision
            except KeyError:
                pass
            raise revision_not_found(revision)
        names = [revision] if revision.startswith("refs/") else [f"refs/heads/{revision}", f"refs/tags/{revision}"]
        for name in names:
            commit = self._commit_of(name)
            if commit:
                return commit
        raise revision_not_found(revision)

    def entries(self, commit: str) -> list[Entry]:
        """Every file and folder of a commit, each folder before its contents."""
        if commit not in self._entries:
            self._entries[commit] = list(self._walk(self._object(commit, Commit).tree, ""))
        return self._entries[commit]

    def _walk(self, tree: bytes, prefix: str) -> Iterator[Entry]:
        for item in self._object(tree.decode(), Tree).items():
            path, oid = prefix + item.path.decode(), item.sha.decode()
            if stat.S_ISDIR(item.mode):
                yield Entry(path, oid, item.mode, 0)
                yield from self._walk(item.sha, f"{path}/")
                continue
            content = self.read(oid)
            stands_for = POINTER.fullmatch(content) if len(content) < POINTER_LIMIT else None
            if stands_for:
                size, lfs = int(stands_for["size"]), stands_for["oid"].decode()
                yield Entry(path, oid, item.mode, size, lfs, len(content))
            else:
                yield Entry(path, oid, item.mode, len(content))

    def files(self, commit: str) -> dict[str, Entry]:
        """The files of a commit, by path."""
        return {entry.path: entry for entry in self.entries(commit) if not entry.is_folder}

    def read(self, oid: str) -> bytes:
        """The content of a blob, from its SHA-1."""
        return self._object(oid, Blob).data

    def lfs_file(self, oid: str) -> Path:
        """The path for the content with the SHA-256 ``oid``, whether it exists or not."""
        return self.folder / ".git" / "lfs" / "objects" / oid[:2] / oid[2:4] / oid

    def content(self, entry: Entry) -> bytes:
        """The content of a file, wherever it is kept."""
        return self.lfs_file(entry.lfs).read_bytes() if entry.lfs else self.read(entry.oid)

    def describe_commit(self, commit: str) -> CommitInfo:
        raw = self._object(commit, Commit)
        title, _, message = raw.message.decode().partition("\n\n")
        author = raw.author.decode().partition(" <")[0]
        return CommitInfo(commit, title, message, author, raw.commit_time)

    def history(self, commit: str) -> list[CommitInfo]:
        """The commit and those before it, newest first."""
        commits: list[CommitInfo] = []
        line: list[bytes] = [commit.encode()]
        while line:
            commits.append(self.describe_commit(line[0].decode()))
            line = list(self._object(commits[-1].id, Commit).parents)
        return commits

    def _object(self, oid: str, kind: type[Any]) -> Any:
        thing = self.git[oid.encode()]
        assert isinstance(thing, kind)
        return thing

    # --- writing -------------------------------------------------------------------------------------------------

    def put_lfs(self, oid: str, content: bytes) -> None:
        """Keep a file's content in the store.

        Raises:
            Refusal: the content's SHA-256 is not ``oid``.
        """
        if hashlib.sha256(content).hexdigest() != oid:
            raise Refusal(400, "The content does not have the SHA-256 that it was announced with")
        target = self.lfs_file(oid)
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, partial = tempfile.mkstemp(dir=target.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(partial).replace(target)

    def commit(
        self,
        changes: Mapping[str, bytes | None],
        message: str,
        *,
        author: str = "hub",
        ref: str = MAIN,
        parent: str | None = None,
        modes: Mapping[str, int] | None = None,
        at: float | None = None,
    ) -> str:
        """Write a commit on a branch and return it.

        ``changes`` maps paths to whole files, or to ``None`` to delete one; a file in git-lfs is its ``pointer``.
        This checks only that git can hold the result: what the API must refuse, the API refuses.

        Args:
            parent: refuse if the branch is not at this commit.
            modes: of the files that are not regular ones.
            at: when, in seconds since the epoch; now otherwise.

        Raises:
            Refusal: the branch has moved, or a path is both a file and a folder.
        """
        with self.lock:
            head = self._commit_of(ref)
            if parent is not None and parent != head:
                raise Refusal(412, "A commit has happened since. Please refresh and try again.")
            blobs = (
                {path: (ObjectID(entry.oid.encode()), entry.mode) for path, entry in self.files(head).items()}
                if head
                else {}
            )
            for path, content in changes.items():
                if content is None:
                    blobs.pop(path, None)
                else:
                    blob = Blob.from_string(content)
                    self.git.object_store.add_object(blob)
                    blobs[path] = (blob.id, (modes or {}).get(path, REGULAR))
            for path in blobs:
                if any(parent_folder in blobs for parent_folder in parents(path)):
                    raise Refusal(400, f"{path} is in a folder that is a file")
            tree = commit_tree(self.git.object_store, [(path.encode(), *blob) for path, blob in blobs.items()])
            return self._write_commit(tree, message, author, ref, head, at)

    def _write_commit(
        self, tree: bytes, message: str, author: str, ref: str, head: str | None, at: float | None
    ) -> str:
        commit = Commit()
        commit.tree = tree
        commit.parents = [ObjectID(head.encode())] if head else []
        commit.author = commit.committer = f"{author} <{author}@users.noreply.example.org>".encode()
        commit.author_time = commit.commit_time = int(time.time() if at is None else at)
        commit.author_timezone = commit.commit_timezone = 0
        commit.encoding = b"UTF-8"
        commit.message = message.encode()
        self.git.object_store.add_object(commit)
        self.set_ref(ref, commit.id.decode())
        return commit.id.decode()

    def set_ref(self, ref: str, commit: str) -> None:
        """Point a branch, tag or pull request at a commit, new or moved."""
        with self.lock:
            self.git.refs.set_if_equals(Ref(ref.encode()), None, ObjectID(commit.encode()))

    def delete_ref(self, ref: str) -> None:
        with self.lock:
            self.git.refs.remove_if_equals(Ref(ref.encode()), None)


def parents(path: str) -> Iterable[str]:
    """The folders that contain a path, the innermost first."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


class Store:
    """All repositories below a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "models"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lock = threading.Lock()
        self._open: dict[str, Repository] = {}
        self.moved: dict[str, str] = {}
        """Former names of repositories, with their present names."""
        for git in self.folder.glob("*/*/.git"):
            repository = Repository(git.parent)
            self._open[repository.id] = repository

    def __iter__(self) -> Iterator[Repository]:
        return iter([self._open[id] for id in sorted(self._open)])

    def get(self, id: str) -> Repository | None:
        """The repository ``OWNER/NAME``, in any capitals, if there is one."""
        return next((repository for name, repository in self._open.items() if name.lower() == id.lower()), None)

    def move(self, old: str, new: str) -> None:
        """Rename a repository, or give it to another owner."""
        with self.lock:
            repository = self._open.pop(old)
            repository.git.close()
            (self.folder / new).parent.mkdir(exist_ok=True)
            repository.folder.rename(self.folder / new)
            self._open[new] = Repository(self.folder / new)
            self.moved[old] = new

    def create(self, id: str, settings: Settings) -> Repository | None:
        """A new repository; None if the name is taken."""
        with self.lock:
            if self.get(id):
                return None
            self.moved.pop(id, None)
            self._open[id] = repository = Repository.create(self.folder / id, settings)
            return repository

    def delete(self, repository: Repository) -> None:
        with self.lock:
            del self._open[repository.id]
            repository.git.close()
            shutil.rmtree(repository.folder)
