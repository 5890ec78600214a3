"""Repositories that the interface would refuse to make, written into git and its store behind its back.

Each function writes one commit on the main branch, except ``tamper``. A tag is moved by ``HubServer.put``, and an
answer falsified by the fault ``Forge``.
"""

from __future__ import annotations

import hashlib

from e2gan_hub.devserver.repositories import SYMLINK, Repository, pointer


def add_symlink(repository: Repository, path: str, target: str) -> str:
    """A symbolic link. The Hub lists it as a file with the target as its content; git checks it out as a link."""
    return repository.commit({path: target.encode()}, "A link", modes={path: SYMLINK})


def add_path(repository: Repository, path: str, content: bytes = b"") -> str:
    """A file at any path at all, such as ``../evil`` or ``.git/config``."""
    return repository.commit({path: content}, "A path")


def declare(repository: Repository, path: str, size: int) -> str:
    """A file in git-lfs that is said to be ``size`` bytes, and is in no store."""
    return repository.commit({path: pointer(hashlib.sha256(path.encode()).hexdigest(), size)}, "A large file")


def tamper(repository: Repository, path: str, revision: str = "main") -> None:
    """Change one bit of a file in git-lfs, in the store: commit, ETag and size stay what they were."""
    entry = repository.files(repository.resolve(revision))[path]
    assert entry.lfs, f"{path} is not in git-lfs"
    content = bytearray(repository.content(entry))
    content[len(content) // 2] ^= 1
    repository.lfs_file(entry.lfs).write_bytes(content)
