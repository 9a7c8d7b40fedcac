"""Transactional outbox: calls to external systems, enqueued in the transaction that decides them.

All outbound calls go through it. An item runs once per business key; after a lost response it is
retried with the same key as idempotency key. Items of one subject run in order, different subjects
concurrently. No transaction is open while an item runs.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from billing.tables import OutboxItem
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

_LEASE = timedelta(minutes=5)
_FIRST_RETRY_INTERVAL = timedelta(seconds=10)
_MAX_RETRY_INTERVAL = timedelta(hours=1)
_MAX_AGE = timedelta(days=3)
_CONCURRENCY = 4
# The item due for longest among the first unfinished items of each subject. One per call, because
# the lease of a second item would run while the first is being handled.
_CLAIM_ITEM = """
    update outbox set due_at = :until, attempts = attempts + 1
    where id = (
        select o.id from outbox o
        where o.done_at is null and o.given_up_at is null and o.due_at <= :now
          and o.action = any(:actions)
          and not exists (
              select from outbox e where e.subject = o.subject and e.id < o.id
                and e.done_at is null and e.given_up_at is null
          )
        order by o.due_at, o.id limit 1 for update of o skip locked
    )
    returning id, account_id, action, subject, business_key, payload, attempts, created_at
"""


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
    """Enqueue an outbox item; a repeated business key has no effect.

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
    """Handle all due items of the given actions. Returns the number of completed items.

    Concurrent lanes are started only while items are found, so a run without due items makes one
    query.
    """
    return await _run_lane(database, clock, handlers, _CONCURRENCY)


async def _run_lane(
    database: Database, clock: Clock, handlers: Mapping[str, Handler], concurrency: int
) -> int:
    first = await _claim_item(database, clock, list(handlers))
    if first is None:
        return 0

    async def handle_items(item: ClaimedItem | None) -> int:
        done = 0
        while item is not None:
            done += await _handle_item(database, clock, handlers[item.action], item)
            item = await _claim_item(database, clock, list(handlers))
        return done

    lanes = [handle_items(first)]
    if concurrency > 1:
        lanes.append(_run_lane(database, clock, handlers, concurrency - 1))
    results = await asyncio.gather(*lanes, return_exceptions=True)
    errors = [result for result in results if isinstance(result, BaseException)]
    if errors:
        raise errors[0]
    return sum(result for result in results if isinstance(result, int))


async def retry_item(session: AsyncSession, clock: Clock, item_id: UUID) -> None:
    """Queue a failed item again. For operators.

    Its attempt count is kept: from the second attempt on, handlers first look for the result of
    earlier attempts.
    """
    await session.execute(
        update(OutboxItem)
        .where(col(OutboxItem.id) == item_id, col(OutboxItem.done_at).is_(None))
        .values(given_up_at=None, due_at=clock.now(), created_at=clock.now())
    )


async def _claim_item(database: Database, clock: Clock, actions: list[str]) -> ClaimedItem | None:
    now = clock.now()
    values = {"now": now, "until": now + _LEASE, "actions": actions}
    async with database.transaction() as session:
        row = (await session.execute(text(_CLAIM_ITEM), values)).one_or_none()
    return None if row is None else ClaimedItem(*row)


async def _handle_item(
    database: Database, clock: Clock, handler: Handler, item: ClaimedItem
) -> bool:
    try:
        await handler(item)
    except PermanentFailure as error:
        await _record_failure(database, clock, item, str(error), given_up=True)
        return False
    except Exception as error:
        # Any error: other items continue, and the reason is stored for operators.
        if not isinstance(error, RetryLater):
            structlog.get_logger().exception("an outbox item failed", action=item.action)
        given_up = clock.now() - item.created_at > _MAX_AGE
        await _record_failure(database, clock, item, str(error) or type(error).__name__, given_up)
        return False
    async with database.transaction() as session:
        await session.execute(
            update(OutboxItem)
            .where(col(OutboxItem.id) == item.id)
            .values(done_at=clock.now(), last_error=None)
        )
    return True


async def _record_failure(
    database: Database, clock: Clock, item: ClaimedItem, reason: str, given_up: bool
) -> None:
    """Store the error of a failed attempt and the time of the next one, if any."""
    log = structlog.get_logger()
    log.warning("an outbox item was not done", action=item.action, reason=reason, end=given_up)
    wait = min(_FIRST_RETRY_INTERVAL * 2 ** min(item.attempts - 1, 12), _MAX_RETRY_INTERVAL)
    now = clock.now()
    async with database.transaction() as session:
        await session.execute(
            update(OutboxItem)
            .where(col(OutboxItem.id) == item.id)
            .values(
                due_at=now + wait,
                last_error=reason[:1000],
                given_up_at=now if given_up else None,
            )
        )
