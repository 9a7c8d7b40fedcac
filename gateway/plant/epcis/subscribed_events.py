"""Read the events to be delivered to a subscription, in short statements of bounded work.

A statement looks at the next events of the account, whether they meet the query or not, and the
position moves on with them, so that an event that does not match is looked at once. Events are read
`SETTLE_S` after their capture at the earliest: until then, events that another transaction captured
before them may still become visible, and the position would pass them.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from gateway.plant.epcis.named_queries import stored_query
from gateway.plant.epcis.queries import EventQuery
from gateway.plant.epcis.storage import EventPosition, EventWindow, events_after
from gateway.tables import PlantEvent, PlantEventQuery, PlantEventSubscription
from infra.clock import Clock
from infra.database.database import Database, DatabaseUnavailable, limit_statements
from infra.errors import AppError

SETTLE_S = 30
MAX_EVENTS = 1_000
# Less than the time limit of transactions, after which the database counts as unavailable.
_STATEMENT_S = 4.0
# With the wait for statements of the other subscriptions, a turn ends well within its lease.
_TURN_S = 20.0
_UNANSWERED = "The query could not be answered. Narrow it."


class QueryUnanswered(Exception):
    """The query of a subscription has no answer; the text says why, for the customer."""


@dataclass(frozen=True, slots=True)
class DueEvents:
    """Events to deliver, and the position after what was looked at.

    `is_last` says whether there was nothing more to look at.
    """

    events: Sequence[PlantEvent]
    position: EventPosition
    is_last: bool


class SubscribedEvents:
    """Reads events of subscriptions. One statement at a time in a process, so that costly queries
    of one customer hold one connection, and those of others are answered in between."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._statement = asyncio.Lock()

    async def read(self, row: PlantEventSubscription, named: PlantEventQuery) -> DueEvents:
        """Return up to MAX_EVENTS events, or what was found until the turn was over.

        Raises QueryUnanswered if nothing could be looked at, DatabaseUnavailable.
        """
        found = DueEvents((), (row.position_time, row.position_id), False)
        until = self._clock.now() - timedelta(seconds=SETTLE_S)
        ends_at = self._clock.monotonic() + _TURN_S
        try:
            query = stored_query(named)
            while not found.is_last and len(found.events) < MAX_EVENTS:
                found = _joined(found, await self._look(row.account_id, query, found, until))
                if self._clock.monotonic() > ends_at:
                    break
        except DatabaseUnavailable:
            raise
        except (AppError, SQLAlchemyError) as error:
            if found.position == (row.position_time, row.position_id):
                raise _unanswered(row.id, error) from error
        return found

    async def _look(
        self, account_id: UUID, query: EventQuery, found: DueEvents, until: datetime
    ) -> EventWindow:
        """Look at the next events of the account."""
        async with self._statement, self._database.transaction() as session:
            await limit_statements(session, _STATEMENT_S)
            return await events_after(session, account_id, query, found.position, until, MAX_EVENTS)


def _joined(found: DueEvents, window: EventWindow) -> DueEvents:
    """Return the events found so far with those of the next window, MAX_EVENTS at most."""
    events = [*found.events, *window.rows]
    if len(events) > MAX_EVENTS:
        last = events[MAX_EVENTS - 1]
        return DueEvents(events[:MAX_EVENTS], (last.record_time, last.id), False)
    return DueEvents(events, window.position, window.is_last)


def _unanswered(subscription_id: UUID, error: AppError | SQLAlchemyError) -> QueryUnanswered:
    """Return the error for the customer; that of the database goes to the log."""
    if isinstance(error, AppError):
        return QueryUnanswered(error.message)
    log = structlog.get_logger()
    log.error("a subscribed query failed", subscription=subscription_id.hex, reason=repr(error))
    return QueryUnanswered(_UNANSWERED)
