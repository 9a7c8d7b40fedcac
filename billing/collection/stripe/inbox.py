"""The inbox: events that Stripe sent, each kept once, handled later and exactly once.

An event comes twice, late and out of order, so it is only a hint: whoever handles it asks Stripe
how things are now.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog
from sqlalchemy import text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from billing.collection.stripe.values import Event
from billing.outbox import Refused, TryLater
from billing.tables import InboxEvent
from infra.clock import Clock
from infra.database.database import Database, DatabaseUnavailable
from infra.errors import AppError

# With what the outcome begins of an event that was understood and not done.
REFUSED = "refused"
_LEASE = timedelta(minutes=5)
_FIRST_RETRY = timedelta(seconds=10)
_SLOWEST = timedelta(hours=1)
_TAKE = """
    update inbox set due_at = :until, attempts = attempts + 1
    where id = (
        select id from inbox where handled_at is null and due_at <= :now
        order by received_at, id limit 1 for update skip locked
    )
    returning id, kind, payload, attempts
"""
# Handles an event and gives in a word what came of it.
Handler = Callable[[Event], Awaitable[str]]


async def keep(session: AsyncSession, clock: Clock, event: Event) -> None:
    """Keep an event; one that is known already changes nothing."""
    now = clock.now()
    await session.execute(
        insert(InboxEvent)
        .values(
            id=event.id,
            kind=event.kind,
            payload=dict(event.payload),
            received_at=now,
            due_at=now,
            attempts=0,
        )
        .on_conflict_do_nothing(index_elements=["id"])
    )


async def handle_again(session: AsyncSession, clock: Clock, event_id: str) -> None:
    """Go through a handled event once more, as one that was refused. For operators: handling it
    twice changes nothing more."""
    await session.execute(
        update(InboxEvent)
        .where(col(InboxEvent.id) == event_id, col(InboxEvent.handled_at).is_not(None))
        .values(handled_at=None, outcome=None, due_at=clock.now(), attempts=0)
    )


async def handle_events(database: Database, clock: Clock, handler: Handler) -> int:
    """Go through what waits, until nothing does or Stripe does not answer; gives how many were
    gone through."""
    done = 0
    while (taken := await _take(database, clock)) is not None:
        event, attempts = taken
        if not await _handle(database, clock, handler, event, attempts):
            break
        done += 1
    return done


async def _take(database: Database, clock: Clock) -> tuple[Event, int] | None:
    now = clock.now()
    async with database.transaction() as session:
        values = {"now": now, "until": now + _LEASE}
        row = (await session.execute(text(_TAKE), values)).one_or_none()
    if row is None:
        return None
    event_id, kind, said, attempts = row
    return Event(event_id, kind, str(said["data"]["object"].get("id") or ""), said), attempts


async def _handle(
    database: Database, clock: Clock, handler: Handler, event: Event, attempts: int
) -> bool:
    """Whether it is any use to go on to the next."""
    log = structlog.get_logger()
    try:
        outcome = await handler(event)
    except (TryLater, DatabaseUnavailable) as error:
        log.warning("an event waits", event_id=event.id, reason=str(error))
        await _later(database, clock, event, attempts, str(error))
        return False
    except (Refused, AppError) as error:
        log.error("an event was refused", event_id=event.id, reason=str(error))
        outcome = f"{REFUSED}: {error}"
    except Exception as error:
        # Whatever it is: other events go on, and this one is tried again.
        log.exception("an event failed", event_id=event.id)
        await _later(database, clock, event, attempts, repr(error))
        return True
    await _note(database, event, {"handled_at": clock.now(), "outcome": outcome[:500]})
    return True


async def _later(
    database: Database, clock: Clock, event: Event, attempts: int, reason: str
) -> None:
    wait = min(_FIRST_RETRY * 2 ** min(attempts - 1, 12), _SLOWEST)
    await _note(database, event, {"due_at": clock.now() + wait, "outcome": reason[:500]})


async def _note(database: Database, event: Event, values: dict[str, object]) -> None:
    async with database.transaction() as session:
        await session.execute(
            update(InboxEvent).where(col(InboxEvent.id) == event.id).values(**values)
        )
