"""Records: what an owner states about an identifier, with fields that only some may read.

Public fields are in the signed payload. Of each restricted field the payload has only a salted
digest (as in SD-JWT, RFC 9901); its disclosure `[salt, access, name, value]` is given to callers
with that access, who check it against the digest. So every caller verifies the same signature.
"""

import hashlib
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import msgspec

from gateway.plant.identifiers.codes import Identifier, parse_identifier
from gateway.plant.identifiers.delegations import Authority, bounded_ttl, moment
from gateway.plant.identifiers.errors import (
    IdentifierInvalid,
    RecordInvalid,
    StatementUntrusted,
)
from gateway.plant.identifiers.statements import StatementType, sign, verify

MAX_FIELDS = 64
MAX_VALUE = 4096  # characters
_MAX_NAME = 64
_MAX_VERSION = 2**53
_SALT_BYTES = 16


class Access(StrEnum):
    """Who may read a field."""

    PUBLIC = "public"
    PARTNER = "partner"
    OWNER = "owner"

    def allows(self, needed: "Access") -> bool:
        """Return whether a caller with this access may read a field that needs `needed`."""
        order = tuple(Access)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True)
class FieldValue:
    """A field's value and who may read it."""

    value: str
    access: Access = Access.PUBLIC


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A record to sign. `version` must grow with each change; `ttl_s` is how long to cache it."""

    identifier: Identifier
    version: int
    fields: Mapping[str, FieldValue] = field(default_factory=dict)
    ttl_s: int = 300
    withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class Disclosure:
    """A restricted field: the encoded disclosure, and who may read it."""

    access: Access
    encoded: str


@dataclass(frozen=True, slots=True)
class SignedRecord:
    """A record as signed, with the disclosures that are kept apart from it."""

    identifier: Identifier
    version: int
    token: str
    disclosures: tuple[Disclosure, ...] = ()
    ttl_s: int = 300
    withdrawn: bool = False

    def visible_to(self, access: Access) -> tuple[str, ...]:
        """Return the disclosures that a caller with this access receives."""
        return tuple(one.encoded for one in self.disclosures if access.allows(one.access))


@dataclass(frozen=True, slots=True)
class VerifiedRecord:
    """A record whose signature was checked, with its public fields."""

    identifier: Identifier
    version: int
    issued_at: datetime
    ttl_s: int
    public: Mapping[str, str]
    digests: frozenset[str]
    withdrawn: bool
    token: str


def sign_record(
    new: NewRecord,
    owner: Authority,
    now: datetime,
    salt: Callable[[int], bytes] = secrets.token_bytes,
) -> SignedRecord:
    """Sign a record with the key of its prefix. Raises RecordInvalid."""
    _require_valid(new, owner)
    restricted = {name: one for name, one in new.fields.items() if one.access is not Access.PUBLIC}
    disclosures = tuple(
        Disclosure(one.access, _encode_disclosure(salt(_SALT_BYTES), name, one))
        for name, one in restricted.items()
    )
    payload = {
        "id": new.identifier.text,
        "version": new.version,
        "iat": int(now.timestamp()),
        "ttl": new.ttl_s,
        "fields": {n: one.value for n, one in new.fields.items() if n not in restricted},
        "_sd": sorted(digest(one.encoded) for one in disclosures),
        "withdrawn": new.withdrawn,
    }
    token = sign(StatementType.RECORD, payload, owner.key)
    return SignedRecord(
        new.identifier, new.version, token, disclosures, new.ttl_s, withdrawn=new.withdrawn
    )


def verify_record(token: str, owner: Authority) -> VerifiedRecord:
    """Return a record signed by the owner of its prefix. Raises StatementUntrusted."""
    payload = verify(StatementType.RECORD, token, owner.key)
    try:
        identifier = parse_identifier(str(payload.get("id", "")))
        typed = msgspec.convert(payload, _RecordPayload)
    except (IdentifierInvalid, msgspec.ValidationError):
        raise StatementUntrusted("A record is malformed.") from None
    if not identifier.is_under(owner.prefix) or identifier.text != typed.id:
        raise StatementUntrusted("A record is of an identifier outside its signer's prefix.")
    return VerifiedRecord(
        identifier,
        typed.version,
        moment(payload, "iat"),
        bounded_ttl(payload),
        typed.fields,
        frozenset(typed.sd),
        typed.withdrawn,
        token,
    )


def open_disclosure(record: VerifiedRecord, encoded: str) -> tuple[str, FieldValue]:
    """Return name and field of a disclosure of the record. Raises StatementUntrusted."""
    if digest(encoded) not in record.digests:
        raise StatementUntrusted("A disclosed field does not belong to the signed record.")
    return decode_disclosure(encoded)


def decode_disclosure(encoded: str) -> tuple[str, FieldValue]:
    """Return name and field of a disclosure, unchecked. Raises StatementUntrusted."""
    try:
        content = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        _, access, name, value = msgspec.json.decode(content, type=tuple[str, str, str, str])
        return name, FieldValue(value, Access(access))
    except (ValueError, msgspec.DecodeError):
        raise StatementUntrusted("A disclosed field is malformed.") from None


def digest(encoded: str) -> str:
    """Return the digest of a disclosure: base64url of SHA-256 over its encoded form."""
    return _base64(hashlib.sha256(encoded.encode("ascii", "replace")).digest())


class _RecordPayload(msgspec.Struct):
    """The payload of a record, for type checks."""

    id: str
    version: int
    fields: dict[str, str]
    sd: list[str] = msgspec.field(name="_sd")
    withdrawn: bool


def _require_valid(new: NewRecord, owner: Authority) -> None:
    """Raise RecordInvalid unless the record may be signed for the owner's prefix."""
    if not new.identifier.is_under(owner.prefix):
        raise RecordInvalid(
            f"`{new.identifier.text}` does not lie under the prefix `{owner.prefix.text}`.",
            param="id",
        )
    if not 1 <= new.version < _MAX_VERSION:
        raise RecordInvalid("`version` is a number from 1.", param="version")
    if not 0 <= new.ttl_s <= 7 * 86_400:
        raise RecordInvalid("`ttl` is 0 to 604800 seconds.", param="ttl")
    _require_valid_fields(new.fields)


def _require_valid_fields(fields: Mapping[str, FieldValue]) -> None:
    """Raise RecordInvalid for too many fields, or too long names or values."""
    if len(fields) > MAX_FIELDS:
        raise RecordInvalid(f"A record has at most {MAX_FIELDS} fields.", param="fields")
    for name, one in fields.items():
        if not 0 < len(name) <= _MAX_NAME or not name.isprintable():
            raise RecordInvalid(f"A field name has 1 to {_MAX_NAME} characters.", param="fields")
        if len(one.value) > MAX_VALUE:
            raise RecordInvalid(f"A value has at most {MAX_VALUE} characters.", param=name)


def _encode_disclosure(salt: bytes, name: str, one: FieldValue) -> str:
    """Return the encoded disclosure of a field."""
    content: Sequence[str] = [_base64(salt), one.access.value, name, one.value]
    return _base64(msgspec.json.encode(content))


def _base64(content: bytes) -> str:
    """Return base64url without padding."""
    return urlsafe_b64encode(content).rstrip(b"=").decode("ascii")
