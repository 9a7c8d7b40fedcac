"""Apply a change that was sent with an admin key at most once per Idempotency-Key.

As in idempotent.py, key, change and response are stored in one transaction: a concurrent duplicate
waits and gets the first response, and a failed change leaves its key unused. The response is
encrypted, because that of a new key contains its secret.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import delete, func, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.call.errors import IdempotencyKeyReused
from gateway.inference.idempotency import parse_idempotency_key, request_hash
from gateway.operations.idempotent import IdempotentResult
from gateway.tables import AdminAnswer
from infra.secrets.sealer import Sealer

_RETENTION = timedelta(hours=24)
_DELETE_OLD_SQL = text(
    "delete from admin_answer where (admin_key_id, idempotency_key) in (select admin_key_id, "
    "idempotency_key from admin_answer where expires_at < now() limit 100 for update skip locked)"
)


@dataclass(frozen=True, slots=True)
class AdminChange:
    """A requested change: admin key, method and path, request body and Idempotency-Key, if any."""

    admin_key_id: UUID
    operation: str
    body: bytes
    key: str | None


async def run_admin_change(
    session: AsyncSession,
    sealer: Sealer,
    request: AdminChange,
    change: Callable[[AsyncSession], Awaitable[dict[str, Any]]],
) -> IdempotentResult:
    """Apply the change, or replay the response of the key's first request.

    Raises IdempotencyKeyInvalid, IdempotencyKeyReused and the errors of `change`.
    """
    if request.key is None:
        return IdempotentResult(msgspec.json.encode(await change(session)))
    key = parse_idempotency_key(request.key)
    digest = request_hash(request.operation, request.body)
    stored = await _claim(session, request.admin_key_id, key, digest)
    purpose = f"admin answer {request.admin_key_id.hex} {key}"
    if stored is not None:
        if stored.request_hash != digest or stored.body is None:
            raise IdempotencyKeyReused(
                "This Idempotency-Key was used for another request. Use a new key.",
                param="Idempotency-Key",
            )
        return IdempotentResult(sealer.open_bytes(stored.body, purpose), is_replayed=True)
    response = msgspec.json.encode(await change(session))
    await session.execute(
        update(AdminAnswer)
        .where(*_is(request.admin_key_id, key))
        .values(body=sealer.seal_bytes(response, purpose))
    )
    return IdempotentResult(response)


async def _claim(
    session: AsyncSession, admin_key_id: UUID, key: str, digest: bytes
) -> AdminAnswer | None:
    """Claim an Idempotency-Key. Returns None if claimed, else the row of its first request."""
    expired = col(AdminAnswer.expires_at) < func.now()
    await session.execute(delete(AdminAnswer).where(*_is(admin_key_id, key), expired))
    await session.execute(_DELETE_OLD_SQL)
    inserted = await session.execute(
        insert(AdminAnswer)
        .values(
            admin_key_id=admin_key_id,
            idempotency_key=key,
            request_hash=digest,
            expires_at=func.now() + _RETENTION,
        )
        .on_conflict_do_nothing()
        .returning(col(AdminAnswer.idempotency_key))
    )
    if inserted.scalar_one_or_none() is not None:
        return None
    query = select(AdminAnswer).where(*_is(admin_key_id, key))
    return (await session.scalars(query)).one()


def _is(admin_key_id: UUID, key: str) -> tuple[Any, Any]:
    """Return the SQL conditions for the row of an admin key and an Idempotency-Key."""
    return col(AdminAnswer.admin_key_id) == admin_key_id, col(AdminAnswer.idempotency_key) == key
