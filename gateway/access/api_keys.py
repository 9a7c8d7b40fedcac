"""API keys: their rows.

Stored is only a hash keyed with the installation's secret: neither a copy of the table nor of the
code gives a key. The form of a key is in gateway/access/key_format.py.

Owns making, listing, renaming, revoking and rotating, each with its entry in the audit log.
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
from gateway.access.key_format import HEAD, make_secret
from gateway.access.key_limits import KEY_PREFIX, change_limits, read_limits
from gateway.access.key_scopes import change_scope, scope_of
from gateway.identity.audit_log import COMMAND_LINE, Actor, record
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

PREFIX = KEY_PREFIX
_LONGEST_NAME = 100


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


class KeyMade(AppError):
    """A key of this id was made before: the same form was sent twice."""

    status = 409
    type = "invalid_request_error"
    code = "key_made"


class KeyNameInvalid(AppError):
    """A name that says nothing, or too much."""

    status = 400
    type = "invalid_request_error"
    code = "key_name_invalid"


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key just made. `secret` is shown once and is nowhere else."""

    secret: str
    row: ApiKey


def hash_secret(secret: str, pepper: bytes) -> bytes:
    """HMAC-SHA256 of the key, 32 bytes."""
    return hmac.digest(pepper, secret.encode(), "sha256")


async def create_key(
    session: AsyncSession,
    clock: Clock,
    pepper: bytes,
    account_id: UUID,
    name: str,
    *,
    by: Actor = COMMAND_LINE,
    key_id: UUID | None = None,
) -> IssuedKey:
    """Make a key for an account; with an id of the caller's choice, once.

    Raises KeyNameInvalid, KeyMade.
    """
    issued = _fresh(clock, pepper, account_id, require_name(name), key_id)
    await _insert_key(session, issued.row)
    subject, details = ids.show(PREFIX, issued.row.id), {"name": issued.row.name}
    await record(session, clock, by, account_id, "key.created", subject, details)
    return issued


async def list_keys(session: AsyncSession, account_id: UUID) -> list[ApiKey]:
    """An account's keys, the oldest first, the revoked ones too."""
    query = select(ApiKey).where(col(ApiKey.account_id) == account_id).order_by(col(ApiKey.id))
    return list((await session.scalars(query)).all())


async def rename_key(
    session: AsyncSession, clock: Clock, by: Actor, account_id: UUID, key_id: UUID, name: str
) -> None:
    """The same name again changes nothing. Raises KeyNotFound, KeyNameInvalid."""
    row, name = await _own_key(session, account_id, key_id), require_name(name)
    if row.name == name:
        return
    details = {"from": row.name, "to": name}
    row.name = name
    await session.flush()
    await record(session, clock, by, account_id, "key.renamed", ids.show(PREFIX, key_id), details)


async def revoke_key(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    key_id: UUID,
    by: Actor = COMMAND_LINE,
) -> ApiKey:
    """Revoke at once; doing it twice changes nothing. Raises KeyNotFound."""
    row = await _own_key(session, account_id, key_id)
    if row.revoked_at is None:
        row.revoked_at = clock.now()
        subject, details = ids.show(PREFIX, key_id), {"name": row.name}
        await record(session, clock, by, account_id, "key.revoked", subject, details)
    await advance_epoch(session, account_id)
    return row


async def rotate_key(
    session: AsyncSession,
    clock: Clock,
    pepper: bytes,
    account_id: UUID,
    key_id: UUID,
    overlap: timedelta,
    by: Actor = COMMAND_LINE,
) -> IssuedKey:
    """Make a successor under the same limits and scope; the old key works for `overlap` longer.

    Raises KeyNotFound, KeyNotActive.
    """
    row = await _own_key(session, account_id, key_id)
    await _require_rotatable(session, row, clock.now())
    ends = clock.now() + overlap
    row.expires_at = ends if row.expires_at is None else min(ends, row.expires_at)
    issued = _fresh(clock, pepper, account_id, row.name, replaces=row.id)
    await _insert_key(session, issued.row)
    limits = await read_limits(session, account_id, row.id)
    await change_limits(session, clock, by, account_id, issued.row.id, limits)
    await change_scope(session, clock, by, account_id, issued.row.id, scope_of(row))
    await advance_epoch(session, account_id)
    subject = ids.show(PREFIX, key_id)
    details = {"successor": ids.show(PREFIX, issued.row.id), "until": row.expires_at.isoformat()}
    await record(session, clock, by, account_id, "key.rotated", subject, details)
    return issued


def require_name(name: str) -> str:
    """The name as it is kept. Raises KeyNameInvalid."""
    plain = name.strip()
    if not 0 < len(plain) <= _LONGEST_NAME or not plain.isprintable():
        message = f"A key's name is 1 to {_LONGEST_NAME} printable characters."
        raise KeyNameInvalid(message, param="name")
    return plain


async def require_key(session: AsyncSession, account_id: UUID, text: str) -> UUID:
    """The id of one of the account's keys, from `key_…`. Raises KeyNotFound."""
    key_id = ids.parse(PREFIX, text)
    if key_id is None:
        raise KeyNotFound("A key's id begins with `key_`; `maas keys list` shows it.")
    return (await _own_key(session, account_id, key_id)).id


async def _own_key(session: AsyncSession, account_id: UUID, key_id: UUID) -> ApiKey:
    query = (
        select(ApiKey)
        .where(col(ApiKey.id) == key_id, col(ApiKey.account_id) == account_id)
        .with_for_update()
    )
    row = (await session.scalars(query)).one_or_none()
    if row is None:
        raise KeyNotFound("This account has no such key.")
    return row


def _fresh(
    clock: Clock,
    pepper: bytes,
    account_id: UUID,
    name: str,
    key_id: UUID | None = None,
    replaces: UUID | None = None,
) -> IssuedKey:
    secret = make_secret()
    row = ApiKey(
        id=key_id or ids.new_id(),
        account_id=account_id,
        name=name,
        hint=f"{secret[: len(HEAD) + 4]}…{secret[-4:]}",
        hash=hash_secret(secret, pepper),
        created_at=clock.now(),
        replaces=replaces,
    )
    return IssuedKey(secret, row)


async def _insert_key(session: AsyncSession, row: ApiKey) -> None:
    made = await session.execute(
        insert(ApiKey)
        .values(row.model_dump())
        .on_conflict_do_nothing(index_elements=["id"])
        .returning(col(ApiKey.id))
    )
    if made.one_or_none() is None:
        raise KeyMade("This key was made already. Its secret was shown then.")


async def _require_rotatable(session: AsyncSession, row: ApiKey, now: datetime) -> None:
    if row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now):
        raise KeyNotActive("This key works no more; create a new one instead.")
    successor = select(ApiKey.id).where(
        col(ApiKey.account_id) == row.account_id,
        col(ApiKey.replaces) == row.id,
        col(ApiKey.revoked_at).is_(None),
    )
    if await session.scalar(successor.limit(1)) is not None:
        raise KeyNotActive("This key was rotated already; rotate its successor instead.")
