"""The networks: Hub ids with their pinned revisions, and loading."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from e2gan.errors import TeacherError
from e2gan.installing import install_command
from e2gan.quiet import quiet_transformers
from e2gan_teachers.catalogue import TEACHERS as BUNDLED

__all__ = ["REVISIONS", "check_model", "quiet", "reading", "revision_of"]

REVISIONS = {
    "stable-diffusion-v1-5/stable-diffusion-v1-5": "451f4fe16113bff5a5d2269ed5ad43b0592e9a14",
    "CompVis/stable-diffusion-v1-4": "133a221b8aa7292a167afc5127cb63fb5005638b",
    "timbrooks/instruct-pix2pix": "31519b5cb02a7fd89b906d88731cd4d6a7bbf88d",
    "lllyasviel/sd-controlnet-normal": "1cbed9b3ca84422e4a2f23c14b9f5a114742b31d",
    "Intel/dpt-hybrid-midas": "11eaf7a1cf4bd70740697dbc216f98980c0aeb03",
}
"""The commit of each default model: a recipe's teacher must not change."""

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def check_model(option: str, value: object) -> None:
    """Raise TeacherError unless `value` is an existing file or folder, or has the form of a Hub id."""
    if not isinstance(value, str) or not (Path(value).exists() or _HUB_ID.fullmatch(value)):
        raise TeacherError(
            f"the option '{option}' must be the id of a model on the Hugging Face Hub (owner/name) "
            f"or a path that exists, not {value!r}"
        )


def revision_of(model: str, revision: str | None) -> str | None:
    """The revision to read: the given one, else the pinned one of a default model, else the newest (None)."""
    return None if Path(model).exists() else revision or REVISIONS.get(model)


@contextmanager
def reading(model: str) -> Iterator[None]:
    """Read networks; every failure becomes one TeacherError about `model`."""
    try:
        yield
    except TeacherError:
        raise
    except ImportError as error:
        package = (error.name or "diffusers").partition(".")[0]
        raise TeacherError(
            f"this teacher needs the package '{package}', which is not installed or does not work ({_line(error)})",
            hint=f"{install_command('e2gan-teachers[diffusion]')}, or {_others()}",
        ) from error
    # The loaders raise the errors of their parts: OSError, ValueError, KeyError, safetensors' and pickle's own.
    except Exception as error:
        if Path(model).exists():
            raise TeacherError(
                f"{model}: not a model that this teacher can read ({_line(error)})",
                hint="it must be in the layout of diffusers, as save_pretrained writes it; "
                "only instruct-diffusion reads a checkpoint file",
            ) from error
        if _is_unknown(error):
            raise TeacherError(
                f"the Hugging Face Hub has no model '{model}' of that revision, or requires you to log in for it "
                f"({_line(error)})",
                hint="check the options 'model' and 'revision'; to log in: hf auth login",
            ) from error
        raise TeacherError(
            f"the model '{model}' is not on this computer and could not be downloaded ({_line(error)})",
            hint=f"go online for the first use, or give a folder as 'model', or {_others()}",
        ) from error


def _others() -> str:
    return f"use a teacher that needs no download: {', '.join(BUNDLED)}"


def _is_unknown(error: BaseException | None) -> bool:
    """Whether the Hub answered with a refusal, which the loaders wrap in their own errors."""
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    while error is not None:
        if isinstance(error, (RepositoryNotFoundError, RevisionNotFoundError)):
            return True
        if isinstance(error, HfHubHTTPError) and getattr(error.response, "status_code", None) in (401, 403, 404):
            return True
        error = error.__cause__ or error.__context__
    return False


def _line(error: BaseException) -> str:
    """The first sentence of an error, on one line."""
    text = " ".join(str(error).split())
    short = re.split(r"(?<=[^.][^.]\.) ", text, maxsplit=1)[0].rstrip(".")
    return short if len(short) <= 120 else f"{short[:119]}…"


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress the libraries' warnings about optional packages and unused settings; downloads still show progress."""
    with warnings.catch_warnings(), ExitStack() as after:
        warnings.simplefilter("ignore")
        # transformers before diffusers, which warns about missing packages while it is imported.
        after.enter_context(quiet_transformers())
        from diffusers.utils import logging

        after.callback(logging.set_verbosity, logging.get_verbosity())
        after.callback(logging.enable_progress_bar)
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        yield
