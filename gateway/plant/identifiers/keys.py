"""Signing keys of nodes and owners: Ed25519 or P-256, named by their RFC 7638 thumbprint."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey

from gateway.plant.identifiers.errors import StatementUntrusted

ED25519, ES256 = "Ed25519", "ES256"
ALGORITHMS = (ED25519, ES256)


@dataclass(frozen=True, slots=True)
class Key:
    """A key pair, or a public key only. `algorithm` follows from its type."""

    jwk: OKPKey | ECKey
    algorithm: str
    kid: str

    def public(self) -> dict[str, Any]:
        """Return the public key as a JWK."""
        return dict(self.jwk.as_dict(private=False))

    def private(self) -> dict[str, Any]:
        """Return the key pair as a JWK. Handle it as a secret."""
        return dict(self.jwk.as_dict(private=True))


def generate_key(algorithm: str = ED25519) -> Key:
    """Return a new key pair."""
    if algorithm == ES256:
        return _key(ECKey.generate_key("P-256"))
    return _key(OKPKey.generate_key("Ed25519"))


def load_key(jwk: Mapping[str, Any]) -> Key:
    """Return the key of a JWK. Raises StatementUntrusted if its type is not supported."""
    try:
        if jwk.get("kty") == "OKP" and jwk.get("crv") == "Ed25519":
            return _key(OKPKey.import_key(dict(jwk)))
        if jwk.get("kty") == "EC" and jwk.get("crv") == "P-256":
            return _key(ECKey.import_key(dict(jwk)))
    except (JoseError, ValueError, TypeError, KeyError):
        pass
    raise StatementUntrusted("A key must be a valid JWK of Ed25519 or P-256.", param="key")


def _key(jwk: OKPKey | ECKey) -> Key:
    """Return the key with its algorithm and thumbprint."""
    return Key(jwk, ED25519 if isinstance(jwk, OKPKey) else ES256, jwk.thumbprint())
