"""Create, list, rename, revoke and rotate API keys, each with an audit log entry.

Only an HMAC of a key is stored, keyed with the installation's secret (the pepper): no key can be
recovered from a copy of the database. gateway/access/key_format.py defines the format of a key.
"""

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.key_epoch import advance_epoch
from billing.tables import ApiKey
from gateway.access.key_format import API_KEY_PREFIX, generate_api_key
from gateway.access.key_limits import KEY_PREFIX, change_limits, read_limits
from gateway.access.key_scopes import change_scope, scope_of
from gateway.identity.audit_log import CLI_ACTOR, Actor, record_audit_event
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

PREFIX = KEY_PREFIX
_MAX_NAME_LENGTH = 100


class KeyNotFound(AppError):
    """The account has no such key."""

    status = 404
    type = "invalid_request_error"
    code = "key_not_found"


class KeyNotActive(AppError):
    """The key was revoked, has expired or was rotated already, so it cannot be rotated."""

    status = 409
    type = "invalid_request_error"
    code = "key_not_active"


class KeyAlreadyCreated(AppError):
    """A key with this id exists already: the same form was submitted twice."""

    status = 409
    type = "invalid_request_error"
    code = "key_made"


class KeyNameInvalid(AppError):
    """A key's name is empty, too long or not printable."""

    status = 400
    type = "invalid_request_error"
    code = "key_name_invalid"


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key that was just created. `secret` is shown once and stored nowhere."""

    secret: str
    row: ApiKey


@dataclass(frozen=True, slots=True)
class KeyOwner:
    """The project of a key and the service account that owns it.

    Without a project, the account's default project. Both must be of the key's account.
    """

    project_id: UUID | None = None
    service_account_id: UUID | None = None


ACCOUNT_OWNER = KeyOwner()


def hash_secret(secret: str, pepper: bytes) -> bytes:
    """Return the HMAC-SHA256 of a key, 32 bytes."""
    return hmac.digest(pepper, secret.encode(), "sha256")


async def create_key(
    session: AsyncSession,
    clock: Clock,
    pepper: bytes,
    account_id: UUID,
    name: str,
    *,
    actor: Actor = CLI_ACTOR,
    key_id: UUID | None = None,
    owner: KeyOwner = ACCOUNT_OWNER,
) -> IssuedKey:
    """Create an API key for an account. With `key_id`, a second call with that id is rejected.

    Raises KeyNameInvalid, KeyAlreadyCreated.
    """
    issued = _generate_key(clock, pepper, account_id, validate_name(name), owner, key_id)
    await _insert_key(session, issued.row)
    subject, details = ids.format_id(PREFIX, issued.row.id), {"name": issued.row.name}
    await record_audit_event(session, clock, actor, account_id, "key.created", subject, details)
    return issued


async def list_keys(session: AsyncSession, account_id: UUID) -> list[ApiKey]:
    """Return all keys of an account, revoked ones included, the oldest first."""
    query = select(ApiKey).where(col(ApiKey.account_id) == account_id).order_by(col(ApiKey.id))
    return list((await session.scalars(query)).all())


async def rename_key(
    session: AsyncSession, clock: Clock, actor: Actor, account_id: UUID, key_id: UUID, name: str
) -> None:
    """Rename a key; the same name again changes nothing. Raises KeyNotFound, KeyNameInvalid."""
    row, name = await lock_key(session, account_id, key_id), validate_name(name)
    if row.name == name:
        return
    details = {"from": row.name, "to": name}
    row.name = name
    await session.flush()
    await record_audit_event(
        session, clock, actor, account_id, "key.renamed", ids.format_id(PREFIX, key_id), details
    )


async def revoke_key(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    key_id: UUID,
    actor: Actor = CLI_ACTOR,
) -> ApiKey:
    """Revoke a key at once; revoking it again changes nothing. Raises KeyNotFound."""
    row = await lock_key(session, account_id, key_id)
    if row.revoked_at is None:
        row.revoked_at = clock.now()
        subject, details = ids.format_id(PREFIX, key_id), {"name": row.name}
        await record_audit_event(session, clock, actor, account_id, "key.revoked", subject, details)
    await advance_epoch(session, account_id)
    return row


async def rotate_key(
    session: AsyncSession,
    clock: Clock,
    pepper: bytes,
    account_id: UUID,
    key_id: UUID,
    overlap: timedelta,
    actor: Actor = CLI_ACTOR,
) -> IssuedKey:
    """Replace a key by one with equal limits and scope; the old one stays valid for `overlap`.

    Raises KeyNotFound, KeyNotActive.
    """
    row = await lock_key(session, account_id, key_id)
    await _require_rotatable(session, row, clock.now())
    expires_at = clock.now() + overlap
    row.expires_at = expires_at if row.expires_at is None else min(expires_at, row.expires_at)
    owner = KeyOwner(row.project_id, row.service_account_id)
    issued = _generate_key(clock, pepper, account_id, row.name, owner, replaces=row.id)
    await _insert_key(session, issued.row)
    limits = await read_limits(session, account_id, row.id)
    await change_limits(session, clock, actor, account_id, issued.row.id, limits)
    await change_scope(session, clock, actor, account_id, issued.row.id, scope_of(row))
    await advance_epoch(session, account_id)
    subject = ids.format_id(PREFIX, key_id)
    details = {
        "successor": ids.format_id(PREFIX, issued.row.id),
        "until": row.expires_at.isoformat(),
    }
    await record_audit_event(session, clock, actor, account_id, "key.rotated", subject, details)
    return issued


def validate_name(name: str) -> str:
    """Return a key's name without surrounding white space. Raises KeyNameInvalid."""
    stripped = name.strip()
    if not 0 < len(stripped) <= _MAX_NAME_LENGTH or not stripped.isprintable():
        message = f"A key's name must have 1 to {_MAX_NAME_LENGTH} printable characters."
        raise KeyNameInvalid(message, param="name")
    return stripped


