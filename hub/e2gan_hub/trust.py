"""The allow-list of publishers whose concepts may be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from e2gan.errors import E2GANError, E2GANWarning
from e2gan.tables import shown
from e2gan_hub import config, store
from e2gan_hub.ref import Ref

if TYPE_CHECKING:
    import tomlkit

__all__ = ["TrustWarning", "check", "check_move", "distrust", "trust"]


class TrustWarning(E2GANWarning):
    """A concept comes for the first time from a publisher who is not on the allow-list."""


def check(ref: Ref, settings: config.Config, *, required: bool = False) -> TrustWarning | None:
    """Check that a publisher's concepts may be used; returns a note for the user, if any.

    Raises:
        E2GANError: the publisher is not on the allow-list, and ``required`` or the settings demand it.
    """
    if settings.trusts(ref.owner):
        return None
    if required or settings.require_trusted:
        raise E2GANError(f"{ref}: '{ref.owner}' is not among the publishers you trust", hint=f"e2gan trust {ref.owner}")
    if store.has_owner(ref.owner):
        return None
    return TrustWarning(
        f"{ref} is the first concept of '{ref.owner}' here, a publisher you do not trust yet "
        f"(e2gan trust {ref.owner} ends this note)"
    )


def check_move(asked: Ref, found: Ref, settings: config.Config) -> str | None:
    """Check that a repository may be used under its present name; returns a note if that differs.

    Raises:
        E2GANError: it now belongs to someone else, who is not on the allow-list.
    """
    if asked.is_of(found.repo):
        return None
    moved = f"moved from {asked.repo} to {found.repo}"
    if asked.owner.lower() != found.owner.lower() and not settings.trusts(found.owner):
        raise E2GANError(
            f"{asked}: {moved}, and '{found.owner}' is not among the publishers you trust",
            hint=f"e2gan trust {found.owner}, or use its new name {found.repo}",
        )
    return moved


def trust(owners: tuple[str, ...]) -> list[str]:
    """Put publishers on the allow-list, and return those that were not on it.

    Raises:
        E2GANError: one cannot be a publisher's name.
    """
    for owner in owners:
        _check_owner(owner)
    settings = config.read_config()
    new = [owner for owner in owners if not settings.trusts(owner)]

    def edit(document: tomlkit.TOMLDocument) -> None:
        trusted = document.setdefault("trusted", [])
        for owner in owners:
            if owner.lower() not in (name.lower() for name in trusted):
                trusted.append(owner)

    config.change(edit)
    return new


def distrust(owners: tuple[str, ...]) -> list[str]:
    """Remove publishers from the allow-list, and return them; raises E2GANError for one that is not on it."""
    for owner in owners:
        if not config.read_config().trusts(owner):
            raise E2GANError(f"{shown(owner)} is not among the publishers you trust", hint="e2gan trust lists them")

    def edit(document: tomlkit.TOMLDocument) -> None:
        away = {owner.lower() for owner in owners}
        trusted: list[str] = document["trusted"]  # type: ignore[assignment]
        for owner in [name for name in trusted if name.lower() in away]:
            trusted.remove(owner)

    config.change(edit)
    return list(owners)


def _check_owner(owner: str) -> None:
    try:
        Ref.parse(f"{owner}/any")
    except E2GANError:
        raise E2GANError(f"{shown(owner)} is not a valid name of a publisher on the Hub") from None
