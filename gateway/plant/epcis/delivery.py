"""Deliver the results of subscribed EPCIS queries to webhooks, signed, each event at least once.

An event is delivered `SETTLE_S` after its capture at the earliest: until then, events that another
transaction captured before it may still become visible.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.plant.epcis.documents import query_document
from gateway.plant.epcis.named_queries import stored_query
from gateway.plant.epcis.storage import events_after
from gateway.plant.epcis.subscriptions import (
    SUBSCRIPTION_ID_PREFIX,
    next_due,
    seal_purpose,
)
from gateway.tables import PlantEvent, PlantEventQuery, PlantEventSubscription
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.database.due_work import DueRows, Moment, TimeValue
from infra.outbound.webhook_post import PostFailed, SignedPoster
from infra.poller import Poller
from infra.secrets.sealer import SealBroken, Sealer
from infra.timing import Timing

SETTLE_S = 30
_LEASE = timedelta(minutes=2)
_STREAM_INTERVAL = timedelta(seconds=10)
_FIRST_RETRY, _MAX_RETRY = timedelta(seconds=10), timedelta(hours=1)
_MAX_EVENTS = 1_000


@dataclass(frozen=True, slots=True)
class _Work:
    """A claimed subscription with its query and the events to deliver."""

    row: PlantEventSubscription
    query: PlantEventQuery
    events: Sequence[PlantEvent]


class _DeliveryPoller(Poller):
    """The background loop of a process that delivers events."""

    def due_rows(self, moment: Moment) -> Sequence[DueRows]:
        """Return the query of subscriptions to be delivered."""
        return (select(col(PlantEventSubscription.id)).where(_is_due(moment.now)),)


def _is_due(now: TimeValue) -> ColumnElement[bool]:
    """Return the condition of subscriptions to be delivered."""
    is_time = col(PlantEventSubscription.due_at) <= now
    return is_time & col(PlantEventSubscription.paused_at).is_(None)


class EventDelivery:
    """Delivers one due subscription at a time."""

    def __init__(
        self, database: Database, clock: Clock, sealer: Sealer, poster: SignedPoster
    ) -> None:
        self._database = database
        self._clock = clock
        self._sealer = sealer
        self._poster = poster

    def poller(self, timing: Timing) -> Poller:
        """Return the background loop of a process."""
        return _DeliveryPoller("event_subscriptions", self.deliver_next, timing)

    async def deliver_next(self) -> bool:
        """Deliver the subscription that is due first. Returns whether there was one."""
        work = await self._claim()
        if work is None:
            return False
        error: str | None = None
        if work.events or work.row.reports_if_empty:
            try:
                await self._post(work)
            except PostFailed as failure:
                error = str(failure)[:500]
            except SealBroken as failure:
                error = failure.message
        await self._record(work, error)
        return True

    async def _claim(self) -> _Work | None:
        """Claim a due subscription and read its events."""
        now = self._clock.now()
        async with self._database.transaction() as session:
            query = (
                select(PlantEventSubscription, PlantEventQuery)
                .join(PlantEventQuery, col(PlantEventQuery.id) == col(PlantEventSubscription.query))
                .where(_is_due(now))
                .order_by(col(PlantEventSubscription.due_at))
                .limit(1)
                .with_for_update(of=PlantEventSubscription, skip_locked=True)
            )
            found = (await session.execute(query)).first()
            if found is None:
                return None
            row, named = found
            row.due_at = now + _LEASE
            position = (row.position_time, row.position_id)
            until = now - timedelta(seconds=SETTLE_S)
            place = (session, row.account_id, stored_query(named))
            return _Work(row, named, await events_after(*place, position, until, _MAX_EVENTS))

    async def _post(self, work: _Work) -> None:
        """Send the events. Raises PostFailed."""
        row, now = work.row, self._clock.now()
        document = query_document(work.events, now, work.query.name)
        name = ids.format_id(SUBSCRIPTION_ID_PREFIX, row.id)
        document["epcisBody"]["queryResults"]["subscriptionID"] = name
        last = work.events[-1].id if work.events else row.position_id
        secret = self._sealer.open_bytes(row.sealed_secret, seal_purpose(row.id)).decode()
        await self._poster.post(row.url, secret, f"{name}-{last.hex}", document, now)

    async def _record(self, work: _Work, error: str | None) -> None:
        """Move the position after a delivery, or set the time of the next attempt."""
        row, now = work.row, self._clock.now()
        values: dict[str, object] = {"last_error": error}
        if error is not None:
            values |= {"failures": row.failures + 1, "due_at": now + _retry_delay(row.failures)}
        else:
            values |= {"failures": 0, "due_at": self._next_due(work, now)}
            if work.events or row.reports_if_empty:
                values["last_notified_at"] = now
            if work.events:
                last = work.events[-1]
                values |= {"position_time": last.record_time, "position_id": last.id}
        async with self._database.transaction() as session:
            await _update(session, row.id, values)

    def _next_due(self, work: _Work, now: datetime) -> datetime:
        """Return when the subscription is due after a delivery."""
        if len(work.events) == _MAX_EVENTS:
            return now
        if work.row.schedule is None:
            return now + _STREAM_INTERVAL
        return next_due(work.row.schedule, now)


async def _update(session: AsyncSession, row_id: UUID, values: dict[str, object]) -> None:
    """Set columns of a subscription, which may have been deleted meanwhile."""
    table = PlantEventSubscription
    await session.execute(update(table).where(col(table.id) == row_id).values(**values))


def _retry_delay(failures: int) -> timedelta:
    """Return the delay after a failed attempt: doubled each time, at most an hour."""
    return min(_FIRST_RETRY * (1 << min(failures, 10)), _MAX_RETRY)
