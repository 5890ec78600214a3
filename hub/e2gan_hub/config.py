"""The user's settings: ``config.toml``, in the system's place for such files or where ``E2GAN_CONFIG`` says."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2gan.errors import E2GANError
from e2gan.files import TOML_LIMIT, atomic_write, read_bytes, read_toml
from e2gan.tables import Table, shown
from e2gan_hub.ref import Ref

if TYPE_CHECKING:
    import tomlkit

__all__ = ["Config", "Signer", "change", "config_path", "read_config"]


@dataclass(frozen=True)
class Signer:
    """Who signs, as Sigstore's certificates say it."""

    identity: str
    """An e-mail address, or the URI of a workflow."""
    issuer: str
    """The URL of who vouches for it, such as ``https://github.com/login/oauth``."""


@dataclass(frozen=True)
class Config:
    trusted: tuple[str, ...] = ()
    """Publishers that need no warning: the owners of repositories."""
    require_trusted: bool = False
    """Refuse all others."""
    signers: Mapping[str, Signer] = field(default_factory=dict)
    """By publisher: who must have signed what comes from there."""
    bases: Mapping[str, str] = field(default_factory=dict)
    """By the SHA-256 of a base's generator: its repository on the Hub."""

    def trusts(self, owner: str) -> bool:
        """Whether a publisher is on the allow-list, written in whatever capitals."""
        return owner.lower() in (publisher.lower() for publisher in self.trusted)

    def signer(self, owner: str) -> Signer | None:
        """Who must have signed what comes from a publisher, if anybody."""
        return next((signer for publisher, signer in self.signers.items() if publisher.lower() == owner.lower()), None)


def config_path() -> Path:
    """Where the settings are, or would be."""
    if place := os.environ.get("E2GAN_CONFIG"):
        return Path(place)
    from platformdirs import user_config_path

    return user_config_path("e2gan", appauthor=False) / "config.toml"


def read_config() -> Config:
    """The settings; the defaults where there is no file.

    Raises:
        E2GANError: the file is malformed.
    """
    path = config_path()
    if not path.exists():
        return Config()
    table = Table(read_toml(path, error=E2GANError), str(path), E2GANError)
    config = Config(
        trusted=table.texts("trusted", (), most=1000),
        require_trusted=table.flag("require-trusted", False),
        signers={owner: _signer(table.sub("signers").sub(owner)) for owner in table.sub("signers", {}).data},
        bases={digest: _repo(table.sub("bases"), digest) for digest in table.sub("bases", {}).data},
    )
    table.done()
    owners = [owner.lower() for owner in config.signers]
    if twice := next((owner for owner in owners if owners.count(owner) > 1), None):
        raise E2GANError(f"{path}: [signers] has {shown(twice)} twice, in other capitals: the Hub knows one")
    return config


def _signer(table: Table) -> Signer:
    signer = Signer(table.text("identity"), table.text("issuer"))
    table.done()
    return signer


def _repo(table: Table, digest: str) -> str:
    text = table.text(digest)
    try:
        ref = Ref.parse(text)
    except E2GANError as error:
        raise table.fault(f"{digest}: {error}", error.hint) from None
    if ref.revision:
        raise table.fault(f"{shown(text)} must be OWNER/NAME alone")
    return ref.repo


def change(edit: Callable[[tomlkit.TOMLDocument], Any]) -> None:
    """Let ``edit`` change the file's content, which keeps its comments; raises E2GANError if it is malformed."""
    import tomlkit

    read_config()  # not to build upon a malformed file
    path = config_path()
    text = read_bytes(path, limit=TOML_LIMIT).decode() if path.exists() else ""
    document = tomlkit.parse(text)
    edit(document)
    atomic_write(path, tomlkit.dumps(document))
