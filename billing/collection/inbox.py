"""The inbox of collector events: each event is stored once and processed asynchronously.

Collectors deliver events more than once, late and out of order, so an event is only a trigger: the
handler retrieves the current object from the collector and must be idempotent.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog
from sqlalchemy import text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from billing.collection.collector import CollectorEvent
from billing.outbox import PermanentFailure, RetryLater
from billing.tables import InboxEvent
from infra.clock import Clock
from infra.database.database import Database, DatabaseUnavailable
from infra.errors import AppError

# Prefix of the stored outcome of an event that failed permanently.
REFUSED_OUTCOME = "refused"
_LEASE = timedelta(minutes=5)
_FIRST_RETRY = timedelta(seconds=10)
_MAX_RETRY_DELAY = timedelta(hours=1)
_CLAIM_NEXT = """
    update inbox set due_at = :until, attempts = attempts + 1
    where id = (
        select id from inbox where handled_at is null and due_at <= :now
        order by received_at, id limit 1 for update skip locked
    )
    returning collector, id, kind, payload, attempts
"""
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
    now = clock.now()
    async with database.transaction() as session:
        values = {"now": now, "until": now + _LEASE}
        row = (await session.execute(text(_CLAIM_NEXT), values)).one_or_none()
    if row is None:
        return None
    collector, event_id, kind, payload, attempts = row
    return CollectorEvent(collector, event_id, kind, payload), attempts


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
    await _update_event(database, event, {"handled_at": clock.now(), "outcome": outcome[:500]})
    return True


async def _schedule_retry(
    database: Database, clock: Clock, event: CollectorEvent, attempts: int, reason: str
) -> None:
    delay = min(_FIRST_RETRY * 2 ** min(attempts - 1, 12), _MAX_RETRY_DELAY)
    await _update_event(database, event, {"due_at": clock.now() + delay, "outcome": reason[:500]})


async def _update_event(
    database: Database, event: CollectorEvent, values: dict[str, object]
) -> None:
    async with database.transaction() as session:
        await session.execute(
            update(InboxEvent).where(col(InboxEvent.id) == event.id).values(**values)
        )
