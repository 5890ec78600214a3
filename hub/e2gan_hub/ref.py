"""Names of concepts on the Hub: ``OWNER/NAME``, or ``OWNER/NAME@REVISION``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from e2gan.errors import E2GANError
from e2gan.tables import shown

__all__ = ["COMMIT", "Ref", "is_repo"]

COMMIT = re.compile(r"[0-9a-f]{40}")
"""A commit's full SHA-1, the only name whose meaning never changes."""

# The Hub's names are ASCII, so lower() suffices to compare them.
_PART = r"(?!.*(?:--|\.\.))[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?"
_REPO = re.compile(rf"(?P<owner>{_PART})/(?P<name>{_PART})(?<!\.git)")
# As in git, without characters that only confuse.
_REVISION = re.compile(r"(?!.*(?:\.\.|//|/\.|@\{|\.lock(?:/|$)))[A-Za-z0-9][A-Za-z0-9._/+-]{0,127}(?<![./])")


_HOSTS = ("huggingface.co/", "hf.co/", "www.huggingface.co/")


def is_repo(text: object) -> bool:
    """Whether the text is a repository's name, ``OWNER/NAME``."""
    return isinstance(text, str) and len(text) <= 96 and _REPO.fullmatch(text) is not None


@dataclass(frozen=True)
class Ref:
    """A repository, and a revision of it."""

    repo: str
    """``OWNER/NAME``, which the Hub accepts in any capitals and returns in its own."""
    revision: str | None = None
    """A branch, a tag or a commit; None for the main branch."""

    @classmethod
    def given(cls, text: str) -> Ref:
        """Read a concept's name as people give it: as for :meth:`parse`, or the address of its page on the Hub.

        Raises:
            E2GANError: it is neither, or the page is not a model's.
        """
        text = text.strip()
        name = text.removeprefix("hub:")
        if "://" not in name and not name.lower().startswith(_HOSTS):
            return cls.parse(text)
        from huggingface_hub import constants
        from huggingface_hub.errors import HfUriError
        from huggingface_hub.utils import parse_hf_uri

        try:
            page = parse_hf_uri(name, endpoint=constants.ENDPOINT)
        except (HfUriError, ValueError):
            raise E2GANError(
                f"{shown(text)} is not the address of a repository on the Hub",
                hint=f"for example {constants.ENDPOINT}/alice/vangogh, or alice/vangogh",
            ) from None
        if page.type != "model":
            raise E2GANError(f"{shown(text)} is a {page.type}, but concepts are models", hint="check the address")
        return cls.parse(f"{page.id}@{page.revision}" if page.revision else page.id)

    @classmethod
    def parse(cls, text: str) -> Ref:
        """Read ``OWNER/NAME`` or ``OWNER/NAME@REVISION``, with or without ``hub:`` before it.

        Raises:
            E2GANError: the text has neither form.
        """
        repo, at, revision = text.removeprefix("hub:").partition("@")
        if not is_repo(repo):
            raise E2GANError(
                f"{shown(text)} is not a repository's name on the Hub",
                hint="for example alice/vangogh, or alice/vangogh@v1.0.0",
            )
        if at and not _REVISION.fullmatch(revision):
            raise E2GANError(
                f"{shown(text)}: {shown(revision)} is not a valid revision",
                hint="give a branch, a tag such as v1.0.0, or a commit's 40 digits",
            )
        return cls(repo, revision or None)

    @property
    def owner(self) -> str:
        return self.repo.partition("/")[0]

    @property
    def branch(self) -> str:
        """The revision, or the main branch's name if none is given."""
        return self.revision or "main"

    @property
    def commit(self) -> str | None:
        """The revision if it is a full commit."""
        return self.revision if self.revision and COMMIT.fullmatch(self.revision) else None

    def at(self, revision: str) -> Ref:
        return Ref(self.repo, revision)

    def called(self, repo: str) -> Ref:
        """The same revision of a repository by another name."""
        return Ref(repo, self.revision)

    def is_of(self, repo: str) -> bool:
        """Whether that is this repository's name, in any capitals."""
        return self.repo.lower() == repo.lower()

    def __str__(self) -> str:
        return f"{self.repo}@{self.revision}" if self.revision else self.repo
