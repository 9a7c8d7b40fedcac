"""Signed statements: compact JWS with a type, an issuing key and a payload.

The type is in the signed header (`typ`), so that a statement of one type cannot be used as another.
"""

import binascii
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec
from joserfc import jws
from joserfc.errors import JoseError

from gateway.plant.identifiers.errors import StatementUntrusted
from gateway.plant.identifiers.keys import Key

MAX_BYTES = 64 << 10


class StatementType(StrEnum):
    """Types of statements, as the media type in the JWS header `typ`."""

    DELEGATION = "maas-delegation+jws"
    REVOCATION = "maas-revocation+jws"
    RECORD = "maas-record+jws"
    DENIAL = "maas-denial+jws"
    ACCESS = "maas-access+jws"
    COMMAND_LIMITS = "maas-command-limits+jws"


def sign(kind: StatementType, payload: Mapping[str, Any], key: Key) -> str:
    """Return the statement as compact JWS."""
    header = {"alg": key.algorithm, "kid": key.kid, "typ": kind.value}
    body = msgspec.json.encode(payload, order="sorted")
    return jws.serialize_compact(header, body, key.jwk, algorithms=[key.algorithm])


def verify(kind: StatementType, token: str, key: Key) -> Mapping[str, Any]:
    """Return the payload of a statement signed by `key`. Raises StatementUntrusted.

    The algorithm is the key's own, never the header's choice.
    """
    if len(token) > MAX_BYTES:
        raise StatementUntrusted(f"A statement has at most {MAX_BYTES} bytes.")
    if key_id(token) != key.kid:
        raise StatementUntrusted("The statement is signed by a key outside the delegation chain.")
    try:
        checked = jws.deserialize_compact(token, key.jwk, algorithms=[key.algorithm])
        payload = msgspec.json.decode(checked.payload, type=dict[str, Any])
    except (JoseError, msgspec.DecodeError, ValueError):
        raise StatementUntrusted("The signature of a statement is invalid.") from None
    if checked.headers().get("typ") != kind.value:
        raise StatementUntrusted(f"The statement is not of the type `{kind.value}`.")
    return payload


def key_id(token: str) -> str:
    """Return the `kid` that a statement claims, unverified; empty if it is malformed."""
    value = _part(token, 0).get("kid")
    return value if isinstance(value, str) else ""


def unverified_payload(token: str) -> Mapping[str, Any]:
    """Return the payload of a statement without verification, empty if it is malformed."""
    return _part(token, 1)


def _part(token: str, index: int) -> Mapping[str, Any]:
    """Return the decoded JSON object of the header (0) or payload (1)."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        content = urlsafe_b64decode(parts[index] + "=" * (-len(parts[index]) % 4))
        return msgspec.json.decode(content, type=dict[str, Any])
    except (binascii.Error, msgspec.DecodeError, ValueError):
        return {}
