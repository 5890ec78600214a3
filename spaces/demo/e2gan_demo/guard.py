"""Access to the page: who may reach it, under which name, and the security headers for browsers."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, Response

from e2gan.errors import E2GANError
from e2gan.tables import shown

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Access", "Guard", "is_upload"]

MAX_BODY = 2_000_000
"""Maximum bytes of a request other than an upload; a camera's frame has 300,000."""

SPACE_PAGES = ("https://huggingface.co",)
"""Sites that show Spaces in a frame."""

POLICY = (
    # Gradio's page has inline scripts and styles, and compiles the script that we give it.
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors {frames}"
)

_ASKED = re.compile(r"/gradio_api/(upload|queue/join|call/(v2/)?\w+|cancel|reset)/?$")
"""Methods other than GET."""

_HOST = re.compile(r"(\*|(?:\*\.)?[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?)")
_ORIGIN = re.compile(r"https?://(?:\*\.)?[a-z0-9.-]+(?::\d{1,5})?")


@dataclass(frozen=True)
class Access:
    """The rules for access to the page."""

    hosts: tuple[str, ...] = ()
    """Host names of the page, besides this machine's and all numeric addresses; ``*.example.org`` allows all names
    below one, ``*`` allows any."""
    proxies: int = 0
    """Number of proxies in front of the page; as many ``X-Forwarded-For`` entries, from the right, are trusted."""
    frames: tuple[str, ...] = ()
    """The origins whose pages may show it in a frame."""

    @classmethod
    def of(
        cls,
        hosts: Iterable[str] = (),
        proxies: int | None = None,
        frames: Iterable[str] = (),
        *,
        share: bool = False,
        environment: Mapping[str, str] = os.environ,
    ) -> Access:
        """The given rules, with those that Hugging Face and Gradio's tunnel need if the page runs there.

        Raises:
            E2GANError: a host name or an origin is not valid.
        """
        hosts, frames = [host.lower() for host in hosts], [frame.lower() for frame in frames]
        for host in hosts:
            if not _HOST.fullmatch(host):
                raise E2GANError(f"{shown(host)} is not a host name", hint="for example studio.example.org")
        for frame in frames:
            if not _ORIGIN.fullmatch(frame):
                raise E2GANError(f"{shown(frame)} is not an origin", hint="for example https://example.org")
        space = "SPACE_ID" in environment
        if space:
            hosts += [host.lower() for host in environment.get("SPACE_HOST", "*.hf.space").split(",")]
            frames += SPACE_PAGES
        if share:
            hosts.append("*.gradio.live")
        return cls(tuple(hosts), (1 if space or share else 0) if proxies is None else proxies, tuple(frames))

    def allows(self, host: str) -> bool:
        """Whether a ``Host`` header names this page.

        A foreign name that resolves to this machine would let its owner's pages act as this one's (DNS rebinding); a
        numeric address cannot.
        """
        name = (urlsplit(f"//{host}").hostname or "") if _is_netloc(host) else ""
        if name in ("localhost", *_own_names()) or self._listed(name):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def allows_origin(self, origin: str, hosts: Iterable[str]) -> bool:
        """Whether a page of this ``Origin`` may change something: this page itself, or one of a listed host."""
        parts = urlsplit(origin) if origin.startswith(("http://", "https://")) and _is_netloc(origin) else None
        return parts is not None and (
            parts.netloc.lower() in {host.lower() for host in hosts} or self._listed(parts.hostname or "")
        )

    def _listed(self, name: str) -> bool:
        return bool(name) and any(
            host in ("*", name) or (host.startswith("*.") and name.endswith(host[1:])) for host in self.hosts
        )

    def visitor(self, scope: Scope) -> str:
        """The address that a request comes from, as seen by the outermost of our proxies, or by the connection."""
        if self.proxies:
            seen = [entry.strip() for entry in _header(scope, b"x-forwarded-for").split(",") if entry.strip()]
            if len(seen) >= self.proxies:
                return seen[-self.proxies]
        return scope["client"][0] if scope.get("client") else ""


def _is_netloc(text: str) -> bool:
    try:
        return text.isascii() and text.isprintable() and bool(urlsplit(text if "://" in text else f"//{text}").hostname)
    except ValueError:
        return False


def _own_names() -> tuple[str, ...]:
    name = socket.gethostname().lower()
    return name, f"{name}.local"


def _header(scope: Scope, name: bytes) -> str:
    """A header's value, all of its lines."""
    return ", ".join(value.decode("latin-1") for key, value in scope["headers"] if key == name)


def is_upload(scope: Scope) -> bool:
    """Whether a request brings a file."""
    return bool(scope["type"] == "http" and scope["method"] == "POST" and scope["path"].endswith("/gradio_api/upload"))


class Guard:
    """ASGI middleware around everything: refuses foreign hosts and pages, and sends the security headers.

    A client that disconnects during a request gets no answer and causes no traceback.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access
        frames = " ".join(("'self'", *access.frames))
        self._headers = [
            (b"content-security-policy", POLICY.format(frames=frames).encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"same-origin"),
            # Older browsers support only this header, which cannot name a page of another origin.
            *([] if access.frames else [(b"x-frame-options", b"SAMEORIGIN")]),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if not self._access.proxies:
            # Only our own proxies may set these.
            headers = [(key, value) for key, value in scope["headers"] if not key.startswith(b"x-forwarded-")]
            scope = {**scope, "headers": headers}

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {key.lower() for key, _ in message.get("headers", [])}
                added = [header for header in self._headers if header[0] not in there]
                message = {**message, "headers": [*message.get("headers", []), *added]}
            await send(message)

        come = 0

        async def bounded() -> Message:
            nonlocal come
            message = await receive()
            come += len(message.get("body", b""))
            if come > MAX_BODY:
                raise HTTPException(413, f"a request may have at most {MAX_BODY:,} bytes")
            return message

        if refusal := self._refusal(scope):
            await refusal(scope, receive, told)
            return
        try:
            await self._app(scope, receive if is_upload(scope) else bounded, told)
        except ClientDisconnect:
            return

    def _refusal(self, scope: Scope) -> Response | None:
        """The answer to a refused request."""
        forwarded = _header(scope, b"x-forwarded-host")
        hosts = [_header(scope, b"host"), *(host.strip() for host in forwarded.split(",") if forwarded)]
        for host in hosts:
            if not self._access.allows(host):
                text = f"this server does not serve the host name {shown(host)}; e2gan demo --allowed-host allows it\n"
                return PlainTextResponse(text, 400)
        origin = _header(scope, b"origin")
        reads = scope["method"] in ("GET", "HEAD", "OPTIONS")
        if origin and not reads and not self._access.allows_origin(origin, hosts):
            return PlainTextResponse(f"a page of {shown(origin)} may not send this request\n", 403)
        # Gradio has more paths: it accepts recordings, and fetches and forwards any requested address.
        if re.search(r"/gradio_api/(file=|proxy=)https?:", scope["path"]) or not (
            reads or _ASKED.search(scope["path"])
        ):
            return PlainTextResponse("this page has no such path\n", 404)
        return None
