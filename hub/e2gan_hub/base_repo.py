"""Where a concept's base is on the Hub: given, remembered or found there, and always checked by its digest."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from e2gan.base import Base, find_base
from e2gan.concept import Concept
from e2gan.errors import BaseModelError, E2GANError
from e2gan.files import sha256_file
from e2gan_hub import answers, client, config
from e2gan_hub.metadata import BASE_TAG
from e2gan_hub.pull import listing
from e2gan_hub.ref import Ref

if TYPE_CHECKING:
    import tomlkit
    from huggingface_hub import HfApi

__all__ = ["base_repository", "remember_base"]

WEIGHTS = "generator.safetensors"
MOST = 20
"""Bases on the Hub that are compared with the one that is looked for, the most downloaded first."""


def base_repository(concept: Concept, given: str | None, api: HfApi) -> str:
    """The repository of a concept's base, which exists and holds that base; remembered for the next time.

    Without ``given``, it is the remembered one, or else the most downloaded one on the Hub with the same generator.

    Raises:
        Unreachable: the Hub cannot be reached.
        E2GANError: the given repository does not exist or holds another base, or none is known or found.
    """
    remembered = config.read_config().bases.get(concept.base_sha256)
    if given is not None:
        repo = _checked(Ref.given(given), concept, api)
    else:
        repo = (remembered and _if_there(Ref.parse(remembered), concept, api)) or _found(concept, api)
    if repo != remembered:
        remember_base(concept.base_sha256, repo)
    return repo


def remember_base(sha256: str, repo: str) -> None:
    """Store the repository of the base with this generator in the settings."""

    def edit(document: tomlkit.TOMLDocument) -> None:
        document.setdefault("bases", {})[sha256] = repo

    config.change(edit)


def _checked(ref: Ref, concept: Concept, api: HfApi) -> str:
    """The repository's name on the Hub, once its generator has been compared."""
    listed = listing(ref, api)
    weights = listed.files.get(WEIGHTS)
    if weights is None:
        raise E2GANError(f"{ref}: no base is there: {WEIGHTS} is missing", hint="name the repository of the base")
    generator = _generator(concept)
    if weights.sha256 is not None:
        same = weights.sha256 == concept.base_sha256
    else:  # in git itself; its digest there is another one
        same = generator is None or weights.is_of(generator.read_bytes())
    if not same:
        raise E2GANError(
            f"{ref}: another base is there than the concept's '{concept.base_id}' ({concept.base_sha256[:12]}…)",
            hint="name the repository of that base",
        )
    return listed.ref.repo


def _if_there(ref: Ref, concept: Concept, api: HfApi) -> str | None:
    try:
        return _checked(ref, concept, api)
    except client.Unreachable:
        raise
    except E2GANError as error:
        warnings.warn(client.HubWarning(f"the base is no longer where it was: {error}"), stacklevel=3)
        return None


def _found(concept: Concept, api: HfApi) -> str:
    with client.failures("the list of bases"):
        models = answers.pages(api, "/api/models", {"filter": BASE_TAG, "sort": "downloads", "direction": "-1"})
        names = [str(model.get("id")) for model, _ in zip(models, range(MOST))]
    for name in names:
        try:
            repo = _checked(Ref.parse(name), concept, api)
        except client.Unreachable:
            raise
        except E2GANError:
            continue  # another base, or none
        warnings.warn(client.HubWarning(f"the base '{concept.base_id}' is {repo} on the Hub"), stacklevel=3)
        return repo
    generator = _generator(concept)
    publish = f"e2gan push-base {generator.parent} --repo OWNER/{concept.base_id} publishes it; " if generator else ""
    raise E2GANError(
        f"the card must name the repository of the base '{concept.base_id}' on the Hub, and none there has this base",
        hint=f"{publish}--base-model OWNER/NAME names it",
    )


def _generator(concept: Concept) -> Path | None:
    """The weights of the concept's base if it is installed here."""
    try:
        base: Base = find_base(concept.base_id)
    except BaseModelError:
        return None
    file = base.generator_path
    return file if base.sha256 == concept.base_sha256 == sha256_file(file) else None
