"""Reading the Hub's answers within limits on their inflated size, their numbers and their nesting.

huggingface_hub reads a whole answer, however large it inflates, and accepts every number that Python's JSON does.
"""

from __future__ import annotations

import json
import math
import re
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from e2gan.errors import E2GANError
from e2gan.tables import shown
from e2gan_hub import client

if TYPE_CHECKING:
    from huggingface_hub import HfApi

__all__ = ["Answer", "TooLargeError", "items", "pages", "parse", "read"]

LIMIT = 8 * 1024**2
"""Maximum bytes of one answer, inflated; the metadata of a repository takes a few thousand."""

PAGE_LIMIT = 128 * 1024**2
"""Maximum bytes of a list's page, inflated: a thousand models with their cards."""

MOST_PAGES = 1000
"""Maximum pages of a list."""

TRIES = 3
"""Number of requests for an answer whose connection breaks."""

ERROR_LIMIT = 64 * 1024
"""Maximum bytes of an error's text."""


class TooLargeError(E2GANError):
    """An answer exceeds its limit; the rest was not read."""


@dataclass(frozen=True)
class Answer:
    body: bytes
    next: str | None
    """The query of the list's next page, if there is one."""


def read(api: HfApi, address: str, *, limit: int = LIMIT, params: Mapping[str, str] | str | None = None) -> Answer:
    """The content of an address on the Hub.  Repeats the request when the Hub says when to, or the connection breaks.

    Args:
        address: of the endpoint, or below it, such as ``/api/models``.
        limit: maximum bytes of the answer, inflated.
        params: the query, by name, or in the form that it has in an address.

    Raises:
        TooLargeError: it is larger.
        HTTPError: huggingface_hub's errors.
        ValueError: its encoding was not asked for, or it is damaged.
    """
    url = address if "://" in address else f"{api.endpoint}{address}"
    if isinstance(params, str):
        url, params = f"{url}?{params}", None
    return client.patiently(_read, api, url, limit, params)


def _read(api: HfApi, url: str, limit: int, params: Mapping[str, str] | None) -> Answer:
    from huggingface_hub.errors import HTTPError
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    headers = build_hf_headers(token=api.token, **client.LIBRARY)
    # Only the requested encoding is unpacked: no other, and no stack of several.
    headers["Accept-Encoding"] = "gzip"
    for left in reversed(range(TRIES)):
        begun = False
        try:
            with get_session().stream("GET", url, params=params, headers=headers, timeout=client.TIMEOUT) as response:
                begun = True
                refused = response.status_code >= 400
                coding = response.headers.get("Content-Encoding", "")
                body = _inflated(response.iter_raw(), coding, ERROR_LIMIT if refused else limit)
                if refused:
                    told = [(name, value) for name, value in response.headers.multi_items() if "encod" not in name]
                    response = type(response)(
                        response.status_code, headers=told, content=body, request=response.request
                    )
                hf_raise_for_status(response)
                following = response.links.get("next", {}).get("url")
        except HTTPError as error:
            if not begun or not left or hasattr(error, "server_message"):
                raise
            time.sleep(1)
        else:
            return Answer(body, urlsplit(following).query if following else None)
    raise AssertionError("unreachable")


def _inflated(chunks: Iterable[bytes], coding: str, limit: int) -> bytes:
    """The unpacked bytes of an answer.  Memory holds at most ``limit`` bytes and one chunk."""
    coding = coding.strip().lower()
    if coding not in ("", "identity", "gzip"):
        raise ValueError(f"its encoding is {shown(coding)}")
    inflater = zlib.decompressobj(wbits=31) if coding == "gzip" else None
    body = bytearray()
    try:
        for chunk in chunks:
            body += inflater.decompress(chunk, limit + 1 - len(body)) if inflater else chunk
            if len(body) > limit:
                raise TooLargeError(f"the Hub's answer exceeds the limit of {limit:,} bytes")
    except zlib.error as fault:
        raise ValueError(f"it is damaged: {fault}") from fault
    if inflater and body and not inflater.eof:
        raise ValueError("it is truncated")
    return bytes(body)


def parse(body: bytes) -> Any:
    """An answer's JSON.  Numbers that are not finite and integers beyond 64 bits become None.

    Raises:
        ValueError: it is not JSON, or nested too deeply.
    """
    try:
        return _loads(body)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _loads(body: bytes) -> Any:
    return json.loads(body, parse_int=_whole, parse_float=_finite, parse_constant=_nothing)


def _whole(text: str) -> int | None:
    number = int(text) if len(text) <= 20 else None
    return number if number is not None and -(2**63) <= number < 2**63 else None


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _nothing(text: str) -> None:
    """Parse NaN and Infinity, which JSON does not have."""


def pages(api: HfApi, address: str, params: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """The objects of a list, page after page; items of other types are left out.

    Raises:
        TooLargeError: a page is too large, or there are too many.
        ValueError: a page is not a list.
        HTTPError: huggingface_hub's errors.
    """
    query: Mapping[str, str] | str = params
    for _ in range(MOST_PAGES):
        answer = read(api, address, limit=PAGE_LIMIT, params=query)
        yield from (item for item in items(answer.body) if isinstance(item, dict))
        if answer.next is None:
            return
        # Only its query is used: a mirror's link may name the Hub itself, but all requests go to this endpoint.
        query = answer.next
    raise TooLargeError(f"the list has more than {MOST_PAGES:,} pages")


def items(body: bytes) -> list[Any]:
    """The items of a JSON list.  An item that is nested too deeply is left out: each has its own author.

    Raises:
        ValueError: it is not a list.
    """
    try:
        values = _loads(body)
    except RecursionError:
        values = list(_sound(body))
    if not isinstance(values, list):
        raise ValueError("it is not a list")
    return values


_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)
"""A text, or a bracket."""


def _sound(body: bytes) -> Iterator[Any]:
    """The objects directly inside a list that can be parsed; only brackets are used to find them."""
    depth = start = 0
    for token in _TOKEN.finditer(body):
        if token[0] in (b"[", b"{"):
            depth += 1
            start = token.start() if depth == 2 else start
        elif token[0] in (b"]", b"}"):
            depth -= 1
            if depth == 1:
                try:
                    yield parse(body[start : token.end()])
                except ValueError:
                    continue
