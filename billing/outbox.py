"""Transactional outbox: calls to external systems, enqueued in the transaction that decides them.

All outbound calls go through it. An item runs once per business key; after a lost response it is
retried with the same key as idempotency key. Items of one subject run in order, different subjects
concurrently. No transaction is open while an item runs.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from billing.tables import OutboxItem
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.work_queue import LeasedQueue, RetryPolicy

_CONCURRENCY = 4
_QUEUE = LeasedQueue(
    table=OutboxItem,
    id=col(OutboxItem.id),
    attempts=col(OutboxItem.attempts),
    pending=col(OutboxItem.done_at).is_(None) & col(OutboxItem.given_up_at).is_(None),
    order=(col(OutboxItem.due_at), col(OutboxItem.id)),
    retry=RetryPolicy(
        first_delay=timedelta(seconds=10), max_delay=timedelta(hours=1), max_age=timedelta(days=3)
    ),
    due_at=col(OutboxItem.due_at),
    lease=timedelta(minutes=5),
)
_EARLIER = aliased(OutboxItem)
_IS_FIRST_OF_SUBJECT = ~(
    select(col(_EARLIER.id))
    .where(
        col(_EARLIER.subject) == col(OutboxItem.subject),
        col(_EARLIER.id) < col(OutboxItem.id),
        col(_EARLIER.done_at).is_(None),
        col(_EARLIER.given_up_at).is_(None),
    )
    .exists()
)


class RetryLater(Exception):
    """The external system did not answer or asked to retry later."""


class PermanentFailure(Exception):
    """The external system rejected the request; a retry would not help."""


@dataclass(frozen=True, slots=True)
class ClaimedItem:
    """An outbox item claimed for handling; `attempts` includes the current attempt."""

    id: UUID
    account: UUID | None
    action: str
    subject: str
    business_key: str
    payload: Mapping[str, Any]
    attempts: int
    created_at: datetime

    @property
    def account_id(self) -> UUID:
        """The item's account. Raises PermanentFailure if it has none."""
        if self.account is None:
            raise PermanentFailure("The outbox item has no account.")
        return self.account


Handler = Callable[[ClaimedItem], Awaitable[None]]


async def enqueue(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID | None,
    action: str,
    subject: str,
    business_key: str,
    payload: Mapping[str, Any],
) -> None:
    """Enqueue an item, handled in order within its subject; a repeated key has no effect.

    `account_id` is None for messages to platform staff.
    """
    now = clock.now()
    await session.execute(
        insert(OutboxItem)
        .values(
            id=ids.new_id(),
            account_id=account_id,
            action=action,
            subject=subject,
            business_key=business_key,
            payload=dict(payload),
            created_at=now,
            due_at=now,
            attempts=0,
        )
        .on_conflict_do_nothing(index_elements=["business_key"])
    )


async def process_due_items(
    database: Database, clock: Clock, handlers: Mapping[str, Handler]
) -> int:
    """Handle all due items whose action is in `handlers`. Returns how many were completed.

    Concurrent lanes are started only while items are found, so a run without due items makes one
    query.
    """
    return await _run_lanes(database, clock, handlers, _CONCURRENCY)


async def _run_lanes(
    database: Database, clock: Clock, handlers: Mapping[str, Handler], concurrency: int
) -> int:
    """Handle due items in up to `concurrency` concurrent tasks; return the number completed."""
    first = await _claim_item(database, clock, list(handlers))
    if first is None:
        return 0

    async def handle_items(item: ClaimedItem | None) -> int:
        """Handle this item and further due ones in turn; return the number completed."""
        done = 0
        while item is not None:
            done += await _handle_item(database, clock, handlers[item.action], item)
            item = await _claim_item(database, clock, list(handlers))
        return done

    lanes = [handle_items(first)]
    if concurrency > 1:
        lanes.append(_run_lanes(database, clock, handlers, concurrency - 1))
    results = await asyncio.gather(*lanes, return_exceptions=True)
    errors = [result for result in results if isinstance(result, BaseException)]
    if errors:
        raise errors[0]
    return sum(result for result in results if isinstance(result, int))


