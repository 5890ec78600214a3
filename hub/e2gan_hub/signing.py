"""Sigstore signatures over a concept's id, its version and the digest of each file.

The repository holds the signature beside the bundle, in Sigstore's own format.  Keys live for minutes and nobody keeps
them: a certificate names the signer, by an account elsewhere, and a public log records the time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from e2gan.concept import Concept
from e2gan.errors import E2GANError
from e2gan.installing import install_command
from e2gan.tables import canonical_json
from e2gan_hub.config import Signer

__all__ = ["SIGNATURE", "SIGNATURE_LIMIT", "MissingSigstoreError", "sign", "statement", "verify"]

SIGNATURE = "manifest.sigstore.json"
SIGNATURE_LIMIT = 64 * 1024
"""Maximum bytes of a signature; Sigstore's have about 10,000."""


def statement(concept: Concept, digests: Mapping[str, str]) -> bytes:
    """The text to sign: JSON with the concept and the SHA-256 of each of its files."""
    return canonical_json({"schema": 1, "id": concept.id, "version": concept.version, "files": dict(digests)})


def sign(data: bytes) -> str:
    """Sign with a CI job's identity, or one chosen in a browser, and return Sigstore's bundle as JSON.

    Raises:
        MissingSigstoreError: the extra ``sign`` is not installed.
        E2GANError: there is no identity, or Sigstore cannot be reached.
    """
    with _sigstore("cannot sign"):
        from sigstore.models import ClientTrustConfig
        from sigstore.oidc import IdentityToken, Issuer, detect_credential
        from sigstore.sign import SigningContext

        settings = ClientTrustConfig.production()
        credential = detect_credential()
        token = (
            IdentityToken(credential) if credential else Issuer(settings.signing_config.get_oidc_url()).identity_token()
        )
        with SigningContext.from_trust_config(settings).signer(token) as signer:
            return signer.sign_artifact(data).to_json()


def verify(data: bytes, signature: str, signer: Signer) -> None:
    """Check that ``signature`` is Sigstore's bundle for ``data``, made by ``signer``.

    Raises:
        MissingSigstoreError: the extra ``sign`` is not installed.
        E2GANError: it is not valid.
    """
    with _sigstore(f"the signature of {signer.identity} is not valid"):
        from sigstore.errors import TUFError
        from sigstore.models import Bundle
        from sigstore.verify import Verifier
        from sigstore.verify.policy import Identity

        bundle = Bundle.from_json(signature)
        try:
            verifier = Verifier.production()
        except TUFError:  # unreachable: use the keys that came with the library or were fetched before
            verifier = Verifier.production(offline=True)
        verifier.verify_artifact(data, bundle, Identity(identity=signer.identity, issuer=signer.issuer))


@contextmanager
def _sigstore(what: str) -> Iterator[None]:
    """Turn sigstore's exceptions into one line that begins with ``what``."""
    try:
        from sigstore.errors import Error
        from sigstore.models import InvalidBundle
        from sigstore.oidc import ExpiredIdentity, IssuerError
    except ModuleNotFoundError as fault:
        raise MissingSigstoreError(what) from fault
    try:
        yield
    except (Error, InvalidBundle, ExpiredIdentity, IssuerError, OSError, ValueError) as fault:
        reason = " ".join(str(fault).split())[:300] or type(fault).__name__
        raise E2GANError(f"{what}: {reason}") from fault


class MissingSigstoreError(E2GANError):
    """The extra ``sign`` is not installed."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what}: this needs the package 'sigstore', which is not installed",
            hint=install_command("e2gan-hub[sign]"),
        )
