"""Who sends a request, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from e2gan_hub.devserver.errors import Refusal


@dataclass(frozen=True)
class Account:
    """The owner of a token. Each account owns the namespace of its name, and nothing else."""

    name: str
    read_only: bool = False
    """Whether the token may only read."""

    def describe(self) -> dict[str, object]:
        """The answer of ``/api/whoami-v2``."""
        return {
            "type": "user",
            "id": self.name,
            "name": self.name,
            "fullname": self.name,
            "email": f"{self.name}@example.org",
            "emailVerified": True,
            "isPro": False,
            "orgs": [],
            "auth": {
                "type": "access_token",
                "accessToken": {"displayName": "test", "role": "read" if self.read_only else "write"},
            },
        }


def account_of(request: Request, tokens: dict[str, Account]) -> Account | None:
    """The account whose token the request carries; None if it carries no token.

    Raises:
        Refusal: the token belongs to no account.
    """
    header = request.headers.get("authorization")
    if header is None:
        return None
    account = tokens.get(header.removeprefix("Bearer "))
    if account is None:
        raise Refusal(401, "Invalid credentials in Authorization header")
    return account