async def retry_item(session: AsyncSession, clock: Clock, item_id: UUID) -> None:
    """Queue a failed item again, for operators; later items of its subject that run now end first.

    Its attempt count is kept: from the second attempt on, handlers first look for the result of
    earlier attempts.
    """
    now = clock.now()
    due_at = await _end_of_later_leases(session, item_id, now)
    await session.execute(
        update(OutboxItem)
        .where(col(OutboxItem.id) == item_id, col(OutboxItem.done_at).is_(None))
        .values(given_up_at=None, due_at=due_at, created_at=now)
    )


async def _end_of_later_leases(session: AsyncSession, item_id: UUID, now: datetime) -> datetime:
    """Return when the later items of the same subject that may be handled now are done, else now.

    A later item that is handled beside an earlier one misses its effect. A claim and the delay
    after a failed attempt look the same, so the longest wait is one lease. All later items are
    locked: a claim that is not yet committed is waited for, and none is made until the end of the
    transaction.
    """
    retried = aliased(OutboxItem)
    later = await session.execute(
        select(col(OutboxItem.attempts), col(OutboxItem.due_at))
        .join(retried, col(retried.subject) == col(OutboxItem.subject))
        .where(col(retried.id) == item_id, col(OutboxItem.id) > item_id, _QUEUE.pending)
        .with_for_update(of=OutboxItem)
    )
    ends = [due_at for attempts, due_at in later if attempts > 0 and due_at > now]
    return min(max(ends, default=now), now + _QUEUE.lease)


async def repeat_later_items(
    session: AsyncSession, clock: Clock, item: ClaimedItem, actions: Collection[str]
) -> None:
    """Queue again what was done after an item of the same subject and account, for `actions`.

    For an item that was given up and retried: the later ones ran without its effect.
    """
    now = clock.now()
    await session.execute(
        update(OutboxItem)
        .where(
            col(OutboxItem.account_id) == item.account_id,
            col(OutboxItem.subject) == item.subject,
            col(OutboxItem.id) > item.id,
            col(OutboxItem.action).in_(actions),
            col(OutboxItem.done_at).is_not(None),
        )
        .values(done_at=None, due_at=now, created_at=now)
    )


async def _claim_item(database: Database, clock: Clock, actions: list[str]) -> ClaimedItem | None:
    """Claim the item due for longest among the first pending items of each subject.

    One per call, because the lease of a second item would run while the first is being handled.
    """
    async with database.transaction() as session:
        row = await _QUEUE.claim(
            session, clock.now(), col(OutboxItem.action).in_(actions), _IS_FIRST_OF_SUBJECT
        )
    return None if row is None else _to_claimed_item(row)


def _to_claimed_item(row: OutboxItem) -> ClaimedItem:
    """Convert an outbox row to the item that handlers receive."""
    return ClaimedItem(
        id=row.id,
        account=row.account_id,
        action=row.action,
        subject=row.subject,
        business_key=row.business_key,
        payload=row.payload,
        attempts=row.attempts,
        created_at=row.created_at,
    )


async def _handle_item(
    database: Database, clock: Clock, handler: Handler, item: ClaimedItem
) -> bool:
    """Run the handler and record the outcome; return whether the item is completed."""
    try:
        await handler(item)
    except PermanentFailure as error:
        await _record_failure(database, clock, item, str(error), given_up=True)
        return False
    except Exception as error:
        # Any error: other items continue, and the reason is stored for operators.
        if not isinstance(error, RetryLater):
            structlog.get_logger().exception("an outbox item failed", action=item.action)
        age = clock.now() - item.created_at
        given_up = _QUEUE.retry.gives_up_after(item.attempts, age)
        await _record_failure(database, clock, item, str(error) or type(error).__name__, given_up)
        return False
    async with database.transaction() as session:
        await _QUEUE.finish(session, item.id, done_at=clock.now(), last_error=None)
    return True


async def _record_failure(
    database: Database, clock: Clock, item: ClaimedItem, reason: str, given_up: bool
) -> None:
    """Store a failed attempt's reason and, unless `given_up`, the time of the next attempt."""
    log = structlog.get_logger()
    log.warning("an outbox item was not delivered", action=item.action, reason=reason, end=given_up)
    now = clock.now()
    async with database.transaction() as session:
        await _QUEUE.record_failure(
            session,
            now,
            item.id,
            item.attempts,
            last_error=reason[:1000],
            given_up_at=now if given_up else None,
        )
