"""The inbox of collector events: each event is stored once and processed asynchronously.

Collectors deliver events more than once, late and out of order, so an event is only a trigger: the
handler retrieves the current object from the collector and must be idempotent.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog
from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from billing.collection.collector import CollectorEvent
from billing.outbox import PermanentFailure, RetryLater
from billing.tables import InboxEvent
from infra.clock import Clock
from infra.database.database import Database, DatabaseUnavailable
from infra.errors import AppError
from infra.work_queue import LeasedQueue, RetryPolicy

# Prefix of the stored outcome of an event that failed permanently.
REFUSED_OUTCOME = "refused"
_QUEUE = LeasedQueue(
    table=InboxEvent,
    id=col(InboxEvent.id),
    attempts=col(InboxEvent.attempts),
    pending=col(InboxEvent.handled_at).is_(None),
    order=(col(InboxEvent.received_at), col(InboxEvent.id)),
    retry=RetryPolicy(first_delay=timedelta(seconds=10), max_delay=timedelta(hours=1)),
    due_at=col(InboxEvent.due_at),
    lease=timedelta(minutes=5),
)
# Handles an event and returns a short outcome text, which is stored.
Handler = Callable[[CollectorEvent], Awaitable[str]]


async def store_event(session: AsyncSession, clock: Clock, event: CollectorEvent) -> None:
    """Store an event for processing; an event that is stored already is left unchanged."""
    now = clock.now()
    await session.execute(
        insert(InboxEvent)
        .values(
            id=event.id,
            collector=event.collector,
            kind=event.kind,
            payload=dict(event.payload),
            received_at=now,
            due_at=now,
            attempts=0,
        )
        .on_conflict_do_nothing(index_elements=["id"])
    )


async def requeue_event(session: AsyncSession, clock: Clock, event_id: str) -> None:
    """Queue a processed event again, such as a refused one. For operators only.

    Processing is idempotent, so repeating it is safe.
    """
    await session.execute(
        update(InboxEvent)
        .where(col(InboxEvent.id) == event_id, col(InboxEvent.handled_at).is_not(None))
        .values(handled_at=None, outcome=None, due_at=clock.now(), attempts=0)
    )


async def process_pending_events(database: Database, clock: Clock, handler: Handler) -> int:
    """Process due events until none is left or the collector is unavailable.

    Returns the number of events processed.
    """
    processed = 0
    while (claimed := await _claim_next(database, clock)) is not None:
        event, attempts = claimed
        if not await _process_event(database, clock, handler, event, attempts):
            break
        processed += 1
    return processed


async def _claim_next(database: Database, clock: Clock) -> tuple[CollectorEvent, int] | None:
    """Lease the next due event; return it with its number of attempts, or None if none is due."""
    async with database.transaction() as session:
        row = await _QUEUE.claim(session, clock.now())
    if row is None:
        return None
    return CollectorEvent(row.collector, row.id, row.kind, row.payload), row.attempts


async def _process_event(
    database: Database, clock: Clock, handler: Handler, event: CollectorEvent, attempts: int
) -> bool:
    """Process one event. Returns False if processing should stop: a dependency is unavailable."""
    log = structlog.get_logger()
    try:
        outcome = await handler(event)
    except (RetryLater, DatabaseUnavailable) as error:
        log.warning("an event waits", event_id=event.id, reason=str(error))
        await _schedule_retry(database, clock, event, attempts, str(error))
        return False
    except (PermanentFailure, AppError) as error:
        log.error("an event was refused", event_id=event.id, reason=str(error))
        outcome = f"{REFUSED_OUTCOME}: {error}"
    except Exception as error:
        # An unexpected error must not block other events; this event is retried.
        log.exception("an event failed", event_id=event.id)
        await _schedule_retry(database, clock, event, attempts, repr(error))
        return True
    async with database.transaction() as session:
        await _QUEUE.finish(session, event.id, handled_at=clock.now(), outcome=outcome[:500])
    return True


async def _schedule_retry(
    database: Database, clock: Clock, event: CollectorEvent, attempts: int, reason: str
) -> None:
    """Record a failed attempt with its reason and schedule the event's next attempt."""
    async with database.transaction() as session:
        await _QUEUE.record_failure(session, clock.now(), event.id, attempts, outcome=reason[:500])
