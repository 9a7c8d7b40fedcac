"""Create, list and revoke admin keys of the platform and of accounts, each audited.

As of API keys, only an HMAC of a key is stored. `account_id` None means the platform in all
functions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.access.admin_errors import AdminKeyInvalid, AdminKeyNotFound
from gateway.access.admin_scopes import parse_admin_scopes
from gateway.access.api_keys import KeyAlreadyCreated, hash_secret, validate_name
from gateway.access.key_format import ADMIN_KEY_PREFIX, generate_api_key
from gateway.access.key_scopes import parse_scope
from gateway.identity.audit_log import Actor, record_audit_event
from gateway.tables import AdminKey
from infra import ids
from infra.clock import Clock

ADMIN_KEY_ID_PREFIX = "admk"
_MAX_LIFETIME = timedelta(days=3660)
_MAX_ACTIVE = 100
_SHOWN_CHARACTERS = len(ADMIN_KEY_PREFIX) + 4


@dataclass(frozen=True, slots=True)
class NewAdminKey:
    """A requested admin key. `scopes` are of a platform key; `networks` is text, empty for all.

    Without `lifetime` the key does not expire. A second key with the same `id` is rejected.
    """

    name: str
    scopes: tuple[str, ...] = ()
    networks: str = ""
    lifetime: timedelta | None = None
    id: UUID | None = None


@dataclass(frozen=True, slots=True)
class IssuedAdminKey:
    """An admin key that was just created. `secret` is shown once and stored nowhere."""

    secret: str
    row: AdminKey


async def create_admin_key(
    session: AsyncSession,
    clock: Clock,
    pepper: bytes,
    actor: Actor,
    account_id: UUID | None,
    new: NewAdminKey,
) -> IssuedAdminKey:
    """Create an admin key of the platform (`account_id` None) or of an account.

    Raises KeyNameInvalid, AdminScopeInvalid, NetworksUnreadable, AdminKeyInvalid, and
    KeyAlreadyCreated for a repeated id.
    """
    name, scope = validate_name(new.name), parse_scope((), new.networks)
    scopes = parse_admin_scopes(new.scopes) if account_id is None else None
    if new.lifetime is not None and not timedelta() < new.lifetime <= _MAX_LIFETIME:
        raise AdminKeyInvalid("An admin key's lifetime must be up to 10 years.", param="expires_in")
    if await _count_active(session, clock, account_id) >= _MAX_ACTIVE:
        raise AdminKeyInvalid(f"There are {_MAX_ACTIVE} active admin keys. Revoke some first.")
    if new.id is not None and await session.get(AdminKey, new.id) is not None:
        raise KeyAlreadyCreated("This admin key has already been created. Create another key.")
    secret, now = generate_api_key(ADMIN_KEY_PREFIX), clock.now()
    row = AdminKey(
        id=new.id or ids.new_id(),
        account_id=account_id,
        name=name,
        hint=f"{secret[:_SHOWN_CHARACTERS]}…{secret[-4:]}",
        hash=hash_secret(secret, pepper),
        scopes=scopes,
        networks=scope.networks,
        made_by=actor.person_id,
        created_at=now,
        expires_at=None if new.lifetime is None else now + new.lifetime,
    )
    session.add(row)
    await session.flush()
    details = {"name": name, "scopes": scopes, "networks": row.networks}
    await _record(session, clock, actor, row, "admin_key.created", details)
    return IssuedAdminKey(secret, row)


async def list_admin_keys(session: AsyncSession, account_id: UUID | None) -> list[AdminKey]:
    """Return all admin keys, revoked and expired ones included, the oldest first."""
    query = select(AdminKey).where(_is_of(account_id)).order_by(col(AdminKey.id))
    return list((await session.scalars(query)).all())


async def get_admin_key(session: AsyncSession, account_id: UUID | None, public_id: str) -> AdminKey:
    """Return an admin key by its public id `admk_…`, locked. Raises AdminKeyNotFound."""
    key_id = ids.parse_id(ADMIN_KEY_ID_PREFIX, public_id)
    query = select(AdminKey).where(_is_of(account_id), col(AdminKey.id) == key_id)
    row = (await session.scalars(query.with_for_update())).one_or_none()
    if row is None:
        raise AdminKeyNotFound(f"Admin key not found: {public_id[:60]!r}.", param="key")
    return row


async def revoke_admin_key(
    session: AsyncSession, clock: Clock, actor: Actor, account_id: UUID | None, public_id: str
) -> AdminKey:
    """Revoke an admin key at once; revoking it again changes nothing. Raises AdminKeyNotFound."""
    row = await get_admin_key(session, account_id, public_id)
    if row.revoked_at is None:
        row.revoked_at = clock.now()
        await session.flush()
        await _record(session, clock, actor, row, "admin_key.revoked", {"name": row.name})
    return row


def is_active(row: AdminKey, clock: Clock) -> bool:
    """Whether the key is neither revoked nor expired."""
    return row.revoked_at is None and (row.expires_at is None or row.expires_at > clock.now())


async def _count_active(session: AsyncSession, clock: Clock, account_id: UUID | None) -> int:
    """Return how many usable admin keys there are."""
    return sum(is_active(row, clock) for row in await list_admin_keys(session, account_id))


def _is_of(account_id: UUID | None) -> ColumnElement[bool]:
    """Return the SQL condition for the keys of an account, or of the platform if None."""
    owner = col(AdminKey.account_id)
    return owner.is_(None) if account_id is None else owner == account_id


async def _record(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    row: AdminKey,
    action: str,
    details: Mapping[str, object],
) -> None:
    """Record a change of an admin key in the audit log of its account or of the platform."""
    subject = ids.format_id(ADMIN_KEY_ID_PREFIX, row.id)
    shown = {name: value for name, value in details.items() if value is not None}
    await record_audit_event(session, clock, actor, row.account_id, action, subject, shown)
