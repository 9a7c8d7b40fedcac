"""Prediction records as signed texts: compact JWS (RFC 7515) with Ed25519.

The payload contains the digest of the record before it in the account's chain, so the signatures
cover the chain. A record's digest is the SHA-256 of its token.
"""

import binascii
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from billing.outcomes.evidence.signatures import is_valid_signature
from billing.outcomes.predictions.content import sha256_hex
from billing.outcomes.predictions.errors import LedgerFileInvalid

TYPE = "maas-prediction+jws"
_ALGORITHM = "Ed25519"
GENESIS = "0" * 64  # `previous` of an account's first record


class _BasisPayload(msgspec.Struct, frozen=True):
    model: str
    version: str
    source: str
    request_ids: tuple[str, ...]
    inputs_sha256: str | None
    record: str | None


class _AgentPayload(msgspec.Struct, frozen=True):
    id: str
    version: str


class RecordPayload(msgspec.Struct, frozen=True, kw_only=True):
    """The signed payload of a record; times are UTC, `previous` the digest of the one before."""

    id: str
    account: str
    position: int
    previous: str
    recorded_at: datetime
    subject: str
    asset: str | None
    event: str
    question_sha256: str | None
    verdict: str
    probability_ppm: int | None
    since: datetime = msgspec.field(name="from")
    until: datetime = msgspec.field(name="to")
    basis: _BasisPayload
    agent: _AgentPayload | None


@dataclass(frozen=True, slots=True)
class ParsedRecord:
    """A token that has been parsed but not verified: key id, payload and digest."""

    token: str
    kid: str
    payload: RecordPayload
    digest: str


def sign_record(payload: Mapping[str, Any], kid: str, sign: Callable[[bytes], str]) -> str:
    """Return the token of a payload; `sign` returns a signature in base64."""
    header = {"alg": _ALGORITHM, "kid": kid, "typ": TYPE}
    head = _encode(msgspec.json.encode(header, order="sorted"))
    body = _encode(msgspec.json.encode(payload, order="sorted"))
    signature = b64decode(sign(f"{head}.{body}".encode()))
    return f"{head}.{body}.{_encode(signature)}"


def parse_record(token: str) -> ParsedRecord:
    """Parse a token without verifying its signature. Raises LedgerFileInvalid."""
    try:
        head, body, _ = token.split(".")
        header = msgspec.json.decode(_decode(head), type=dict[str, str])
        if header.get("typ") != TYPE or header.get("alg") != _ALGORITHM:
            raise LedgerFileInvalid(f"A record is not of the type {TYPE} with {_ALGORITHM}.")
        payload = msgspec.json.decode(_decode(body), type=RecordPayload)
    except (ValueError, msgspec.DecodeError, binascii.Error):
        raise LedgerFileInvalid("A record is not a signed prediction.") from None
    return ParsedRecord(token, header.get("kid", ""), payload, sha256_hex(token.encode()))


def is_signed_by(record: ParsedRecord, public_key: bytes) -> bool:
    """Return whether a record's signature is by this key, 32 bytes."""
    message, _, signature = record.token.rpartition(".")
    try:
        return is_valid_signature(public_key, message.encode(), _decode(signature))
    except (ValueError, binascii.Error):
        return False


def public_jwk(kid: str, public_key: bytes) -> dict[str, str]:
    """Return an Ed25519 public key as a JWK (RFC 8037)."""
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": _encode(public_key),
        "kid": kid,
        "use": "sig",
        "alg": _ALGORITHM,
    }


def jwk_public_key(jwk: Mapping[str, Any]) -> bytes:
    """Return the 32 bytes of an Ed25519 JWK. Raises LedgerFileInvalid."""
    try:
        content = _decode(str(jwk["x"]))
    except (KeyError, ValueError, binascii.Error):
        content = b""
    if len(content) != 32 or jwk.get("crv") != "Ed25519":
        raise LedgerFileInvalid("A key of the file is not an Ed25519 key.")
    return content


def _encode(content: bytes) -> str:
    """Encode in base64url without padding."""
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    """Decode base64url without padding. Raises ValueError unless the text is its only form."""
    content = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if _encode(content) != text:
        raise ValueError("not the canonical base64url")
    return content
