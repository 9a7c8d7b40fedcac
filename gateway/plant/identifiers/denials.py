"""Denials and access tokens: signed statements with a short life.

A denial says that an identifier has no record, or a prefix no delegation. It is signed, so that a
node cannot make others cache that an identifier of another owner does not exist.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.plant.identifiers.codes import Identifier
from gateway.plant.identifiers.delegations import Authority, bounded_ttl, moment
from gateway.plant.identifiers.errors import StatementUntrusted
from gateway.plant.identifiers.prefixes import Prefix
from gateway.plant.identifiers.records import Access
from gateway.plant.identifiers.statements import StatementType, sign, verify

MAX_NEGATIVE_TTL_S = 300
_MAX_AGE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Denial:
    """A verified denial and how long it may be cached, in seconds."""

    identifier: Identifier
    ttl_s: int
    token: str


def issue_denial(identifier: Identifier, owner: Authority, now: datetime, ttl_s: int) -> str:
    """Sign that an identifier under the owner's prefix has neither record nor delegation."""
    payload = {"id": identifier.text, "iat": int(now.timestamp()), "ttl": ttl_s}
    return sign(StatementType.DENIAL, payload, owner.key)


def verify_denial(token: str, identifier: Identifier, owner: Authority, now: datetime) -> Denial:
    """Return a fresh denial of the identifier by the owner. Raises StatementUntrusted."""
    payload = verify(StatementType.DENIAL, token, owner.key)
    if payload.get("id") != identifier.text or not identifier.is_under(owner.prefix):
        raise StatementUntrusted("A denial is of another identifier.")
    if abs(now - moment(payload, "iat")) > _MAX_AGE:
        raise StatementUntrusted("A denial is too old.")
    return Denial(identifier, min(bounded_ttl(payload), MAX_NEGATIVE_TTL_S), token)


def issue_access_token(
    owner: Authority, access: Access, holder: str, expires_at: datetime, now: datetime
) -> str:
    """Sign that the holder may read partner or owner fields of the owner's records."""
    payload = {
        "prefix": owner.prefix.text,
        "access": access.value,
        "sub": holder,
        "iat": int(now.timestamp()),
        "exp": int(expires_at.timestamp()),
    }
    return sign(StatementType.ACCESS, payload, owner.key)


def verify_access_token(token: str, owner: Authority, now: datetime) -> Access:
    """Return the access that a token proves for the owner's prefix. Raises StatementUntrusted."""
    payload = verify(StatementType.ACCESS, token, owner.key)
    if Prefix(str(payload.get("prefix"))) != owner.prefix or moment(payload, "exp") <= now:
        raise StatementUntrusted("The access token has expired or is for another prefix.")
    try:
        return Access(str(payload.get("access")))
    except ValueError:
        raise StatementUntrusted("The access token names no access.") from None