async def require_key(session: AsyncSession, account_id: UUID, public_id: str) -> UUID:
    """Return the id of an account's key, parsed from its public id `key_…`. Raises KeyNotFound."""
    key_id = ids.parse_id(PREFIX, public_id)
    if key_id is None:
        raise KeyNotFound("This is not a key ID (key_…). Run `maas keys list` to see key IDs.")
    return (await lock_key(session, account_id, key_id)).id


async def lock_key(session: AsyncSession, account_id: UUID, key_id: UUID) -> ApiKey:
    """Return an account's key, locked for update. Raises KeyNotFound."""
    query = (
        select(ApiKey)
        .where(col(ApiKey.id) == key_id, col(ApiKey.account_id) == account_id)
        .with_for_update()
    )
    row = (await session.scalars(query)).one_or_none()
    if row is None:
        raise KeyNotFound("The account has no such API key.")
    return row


def _generate_key(
    clock: Clock,
    pepper: bytes,
    account_id: UUID,
    name: str,
    owner: KeyOwner,
    key_id: UUID | None = None,
    replaces: UUID | None = None,
) -> IssuedKey:
    """Generate a secret and its row, not stored yet; `replaces` is the id of a rotated key."""
    secret = generate_api_key()
    row = ApiKey(
        id=key_id or ids.new_id(),
        account_id=account_id,
        name=name,
        hint=f"{secret[: len(API_KEY_PREFIX) + 4]}…{secret[-4:]}",
        hash=hash_secret(secret, pepper),
        created_at=clock.now(),
        replaces=replaces,
        project_id=owner.project_id,
        service_account_id=owner.service_account_id,
    )
    return IssuedKey(secret, row)


async def _insert_key(session: AsyncSession, row: ApiKey) -> None:
    """Store a key's row. Raises KeyAlreadyCreated if the id exists."""
    inserted = await session.execute(
        insert(ApiKey)
        .values(row.model_dump())
        .on_conflict_do_nothing(index_elements=["id"])
        .returning(col(ApiKey.id))
    )
    if inserted.one_or_none() is None:
        raise KeyAlreadyCreated(
            "This key has already been created, and its secret was shown then. Create another key."
        )


async def _require_rotatable(session: AsyncSession, row: ApiKey, now: datetime) -> None:
    """Raise KeyNotActive if the key is revoked, expired or already replaced by a live key."""
    if row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now):
        raise KeyNotActive("The key is revoked or expired. Create a new key.")
    successor = select(ApiKey.id).where(
        col(ApiKey.account_id) == row.account_id,
        col(ApiKey.replaces) == row.id,
        col(ApiKey.revoked_at).is_(None),
    )
    if await session.scalar(successor.limit(1)) is not None:
        raise KeyNotActive("The key was rotated already. Rotate the key that replaced it.")
