"""Delegations and revocations: which key may sign for a prefix, as signed by the parent's key."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from gateway.plant.identifiers.errors import IdentifierInvalid, StatementUntrusted
from gateway.plant.identifiers.keys import Key, load_key
from gateway.plant.identifiers.prefixes import Prefix, parse_prefix
from gateway.plant.identifiers.statements import StatementType, sign, verify

MAX_URL = 300
MAX_TTL_S = 7 * 86_400
_URL = re.compile(r"[!-~]+")  # printable ASCII without spaces: the address becomes a request line
_CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Authority:
    """A prefix, the key that signs for it and the address of its node (empty for this node)."""

    prefix: Prefix
    key: Key
    node: str = ""


@dataclass(frozen=True, slots=True)
class Delegation:
    """A verified delegation. `ttl_s` is how long others may cache it."""

    authority: Authority
    issued_at: datetime
    expires_at: datetime
    ttl_s: int
    token: str


@dataclass(frozen=True, slots=True)
class DelegationTerms:
    """How long a delegation holds and may be cached."""

    valid_for: timedelta = timedelta(days=365)
    ttl_s: int = 300


def issue_delegation(
    parent: Authority, child: Authority, now: datetime, terms: DelegationTerms
) -> Delegation:
    """Sign a delegation of a prefix below the parent's.

    Raises IdentifierInvalid if the child's prefix does not lie below the parent's or its node has
    no usable address.
    """
    _require_below(parent.prefix, child.prefix)
    require_node_url(child.node)
    expires_at = now + terms.valid_for
    payload = {
        "prefix": child.prefix.text,
        "key": child.key.public(),
        "node": child.node,
        "iat": int(now.timestamp()),
        "exp": int(expires_at.timestamp()),
        "ttl": terms.ttl_s,
    }
    token = sign(StatementType.DELEGATION, payload, parent.key)
    return Delegation(child, now, expires_at, terms.ttl_s, token)


def verify_delegation(token: str, parent: Authority, now: datetime) -> Delegation:
    """Return a delegation signed by the parent. Raises StatementUntrusted.

    Refused are prefixes outside the parent's, expired delegations and unusable addresses.
    """
    delegation = read_delegation(token, parent)
    require_current(delegation, now)
    return delegation


def require_current(delegation: Delegation, now: datetime) -> None:
    """Raise StatementUntrusted unless a delegation is valid at a time."""
    if not delegation.issued_at - _CLOCK_SKEW <= now < delegation.expires_at:
        prefix = delegation.authority.prefix.text
        raise StatementUntrusted(f"The delegation of `{prefix}` is not valid now.")


def read_delegation(token: str, parent: Authority) -> Delegation:
    """Return a delegation signed by the parent, valid now or not. Raises StatementUntrusted.

    The result depends on the arguments only, so that it can be cached by them.
    """
    payload = verify(StatementType.DELEGATION, token, parent.key)
    try:
        prefix = parse_prefix(_text(payload, "prefix"))
        _require_below(parent.prefix, prefix)
        node = require_node_url(_text(payload, "node"))
    except IdentifierInvalid as error:
        raise StatementUntrusted(f"A delegation is not acceptable: {error.message}") from None
    issued_at, expires_at = moment(payload, "iat"), moment(payload, "exp")
    jwk = payload.get("key")
    key = load_key(jwk if isinstance(jwk, dict) else {})
    ttl_s = bounded_ttl(payload)
    return Delegation(Authority(prefix, key, node), issued_at, expires_at, ttl_s, token)


def issue_revocation(parent: Authority, kid: str, prefix: Prefix, now: datetime) -> str:
    """Sign the revocation of a key to which the parent had delegated a prefix."""
    payload = {"kid": kid, "prefix": prefix.text, "iat": int(now.timestamp())}
    return sign(StatementType.REVOCATION, payload, parent.key)


def verify_revocation(token: str, parent: Authority) -> str:
    """Return the thumbprint of the key that the parent revoked. Raises StatementUntrusted."""
    payload = verify(StatementType.REVOCATION, token, parent.key)
    prefix = parse_prefix(_text(payload, "prefix"))
    if not parent.prefix.contains(prefix):
        raise StatementUntrusted("A revocation names a prefix outside its issuer's.")
    return _text(payload, "kid")


def require_node_url(text: str) -> str:
    """Return the address of a node. Raises IdentifierInvalid."""
    try:
        parts = urlsplit(text)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_is_valid = urlsplit(""), False
    plain = not (parts.query or parts.fragment or parts.username) and _URL.fullmatch(text)
    if len(text) > MAX_URL or parts.scheme not in ("http", "https") or not parts.hostname:
        port_is_valid = False
    if not (plain and port_is_valid):
        raise IdentifierInvalid("A node's address is an http or https URL.", param="node")
    return text.rstrip("/")


def bounded_ttl(payload: Mapping[str, Any]) -> int:
    """Return the statement's time to live in seconds, between 0 and a week."""
    ttl_s = payload.get("ttl")
    if not isinstance(ttl_s, int) or isinstance(ttl_s, bool) or ttl_s < 0:
        raise StatementUntrusted("The statement has no valid `ttl`.")
    return min(ttl_s, MAX_TTL_S)


def moment(payload: Mapping[str, Any], name: str) -> datetime:
    """Return a time of a statement in UTC. Raises StatementUntrusted."""
    value = payload.get(name)
    if not isinstance(value, int) or not 0 <= value < 1 << 36:
        raise StatementUntrusted(f"The statement has no valid `{name}`.")
    return EPOCH + timedelta(seconds=value)


EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def _require_below(parent: Prefix, child: Prefix) -> None:
    """Raise IdentifierInvalid unless the child's prefix is strictly below the parent's."""
    if child == parent or not parent.contains(child):
        raise IdentifierInvalid(
            f"`{child.text}` does not lie below `{parent.text}`.", param="prefix"
        )


def _text(payload: Mapping[str, Any], name: str) -> str:
    """Return a text of a statement. Raises StatementUntrusted."""
    value = payload.get(name)
    if not isinstance(value, str):
        raise StatementUntrusted(f"The statement has no valid `{name}`.")
    return value
