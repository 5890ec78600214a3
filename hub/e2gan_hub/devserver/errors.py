"""The Hub's refusals: the status, and the headers from which its client chooses an exception."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse


class Refusal(Exception):
    """A request that is answered with an error.

    ``code`` goes into ``X-Error-Code``, which huggingface_hub maps to its exceptions: RepoNotFound, RevisionNotFound,
    EntryNotFound, GatedRepo. ``extra`` are more fields of the JSON answer.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        headers: dict[str, str] | None = None,
        extra: dict[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.headers = headers or {}
        self.extra = extra or {}


def repository_not_found(signed_in: bool) -> Refusal:
    """Without a token, a missing and a private repository both give 401, so that they cannot be told apart."""
    return Refusal(404 if signed_in else 401, "Repository not found", "RepoNotFound")


def revision_not_found(revision: str) -> Refusal:
    return Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")


def entry_not_found(commit: str, message: str = "Entry not found") -> Refusal:
    return Refusal(404, message, "EntryNotFound", {"X-Repo-Commit": commit})


def answer(request: Request, refusal: Exception) -> JSONResponse:
    assert isinstance(refusal, Refusal)
    headers = {"X-Error-Message": refusal.message, **refusal.headers}
    if refusal.code:
        headers["X-Error-Code"] = refusal.code
    return JSONResponse({"error": refusal.message, **refusal.extra}, refusal.status, headers)
