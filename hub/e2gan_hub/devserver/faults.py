"""Faults on demand, and a log of the requests: ASGI middleware around the server."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

_transport: ContextVar[asyncio.Transport] = ContextVar("_transport")


class Protocol(H11Protocol):
    """HTTP whose requests know their connection, so that a fault can break it; ASGI has no message for that."""

    def data_received(self, data: bytes) -> None:
        _transport.set(self.transport)  # the request's task starts here, with a copy of this context
        super().data_received(data)


class Cut(ConnectionError):
    """The connection is broken: nobody is left to answer."""


def cut() -> Cut:
    """Break the connection of this request, after the bytes sent so far."""
    _transport.get().close()
    return Cut()


# What replaces or surrounds a request's answer: ASGI middleware that receives the application, too.
Fault = Callable[[ASGIApp, Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Status:
    """An error instead of an answer; the server does not act on the request."""

    status: int
    message: str = "A fault of the test server"
    code: str | None = None
    """``X-Error-Code``: RepoNotFound, RevisionNotFound, EntryNotFound, GatedRepo."""
    retry_after: int | None = None
    """Seconds, in the header of every server."""
    rate_limit: int | None = None
    """Seconds until the Hub's request counter starts again, in its own headers; no requests are left until then."""

    async def __call__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {"X-Error-Message": self.message}
        if self.code is not None:
            headers["X-Error-Code"] = self.code
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        if self.rate_limit is not None:
            headers["RateLimit"] = f'"api";r=0;t={self.rate_limit}'
            headers["RateLimit-Policy"] = '"fixed window";"api";q=500;w=300'
        while (await receive()).get(
            "more_body"
        ):  # a client that is still sending would see a reset instead of the answer
            pass
        await JSONResponse({"error": self.message}, self.status, headers)(scope, receive, send)


@dataclass(frozen=True)
class Slow:
    """An answer that starts late."""

    seconds: float

    async def __call__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(self.seconds)
        await app(scope, receive, send)


@dataclass(frozen=True)
class Break:
    """The connection ends within the answer's body, after ``after`` bytes or at a ``share`` of it.

    The server has acted on the request: ``Break(after=0)`` is a success that the client never hears of.
    """

    after: int | None = None
    share: float | None = None
    """0 to 1."""

    async def __call__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        left = self.after

        async def send_some(message: Message) -> None:
            nonlocal left
            if message["type"] == "http.response.start" and left is None:
                assert self.share is not None, "say where to break: after=bytes or share=0…1"
                length = next(int(value) for name, value in message["headers"] if name == b"content-length")
                left = int(length * self.share)
            if message["type"] == "http.response.body":
                assert left is not None
                body = message.get("body", b"")[:left]
                left -= len(body)
                await send({"type": "http.response.body", "body": body, "more_body": True})
                if left == 0:
                    raise cut()
                return
            await send(message)

        await app(scope, receive, send_some)
        raise cut()  # the body was shorter


@dataclass(frozen=True)
class Drop:
    """The connection ends without an answer."""

    after: bool = False
    """Whether the server still acts on the request."""
    then: Callable[[], None] | None = None
    """Called before the connection ends."""

    async def __call__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        async def swallow(message: Message) -> None:
            pass

        if self.after:
            await app(scope, receive, swallow)
        if self.then:
            self.then()
        raise cut()


@dataclass(frozen=True)
class Forge:
    """An answer whose body is changed. ETag and the other headers stay.

    ``change`` gets the body, decoded where it is JSON, and returns the body to send.
    """

    change: Callable[[Any], Any]

    async def __call__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        start: Message = {}
        body = b""

        async def keep(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
            else:
                body += message.get("body", b"")

        await app(scope, receive, keep)
        headers = dict(start["headers"])
        if headers.get(b"content-type", b"").startswith(b"application/json"):
            body = json.dumps(self.change(json.loads(body))).encode()
        else:
            body = self.change(body)
        headers[b"content-length"] = str(len(body)).encode()
        await send({**start, "headers": list(headers.items())})
        await send({"type": "http.response.body", "body": body})


@dataclass(frozen=True)
class Answer:
    """Any body at all, with any headers."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    async def __call__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        await Response(self.body, 200, {"Content-Type": "application/json", **self.headers})(scope, receive, send)


def Packed(body: bytes) -> Answer:
    """A body that is packed with gzip, as the Hub packs its lists."""
    return Answer(gzip.compress(body), {"Content-Encoding": "gzip"})


@dataclass
class _Rule:
    method: str
    pattern: str
    fault: Fault
    times: int | None
    skip: int


class Faults:
    """The planned faults: each hits the next requests that match it."""

    def __init__(self) -> None:
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()

    def add(self, method: str, pattern: str, fault: Fault, times: int | None = 1, skip: int = 0) -> None:
        """Let ``fault`` happen to the next ``times`` requests (None: to all) that match, after ``skip`` good ones.

        Args:
            method: ``GET``, …, or ``*``.
            pattern: of the decoded path without its query, with ``*`` for anything, such as ``/api/models/*/commit/*``.
        """
        with self._lock:
            self._rules.append(_Rule(method, pattern, fault, times, skip))

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The first planned fault that matches this request, if any."""
        with self._lock:
            for rule in self._rules:
                if not matches(method, path, rule.method, rule.pattern):
                    continue
                if rule.skip:
                    rule.skip -= 1
                    continue
                if rule.times is not None:
                    rule.times -= 1
                    if rule.times == 0:
                        self._rules.remove(rule)
                return rule.fault
        return None


def matches(method: str, path: str, wanted: str, pattern: str) -> bool:
    return wanted in ("*", method) and fnmatchcase(path, pattern)


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    """Decoded, without the query."""
    query: str
    headers: dict[str, str]
    """Names in lower case."""


class Requests:
    """The requests, in order."""

    def __init__(self) -> None:
        self._seen: list[Asked] = []

    def __iter__(self) -> Iterator[Asked]:
        return iter(list(self._seen))

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, asked: Asked) -> None:
        self._seen.append(asked)

    def clear(self) -> None:
        self._seen.clear()

    def count(self, method: str = "*", pattern: str = "*") -> int:
        """How many requests match, as in ``Faults.add``."""
        return sum(matches(asked.method, asked.path, method, pattern) for asked in self)


class Watched:
    """An application whose requests are logged and may be hit by faults."""

    def __init__(self, app: ASGIApp, faults: Faults, requests: Requests) -> None:
        self.app = app
        self.faults = faults
        self.requests = requests
        self.dead = False
        """Whether the server has ended although its socket is still open."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if self.dead:
            raise cut()
        path = scope["path"]
        # The client sends this once a day from each machine, about no repository: tests do not count it.
        if path != "/api/agent-harnesses":
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            self.requests.add(Asked(scope["method"], path, scope["query_string"].decode(), headers))
        fault = self.faults.take(scope["method"], path)
        await (fault(self.app, scope, receive, send) if fault else self.app(scope, receive, send))
