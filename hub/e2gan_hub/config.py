"""The user's settings: ``config.toml``, in the system's folder for settings, or at the path in ``E2GAN_CONFIG``."""

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
    """A signer, as Sigstore's certificates identify one."""

    identity: str
    """An e-mail address, or the URI of a workflow."""
    issuer: str
    """The URL of the service that vouches for it, such as ``https://github.com/login/oauth``."""


@dataclass(frozen=True)
class Config:
    trusted: tuple[str, ...] = ()
    """Publishers that are used without a warning: owners of repositories."""
    require_trusted: bool = False
    """Refuse all others."""
    signers: Mapping[str, Signer] = field(default_factory=dict)
    """By publisher: who must have signed their concepts."""
    bases: Mapping[str, str] = field(default_factory=dict)
    """By the SHA-256 of a base's generator: its repository on the Hub."""

    def trusts(self, owner: str) -> bool:
        """Whether a publisher is on the allow-list, in any capitals."""
        return owner.lower() in (publisher.lower() for publisher in self.trusted)

    def signer(self, owner: str) -> Signer | None:
        """Who must have signed a publisher's concepts, if anybody."""
        return next((signer for publisher, signer in self.signers.items() if publisher.lower() == owner.lower()), None)


def config_path() -> Path:
    """The path of the settings, whether the file exists or not."""
    if place := os.environ.get("E2GAN_CONFIG"):
        return Path(place)
    from platformdirs import user_config_path

    return user_config_path("e2gan", appauthor=False) / "config.toml"


def read_config() -> Config:
    """The settings; the defaults if there is no file.

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
        raise E2GANError(
            f"{path}: [signers] has {shown(twice)} twice, in different capitals: to the Hub they are the same"
        )
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
        raise table.fault(f"{shown(text)} must be OWNER/NAME only")
    return ref.repo


def change(edit: Callable[[tomlkit.TOMLDocument], Any]) -> None:
    """Let ``edit`` change the file's content; comments stay.  Raises E2GANError if the file is malformed."""
    import tomlkit

    read_config()  # a malformed file must not be extended
    path = config_path()
    text = read_bytes(path, limit=TOML_LIMIT).decode() if path.exists() else ""
    document = tomlkit.parse(text)
    edit(document)
    atomic_write(path, tomlkit.dumps(document))
