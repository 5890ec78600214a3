"""What a concept on the Hub is called: ``OWNER/NAME``, or ``OWNER/NAME@REVISION``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from e2gan.errors import E2GANError
from e2gan.tables import shown

__all__ = ["COMMIT", "Ref"]

COMMIT = re.compile(r"[0-9a-f]{40}")
"""A commit's full SHA-1, the one name that always means the same."""

_PART = r"(?!.*(?:--|\.\.))[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?"
_REPO = re.compile(rf"(?P<owner>{_PART})/(?P<name>{_PART})(?<!\.git)")
# As git has it, but for what only confuses.
_REVISION = re.compile(r"(?!.*(?:\.\.|//|/\.|@\{|\.lock(?:/|$)))[A-Za-z0-9][A-Za-z0-9._/+-]{0,127}(?<![./])")


@dataclass(frozen=True)
class Ref:
    """A repository, and a revision of it."""

    repo: str
    """``OWNER/NAME``."""
    revision: str | None = None
    """A branch, a tag or a commit; None for the main branch."""

    @classmethod
    def parse(cls, text: str) -> Ref:
        """Read ``OWNER/NAME`` or ``OWNER/NAME@REVISION``, with or without ``hub:`` before it.

        Raises:
            E2GANError: it is none.
        """
        repo, at, revision = text.removeprefix("hub:").partition("@")
        if not _REPO.fullmatch(repo) or len(repo) > 96:
            raise E2GANError(
                f"{shown(text)} names no repository on the Hub",
                hint="for example alice/vangogh, or alice/vangogh@v1.0.0",
            )
        if at and not _REVISION.fullmatch(revision):
            raise E2GANError(
                f"{shown(text)}: no revision can be called {shown(revision)}",
                hint="give a branch, a tag such as v1.0.0, or a commit's 40 digits",
            )
        return cls(repo, revision or None)

    @property
    def owner(self) -> str:
        return self.repo.partition("/")[0]

    @property
    def branch(self) -> str:
        """The revision, with the name that the Hub has for none."""
        return self.revision or "main"

    @property
    def commit(self) -> str | None:
        """The revision if it is a whole commit."""
        return self.revision if self.revision and COMMIT.fullmatch(self.revision) else None

    def at(self, revision: str) -> Ref:
        return Ref(self.repo, revision)

    def __str__(self) -> str:
        return f"{self.repo}@{self.revision}" if self.revision else self.repo
