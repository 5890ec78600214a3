"""One request to the server, with what every handler needs: the account, the repository and the body."""

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
    """The server's state."""

    store: Store
    tokens: dict[str, Account]
    """Accounts by token."""
    secret: str
    """The key that signs links to files in git-lfs."""
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
        """The server's address, as the client uses it."""
        return str(self.request.base_url).rstrip("/")

    def json(self) -> Any:
        try:
            return json.loads(self.body or b"{}")
        except ValueError as error:
            raise Refusal(400, f"The body is not JSON: {error}") from error

    def form(self) -> dict[str, list[str]]:
        return parse_qs(self.body.decode())

    def signed_in(self) -> Account:
        """The account that sent the request.

        Raises:
            Refusal: the request carries no token.
        """
        if self.account is None:
            # The client treats every 401 about a repository on the Hub as RepoNotFound, but only over https.
            code = "RepoNotFound" if "owner" in self.path else None
            raise Refusal(401, "Invalid username or password.", code)
        return self.account

    def may_see(self, repository: Repository) -> bool:
        return not repository.settings.private or self.owns(repository)

    def owns(self, repository: Repository) -> bool:
        return self.account is not None and self.account.name == repository.owner

    def repository(self, id: str | None = None) -> Repository:
        """The repository that the path or ``id`` names.

        Raises:
            Refusal: it does not exist, or it is private and belongs to someone else.
        """
        repository = self.state.store.get(id or f"{self.path['owner']}/{self.path['name']}")
        if repository is None or not self.may_see(repository):
            raise repository_not_found(self.account is not None)
        return repository

    def writable(self, id: str | None = None) -> Repository:
        """The repository, for a request that changes it.

        Raises:
            Refusal: it belongs to someone else, or the token may only read.
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
    """A handler as an endpoint: the body is read first, and the event loop does not wait for git."""

    async def run(request: Request) -> Response:
        body = await request.body()
        return await run_in_threadpool(lambda: handler(Call(request, body)))

    return run
