"""Proof of access to restricted fields: API keys of the node, or tokens that the owner signed."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.access.key_format import generate_api_key, is_well_formed
from gateway.plant.identifiers.delegations import Authority
from gateway.plant.identifiers.denials import verify_access_token
from gateway.plant.identifiers.errors import StatementUntrusted
from gateway.plant.identifiers.prefixes import Prefix
from gateway.plant.identifiers.records import Access
from gateway.tables import NodeAccessKey
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

KEY_PREFIX = "maas_node_"


class AccessDenied(AppError):
    """The key or token is unknown, revoked, expired, or for another prefix."""

    status = 401
    type = "invalid_request_error"
    code = "identifier_access_denied"


async def create_access_key(
    session: AsyncSession,
    clock: Clock,
    prefix: Prefix,
    access: Access,
    label: str,
    account_id: UUID | None = None,
) -> str:
    """Create a key for the restricted fields of a prefix and return it; it is stored as a hash."""
    secret = generate_api_key(KEY_PREFIX)
    session.add(
        NodeAccessKey(
            id=ids.new_id(),
            prefix=prefix.text,
            account_id=account_id,
            digest=_digest(secret),
            access=access.value,
            label=label,
            created_at=clock.now(),
        )
    )
    await session.flush()
    return secret


async def revoke_access_keys(
    session: AsyncSession, clock: Clock, prefix: Prefix, label: str
) -> int:
    """Revoke the active keys of a prefix with this label. Returns how many there were."""
    query = select(NodeAccessKey).where(
        col(NodeAccessKey.prefix) == prefix.text,
        col(NodeAccessKey.label) == label,
        col(NodeAccessKey.revoked_at).is_(None),
    )
    rows = (await session.scalars(query)).all()
    for row in rows:
        row.revoked_at = clock.now()
    return len(rows)


async def prove_access(
    session: AsyncSession, authorization: str, owner: Authority, now: datetime
) -> Access:
    """Return the access that an `Authorization` header proves for the owner's prefix.

    Raises AccessDenied.
    """
    scheme, _, secret = authorization.partition(" ")
    if scheme.lower() != "bearer" or not secret:
        raise AccessDenied("Use `Authorization: Bearer` with a key or token.")
    if is_well_formed(secret, KEY_PREFIX):
        return await _access_of_key(session, secret, owner.prefix)
    try:
        return verify_access_token(secret, owner, now)
    except StatementUntrusted as error:
        raise AccessDenied(error.message) from None


async def is_owner(
    session: AsyncSession, authorization: str, owner: Authority, now: datetime
) -> bool:
    """Return whether an `Authorization` header proves owner access to a prefix."""
    try:
        return await prove_access(session, authorization, owner, now) is Access.OWNER
    except AccessDenied:
        return False


async def _access_of_key(session: AsyncSession, secret: str, prefix: Prefix) -> Access:
    """Return the access of an API key of the node. Raises AccessDenied."""
    query = select(NodeAccessKey).where(
        col(NodeAccessKey.digest) == _digest(secret), col(NodeAccessKey.revoked_at).is_(None)
    )
    rows: Sequence[NodeAccessKey] = (await session.scalars(query)).all()
    for row in rows:
        if row.prefix == prefix.text:
            return Access(row.access)
    raise AccessDenied("The key is unknown, revoked, or for another prefix.")


def _digest(secret: str) -> bytes:
    """Return the hash of a key. Keys have 190 random bits, so that a plain hash suffices."""
    return hashlib.sha256(secret.encode()).digest()
