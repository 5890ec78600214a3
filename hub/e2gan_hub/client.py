"""huggingface_hub's client, its failures in our words, and its patience where the Hub asks for some."""

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

__all__ = ["LIBRARY", "TIMEOUT", "HubWarning", "Unreachable", "client", "failures", "is_offline", "patiently"]

LIBRARY: dict[str, Any] = {"library_name": "e2gan", "library_version": __version__}
"""Who asks, as the Hub counts downloads."""

TIMEOUT = 20.0
"""Seconds to wait for an answer to begin."""

TRIES, LONGEST_WAIT = 3, 300
"""How often to ask, and for how many seconds at most to wait in between when the Hub asks for it.

It counts requests in windows of five minutes.
"""

WAIT_HEADERS = ("RateLimit", "RateLimit-Policy", "Retry-After")
"""In which the Hub says when it may be asked again."""

LOG_IN = "sign in with: hf auth login"

T = TypeVar("T")


class Unreachable(E2GANError):
    """The Hub cannot be asked: no network, no answer, or offline mode."""


class HubWarning(E2GANWarning):
    """What was asked for is had, though not quite as asked, or later."""


def is_offline() -> bool:
    """Whether the environment says so, as huggingface_hub reads it."""
    value = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return value.upper() in ("1", "ON", "YES", "TRUE")


def client(token: str | bool | None = None) -> HfApi:
    """The client; ``token`` instead of the one that ``hf auth login`` or HF_TOKEN gave, False for none at all."""
    from huggingface_hub import HfApi
    from huggingface_hub.utils import disable_progress_bars, logging

    # We say what there is to say: files are small, and failures become one line.
    disable_progress_bars()
    logging.set_verbosity_error()
    return HfApi(token=token, **LIBRARY)


def patiently(ask: Callable[..., T], *arguments: Any, **options: Any) -> T:
    """``ask(…)``, again when the Hub says that it is busy and for how long, for then it has done nothing."""
    from huggingface_hub.errors import HfHubHTTPError

    for left in reversed(range(TRIES)):
        try:
            return ask(*arguments, **options)
        except HfHubHTTPError as error:
            wait = _wanted_wait(error)
            if not left or wait is None or wait > LONGEST_WAIT:
                raise
        if wait:
            warnings.warn(HubWarning(f"the Hub has had too many requests; trying again in {wait} s"), stacklevel=2)
        time.sleep(wait)
    raise AssertionError("unreachable")


def _wanted_wait(error: HfHubHTTPError) -> int | None:
    """For how many seconds the Hub asks to be left alone, as huggingface_hub understands it; None if it does not."""
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
    """Turn what huggingface_hub raises into one line about ``what``, a repository or what is done with the Hub.

    Raises:
        Unreachable: the Hub cannot be asked.
        E2GANError: anything else that can go wrong there.
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
            f"{what} is behind a gate: its owner decides who may have it",
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
        raise E2GANError(f"{what}: a file that the Hub lists is not there") from error
    except LocalTokenNotFoundError as error:
        raise E2GANError(f"{what}: this needs a token", hint=LOG_IN) from error
    except OfflineModeIsEnabled as error:
        raise Unreachable(f"{what}: the Hub is not asked while HF_HUB_OFFLINE is set", hint="unset it") from error
    except HfHubHTTPError as error:
        raise _refused(what, error) from error
    except HTTPError as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise Unreachable(
            f"{what}: the Hub cannot be reached: {reason}", hint="look at the network, and run it again"
        ) from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise E2GANError(f"{what}: the disk is full", hint=FULL) from error
        if error.errno is not None:
            raise E2GANError(f"{what}: {error.strerror}: {error.filename}") from error
        # huggingface_hub's way to say that a download has not the length it should have.
        raise E2GANError(f"{what}: {' '.join(str(error).split())[:200]}", hint="run it again") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise E2GANError(f"{what}: the Hub's answer makes no sense: {' '.join(str(error).split())[:200]}") from error


def _refused(what: str, error: Any) -> E2GANError:
    """For an answer with an error's status."""
    status = error.response.status_code
    said = " ".join((error.server_message or "").split())[:200]
    because = f": {said if said.isprintable() else shown(said)}" if said else ""
    if status == 401:
        return E2GANError(
            f"{what}: you are not signed in to the Hub{because}", hint=f"the token is missing or invalid; {LOG_IN}"
        )
    if status == 403:
        return E2GANError(
            f"{what}: the Hub does not let you{because}",
            hint="the token needs the right to write there: hf auth whoami",
        )
    if status in (409, 412):
        return E2GANError(
            f"{what}: somebody else has changed it meanwhile{because}", hint="look at it, and run it again"
        )
    if status == 429:
        wait = _wanted_wait(error)
        hint = "wait some minutes" if wait is None else f"wait {wait} seconds"
        return E2GANError(f"{what}: too many requests", hint=hint)
    if status >= 500:
        return Unreachable(
            f"{what}: the Hub has a fault of its own ({status}){because}", hint="run it again in a while"
        )
    return E2GANError(f"{what}: the Hub refuses ({status}){because}")
