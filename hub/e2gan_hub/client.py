"""huggingface_hub's client, with its errors translated, and retries when the Hub asks to wait."""

from __future__ import annotations

import errno
import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from e2gan import __version__
from e2gan.errors import E2GANError, E2GANWarning
from e2gan.files import FULL
from e2gan.tables import shown

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

__all__ = [
    "LIBRARY",
    "TIMEOUT",
    "HubWarning",
    "Unreachable",
    "client",
    "endpoint",
    "failures",
    "is_offline",
    "patiently",
]

LIBRARY: dict[str, Any] = {"library_name": "e2gan", "library_version": __version__}
"""The program's name, by which the Hub counts downloads."""

TIMEOUT = 20.0
"""Seconds to wait for an answer to begin."""

TRIES, LONGEST_WAIT = 3, 300
"""Number of requests, and most seconds to wait between two when the Hub asks for it.

The Hub counts requests in windows of five minutes.
"""

WAIT_HEADERS = ("RateLimit", "RateLimit-Policy", "Retry-After")
"""The header in which the Hub says when to repeat a request."""

LOG_IN = "sign in with: hf auth login"

T = TypeVar("T")


class Unreachable(E2GANError):
    """The Hub cannot be asked: no network, no answer, or offline mode."""


class HubWarning(E2GANWarning):
    """The request succeeded, but with a difference or a delay."""


def is_offline() -> bool:
    """Whether the environment asks for offline mode, by huggingface_hub's rules."""
    value = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return value.upper() in ("1", "ON", "YES", "TRUE")


def endpoint() -> str:
    """The address of the Hub, by huggingface_hub's rules."""
    from huggingface_hub import constants

    return str(constants.ENDPOINT)


def client(token: str | bool | None = None) -> HfApi:
    """The client.  ``token`` replaces the one from ``hf auth login`` or HF_TOKEN; False sends no token."""
    from huggingface_hub import HfApi
    from huggingface_hub.utils import disable_progress_bars, logging

    # The program reports for itself: files are small, and failures become one line.
    disable_progress_bars()
    logging.set_verbosity_error()
    return HfApi(token=token, **LIBRARY)


def patiently(ask: Callable[..., T], *arguments: Any, **options: Any) -> T:
    """``ask(…)``, repeated when the Hub says that it is busy and for how long: it has not acted on the request then."""
    from huggingface_hub.errors import HfHubHTTPError

    for left in reversed(range(TRIES)):
        try:
            return ask(*arguments, **options)
        except HfHubHTTPError as error:
            wait = _wanted_wait(error)
            if not left or wait is None or wait > LONGEST_WAIT:
                raise
        if wait:
            warnings.warn(HubWarning(f"the Hub has received too many requests; trying again in {wait} s"), stacklevel=2)
        time.sleep(wait)
    raise AssertionError("unreachable")


def _wanted_wait(error: HfHubHTTPError) -> int | None:
    """Seconds that the Hub asks to wait, by huggingface_hub's rules; None if it does not ask."""
    from huggingface_hub.utils import parse_ratelimit_headers

    headers = error.response.headers
    if error.response.status_code not in (429, 503) or any(len(headers.get(name, "")) > 200 for name in WAIT_HEADERS):
        return None
    rate = parse_ratelimit_headers(headers)
    if error.response.status_code == 429 and rate is not None and rate.remaining == 0:
        return rate.reset_in_seconds + 1  # it is rounded
    value = headers.get("Retry-After", "").strip()
    return int(value) if value.isascii() and value.isdigit() else None


@contextmanager
def failures(what: str, revision: str | None = None) -> Iterator[None]:
    """Turn huggingface_hub's exceptions into one line about ``what``, a repository or an action on the Hub.

    Raises:
        Unreachable: the Hub cannot be asked.
        E2GANError: anything else fails there.
    """
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        HTTPError,
        LocalTokenNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        yield
    except E2GANError:
        raise
    except GatedRepoError as error:
        raise E2GANError(
            f"{what} is gated: its owner decides who gets access",
            hint=f"ask for access on its page, then {LOG_IN}",
        ) from error
    except RepositoryNotFoundError as error:
        raise E2GANError(
            f"{what}: no such repository on the Hub, or you have no access to it",
            hint=f"check the name; {LOG_IN}",
        ) from error
    except RevisionNotFoundError as error:
        raise E2GANError(f"{what} has no revision '{revision or 'main'}'") from error
    except EntryNotFoundError as error:
        raise E2GANError(f"{what}: a file that the Hub lists is missing") from error
    except LocalTokenNotFoundError as error:
        raise E2GANError(f"{what}: this needs a token", hint=LOG_IN) from error
    except OfflineModeIsEnabled as error:
        raise Unreachable(f"{what}: the Hub cannot be reached while HF_HUB_OFFLINE is set", hint="unset it") from error
    except HfHubHTTPError as error:
        raise _refused(what, error) from error
    except HTTPError as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise Unreachable(
            f"{what}: the Hub cannot be reached: {reason}", hint="check the network, and run it again"
        ) from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise E2GANError(f"{what}: the disk is full", hint=FULL) from error
        if error.errno is not None:
            raise E2GANError(f"{what}: {error.strerror}: {error.filename}") from error
        # huggingface_hub raises this for a download of the wrong length.
        raise E2GANError(f"{what}: {' '.join(str(error).split())[:200]}", hint="run it again") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise E2GANError(
            f"{what}: the Hub's answer cannot be understood: {' '.join(str(error).split())[:200]}"
        ) from error


def _refused(what: str, error: Any) -> E2GANError:
    """The error for an answer with an error status."""
    status = error.response.status_code
    said = " ".join((error.server_message or "").split())[:200]
    because = f": {said if said.isprintable() else shown(said)}" if said else ""
    if status == 401:
        return E2GANError(
            f"{what}: you are not signed in to the Hub{because}", hint=f"the token is missing or invalid; {LOG_IN}"
        )
    if status == 403:
        return E2GANError(
            f"{what}: the Hub denies you access{because}",
            hint="the token needs write access there; hf auth whoami shows whose it is",
        )
    if status in (409, 412):
        return E2GANError(
            f"{what}: somebody else has changed it in the meantime{because}", hint="check the change, and run it again"
        )
    if status == 429:
        wait = _wanted_wait(error)
        hint = "wait a few minutes" if wait is None else f"wait {wait} seconds"
        return E2GANError(f"{what}: too many requests", hint=hint)
    if status >= 500:
        return Unreachable(f"{what}: the Hub has an internal error ({status}){because}", hint="try again later")
    return E2GANError(f"{what}: the Hub refuses ({status}){because}")
