"""Stored responses as rows: find, end, cancel, delete, claim for background work, clean up."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.process_reaper import ENDED_PROCESSES
from gateway.call.errors import ParameterInvalid
from gateway.responses.errors import ResponseNotFound
from gateway.tables import SavedResponse
from gateway.wire.responses.output import RESPONSE_PREFIX, ResponseStatus
from infra import ids
from infra.clock import Clock
from infra.work_queue import OwnedQueue, RetryPolicy

# All responses of an account that are stored.
MAX_STORED = 10_000
# Background responses of an account that have not ended: the rest must wait at the client.
MAX_OPEN = 100
_IDEMPOTENCY_KEY_LIFETIME = timedelta(hours=24)
_OPEN = (ResponseStatus.QUEUED.value, ResponseStatus.IN_PROGRESS.value)
# Background responses of all accounts.
QUEUE = OwnedQueue(
    table=SavedResponse,
    id=col(SavedResponse.id),
    attempts=col(SavedResponse.attempts),
    pending=col(SavedResponse.background) & col(SavedResponse.status).in_(_OPEN),
    order=(col(SavedResponse.id),),
    # 2 + 4 + … + 300 + 300 … seconds, about twenty minutes in all.
    retry=RetryPolicy(timedelta(seconds=2), timedelta(seconds=300), max_attempts=12),
    owner=col(SavedResponse.process_id),
    lost_owners=ENDED_PROCESSES,
    retry_at=col(SavedResponse.retry_at),
)


async def find_response(
    session: AsyncSession, clock: Clock, account_id: UUID, response_id: str
) -> SavedResponse:
    """Return one of the account's stored responses. Raises ResponseNotFound."""
    query = select(SavedResponse).where(
        col(SavedResponse.id) == ids.parse_id(RESPONSE_PREFIX, response_id),
        col(SavedResponse.account_id) == account_id,
        col(SavedResponse.expires_at) > clock.now(),
    )
    row = (await session.scalars(query)).one_or_none()
    if row is None:
        raise ResponseNotFound(
            f"The response {response_id[:60]!r} does not exist. Only responses with `store: true` "
            "are stored.",
            param="response_id",
        )
    return row


async def read_status(session: AsyncSession, account_id: UUID, response_id: UUID) -> str | None:
    """Return the status of one of the account's stored responses, None if it was deleted."""
    query = select(SavedResponse.status).where(
        col(SavedResponse.id) == response_id, col(SavedResponse.account_id) == account_id
    )
    return (await session.scalars(query)).one_or_none()


async def end_response(
    session: AsyncSession, account_id: UUID, response_id: UUID, values: dict[str, Any]
) -> bool:
    """Set the final `values` of an open response. Returns False if it was deleted or cancelled."""
    ended = await session.execute(
        update(SavedResponse)
        .where(
            col(SavedResponse.id) == response_id,
            col(SavedResponse.account_id) == account_id,
            col(SavedResponse.status).in_(_OPEN),
        )
        .values(process_id=None, request=None, **values)
        .returning(col(SavedResponse.id))
    )
    return ended.scalar_one_or_none() is not None


async def cancel_response(
    session: AsyncSession, clock: Clock, account_id: UUID, response_id: str
) -> SavedResponse:
    """Cancel a background response; one that has ended is unchanged.

    A call that was sent is finished and billed. Raises ResponseNotFound, ParameterInvalid.
    """
    row = await find_response(session, clock, account_id, response_id)
    await session.refresh(row, with_for_update=True)
    if not row.background:
        raise ParameterInvalid(
            "Only responses with `background: true` can be cancelled.", param="response_id"
        )
    if not ResponseStatus(row.status).is_final:
        row.status, row.process_id, row.request = ResponseStatus.CANCELLED, None, None
        await session.flush()
    return row


async def delete_response(
    session: AsyncSession, clock: Clock, account_id: UUID, response_id: str
) -> None:
    """Delete a response, also one that has not ended. Raises ResponseNotFound."""
    row = await find_response(session, clock, account_id, response_id)
    await session.execute(
        delete(SavedResponse).where(
            col(SavedResponse.id) == row.id, col(SavedResponse.account_id) == account_id
        )
    )


async def find_by_idempotency_key(
    session: AsyncSession, clock: Clock, account_id: UUID, key: str
) -> SavedResponse | None:
    """Return the background response that was created with a key; frees keys of older ones."""
    of_key = (
        col(SavedResponse.account_id) == account_id,
        col(SavedResponse.idempotency_key) == key,
    )
    expired = col(SavedResponse.created_at) <= clock.now() - _IDEMPOTENCY_KEY_LIFETIME
    await session.execute(
        update(SavedResponse).where(*of_key, expired).values(idempotency_key=None)
    )
    return (await session.scalars(select(SavedResponse).where(*of_key))).one_or_none()


async def count_stored(session: AsyncSession, account_id: UUID) -> int:
    """Return how many responses of an account are stored, at most MAX_STORED."""
    stored = select(col(SavedResponse.id)).where(col(SavedResponse.account_id) == account_id)
    query = select(func.count()).select_from(stored.limit(MAX_STORED).subquery())
    return (await session.scalars(query)).one()


async def count_open(session: AsyncSession, account_id: UUID) -> int:
    """Return how many background responses of an account have not ended."""
    query = select(func.count()).where(col(SavedResponse.account_id) == account_id, QUEUE.pending)
    return (await session.scalars(query)).one()


async def claim_next(
    session: AsyncSession, clock: Clock, process_id: UUID, running: frozenset[UUID]
) -> SavedResponse | None:
    """Claim the oldest due background response of a random account. Returns None without one.

    `running` are those that this process works on. Choosing the account at random keeps an account
    with many responses from delaying others.
    """
    now, is_free = clock.now(), col(SavedResponse.id).not_in(running)
    accounts = (
        select(col(SavedResponse.account_id))
        .where(QUEUE.claimable_condition(now, process_id), is_free)
        .group_by(col(SavedResponse.account_id))
    )
    account_id = (await session.scalars(accounts.order_by(func.random()).limit(1))).one_or_none()
    if account_id is None:
        return None
    of_account = col(SavedResponse.account_id) == account_id
    status = ResponseStatus.IN_PROGRESS.value
    return await QUEUE.claim(session, now, process_id, of_account, is_free, status=status)


async def lock_claimed(
    session: AsyncSession, row: SavedResponse, process_id: UUID
) -> SavedResponse | None:
    """Lock and return a claimed row; None if it was cancelled, deleted or is no longer held."""
    of_account = col(SavedResponse.account_id) == row.account_id
    return await QUEUE.lock_claimed(session, row.id, process_id, of_account)


async def delete_expired_responses(session: AsyncSession, now: datetime) -> None:
    """Delete what has expired, and fail streams of ended processes. Operates on all accounts."""
    await session.execute(delete(SavedResponse).where(col(SavedResponse.expires_at) <= now))
    await session.execute(
        update(SavedResponse)
        .where(
            ~col(SavedResponse.background),
            col(SavedResponse.status) == ResponseStatus.IN_PROGRESS.value,
            col(SavedResponse.process_id).in_(ENDED_PROCESSES),
        )
        .values(status=ResponseStatus.FAILED.value, process_id=None)
    )
