"""One request to the server, with what every handler needs: who asks, of which repository, and with what body."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from e2gan_hub.devserver.accounts import Account, account_of
from e2gan_hub.devserver.errors import Refusal, repository_not_found
from e2gan_hub.devserver.repositories import Repository, Store


@dataclass
class State:
    """What the server has."""

    store: Store
    tokens: dict[str, Account]
    """Accounts by token."""
    secret: str
    """With which links to files in git-lfs are signed."""
    page: int = 1000
    """Entries on one page of a list."""


class Call:
    """A request whose body has been read."""

    def __init__(self, request: Request, body: bytes) -> None:
        self.request = request
        self.body = body
        self.state: State = request.app.state.hub
        # Segments are split before they are decoded: refs%2Fpr%2F1 is one.
        self.path = {name: unquote(value) for name, value in request.path_params.items()}
        self.query = request.query_params
        self.account = account_of(request, self.state.tokens)

    @property
    def endpoint(self) -> str:
        """The server's address, as the client knows it."""
        return str(self.request.base_url).rstrip("/")

    def json(self) -> Any:
        try:
            return json.loads(self.body or b"{}")
        except ValueError as error:
            raise Refusal(400, f"The body is not JSON: {error}") from error

    def form(self) -> dict[str, list[str]]:
        return parse_qs(self.body.decode())

    def signed_in(self) -> Account:
        """Who asks.

        Raises:
            Refusal: nobody is signed in.
        """
        if self.account is None:
            # The client takes any 401 about a repository on the Hub for RepoNotFound, but only over https.
            code = "RepoNotFound" if "owner" in self.path else None
            raise Refusal(401, "Invalid username or password.", code)
        return self.account

    def may_see(self, repository: Repository) -> bool:
        return not repository.settings.private or self.owns(repository)

    def owns(self, repository: Repository) -> bool:
        return self.account is not None and self.account.name == repository.owner

    def repository(self, id: str | None = None) -> Repository:
        """The repository that the path names, or ``id`` does.

        Raises:
            Refusal: there is none, or it is private and another's.
        """
        repository = self.state.store.get(id or f"{self.path['owner']}/{self.path['name']}")
        if repository is None or not self.may_see(repository):
            raise repository_not_found(self.account is not None)
        return repository

    def writable(self, id: str | None = None) -> Repository:
        """The same, to be changed.

        Raises:
            Refusal: it is not the asker's, or the token may only read.
        """
        account = self.signed_in()
        repository = self.repository(id)
        if not self.owns(repository):
            raise Refusal(403, f"You don't have the rights to write to {repository.id}")
        self.must_write(account)
        return repository

    def must_write(self, account: Account) -> None:
        if account.read_only:
            raise Refusal(403, "This token may only read: create one with write permission")

    def page(self, entries: list[Any], limit: int) -> JSONResponse:
        """One page of a list, with the link to the next one."""
        start = int(self.query.get("cursor", 0))
        headers = {}
        if start + limit < len(entries):
            query = self.request.url.include_query_params(cursor=start + limit).query
            headers["Link"] = f'<{self.endpoint}{self.request.scope["path"]}?{query}>; rel="next"'
        return JSONResponse(entries[start : start + limit], headers=headers)


Handler = Callable[[Call], Response]


def endpoint(handler: Handler) -> Callable[[Request], Any]:
    """A handler as an endpoint: the body is read first, and git is not waited for on the event loop."""

    async def run(request: Request) -> Response:
        body = await request.body()
        return await run_in_threadpool(lambda: handler(Call(request, body)))

    return run
