"""Limits on what visitors may ask for: requests a second for each, with a reserve; and the length of a clip."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from e2gan.images import Limits
from e2gan_demo.guard import Access

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = [
    "ANIMATION",
    "EACH_WAITING",
    "FRAME",
    "LONGEST_MAKING",
    "MAX_CLIP",
    "MAX_FRAMES",
    "MAX_MADE",
    "MAX_SECONDS",
    "MOST_WAITING",
    "Buckets",
    "RateLimit",
]

MAX_CLIP = 100_000_000
"""Largest upload of a clip, in bytes."""

MAX_SECONDS, MAX_FRAMES = 60, 1_000
"""Longest clip or animation."""

FRAME = Limits(30_000_000, side=8192, hint="make it smaller first")
"""A clip's frame: 2.5 megapixels, enough for 1080p."""

ANIMATION = Limits(240_000_000, side=8192, hint="make it smaller or shorter first")
"""An animation, all of whose frames are in memory."""

MAX_MADE = 200_000_000
"""Largest edit of a clip or an animation, in bytes."""

LONGEST_MAKING = 20 * 60
"""Seconds that making a clip may take once its turn has come."""

MOST_WAITING, EACH_WAITING = 8, 2
"""Maximum clips being made and waiting, of all visitors together and of one; they are made one after the other."""

RATE, RESERVE = 50.0, 1000.0
"""Requests a second, and at once.  A class or an office counts as one visitor, because it has one address: when forty
of them drop their photos at the same moment, that is some 400."""

COSTS = {"/upload": 5.0}
"""Cost of a request, by the end of its path; others cost one."""

MOST = 10_000
"""Maximum visitors remembered."""


class Buckets:
    """A bucket for each visitor, which fills at a steady rate and from which requests take."""

    def __init__(
        self, rate: float = RATE, reserve: float = RESERVE, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._reserve = reserve
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, who: str, cost: float = 1.0) -> bool:
        """Take from a visitor's bucket; if it holds too little, take nothing and return False."""
        now = self._clock()
        left, then = self._left.pop(who, (self._reserve, now))
        left = min(self._reserve, left + (now - then) * self._rate)
        enough = left >= cost
        self._left[who] = (left - cost if enough else left, now)
        if len(self._left) > MOST:
            self._left.popitem(last=False)
        return enough


class RateLimit:
    """ASGI middleware that answers 429 to visitors who send too many requests; requests for files are free."""

    def __init__(self, app: ASGIApp, access: Access, buckets: Buckets | None = None) -> None:
        self._app = app
        self._access = access
        self._buckets = buckets or Buckets()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            cost = next((cost for end, cost in COSTS.items() if scope["path"].endswith(end)), 1.0)
            if not self._buckets.take(self._access.visitor(scope), cost):
                body = json.dumps({"detail": "too many requests: wait a moment"}).encode()
                headers = [(b"content-type", b"application/json"), (b"retry-after", b"2")]
                await send({"type": "http.response.start", "status": 429, "headers": headers})
                await send({"type": "http.response.body", "body": body})
                return
        await self._app(scope, receive, send)
