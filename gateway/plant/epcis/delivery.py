"""Deliver the results of subscribed EPCIS queries to webhooks, signed, each event at least once."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, update
from sqlmodel import col, select

from gateway.plant.epcis.documents import query_document
from gateway.plant.epcis.subscribed_events import DueEvents, QueryUnanswered, SubscribedEvents
from gateway.plant.epcis.subscriptions import (
    SUBSCRIPTION_ID_PREFIX,
    next_due,
    seal_purpose,
)
from gateway.tables import PlantEvent, PlantEventQuery, PlantEventSubscription
from infra import ids
from infra.account_work import AccountWork, do_due_work
from infra.clock import Clock
from infra.database.database import Database, DatabaseUnavailable
from infra.database.due_work import DueRows, Moment, TimeValue
from infra.outbound.webhook_post import PostFailed, SignedPoster
from infra.poller import Poller
from infra.secrets.sealer import SealBroken, Sealer
from infra.timing import Timing

_LEASE = timedelta(minutes=2)
_STREAM_INTERVAL = timedelta(seconds=10)
_FIRST_RETRY, _MAX_RETRY = timedelta(seconds=10), timedelta(hours=1)
_MAX_ERROR = 500  # characters of an error that are stored


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
    """Delivers due subscriptions, several at a time."""

    def __init__(
        self, database: Database, clock: Clock, sealer: Sealer, poster: SignedPoster
    ) -> None:
        self._database = database
        self._clock = clock
        self._sealer = sealer
        self._poster = poster
        self._events = SubscribedEvents(database, clock)

    def poller(self, timing: Timing) -> Poller:
        """Return the background loop of a process."""
        return _DeliveryPoller("event_subscriptions", self.deliver_due, timing)

    async def deliver_due(self) -> bool:
        """Deliver all due subscriptions. Returns whether there was one.

        A slow receiver or query holds one of 16 places, and an account 4 of them.
        """
        return await do_due_work(self._claim) > 0

    async def _claim(self, busy_accounts: Collection[UUID]) -> AccountWork | None:
        """Claim the subscription that is due first, of an account that is not busy.

        The claim is committed before the query is asked, so that a query that fails is not the
        first again. Of any account_id: for the loop.
        """
        table, now = PlantEventSubscription, self._clock.now()
        query = (
            select(table, PlantEventQuery)
            .join(PlantEventQuery, col(PlantEventQuery.id) == col(table.query))
            .where(_is_due(now), col(table.account_id).not_in(busy_accounts))
            .order_by(col(table.due_at), col(table.id))
            .limit(1)
            .with_for_update(of=table, skip_locked=True)
        )
        async with self._database.transaction() as session:
            found = (await session.execute(query)).first()
            if found is None:
                return None
            row, named = found
            row.due_at = now + _LEASE
        return AccountWork(row.account_id, partial(self._deliver, row, named))

    async def _deliver(self, row: PlantEventSubscription, named: PlantEventQuery) -> None:
        """Deliver the next events and record what came of it.

        If the database is not available, the claim expires, and the events are delivered then.
        """
        log = structlog.get_logger().bind(subscription=row.id.hex)
        try:
            await self._attempt(row, named)
        except DatabaseUnavailable as error:
            log.error("events were not delivered", reason=repr(error))
        except Exception:
            log.exception("events were not delivered")

    async def _attempt(self, row: PlantEventSubscription, named: PlantEventQuery) -> None:
        """Deliver the next events, or record the failure. Raises DatabaseUnavailable."""
        try:
            due = await self._events.read(row, named)
            is_notified = bool(due.events) or (row.reports_if_empty and due.is_last)
            if is_notified:
                await self._post(row, named, due.events)
        except (QueryUnanswered, PostFailed) as failure:
            await self._record_failure(row, str(failure))
        except SealBroken as failure:
            await self._record_failure(row, failure.message)
        else:
            await self._record(row, due, is_notified)

    async def _post(
        self, row: PlantEventSubscription, named: PlantEventQuery, events: Sequence[PlantEvent]
    ) -> None:
        """Send the events. Raises PostFailed, SealBroken."""
        now = self._clock.now()
        document = query_document(events, now, named.name)
        name = ids.format_id(SUBSCRIPTION_ID_PREFIX, row.id)
        document["epcisBody"]["queryResults"]["subscriptionID"] = name
        last = events[-1].id if events else row.position_id
        secret = self._sealer.open_bytes(row.sealed_secret, seal_purpose(row.id)).decode()
        await self._poster.post(row.url, secret, f"{name}-{last.hex}", document, now)

    async def _record(self, row: PlantEventSubscription, due: DueEvents, is_notified: bool) -> None:
        """Move the position after a delivery, or after a look in vain."""
        now = self._clock.now()
        position_time, position_id = due.position
        values: dict[str, object] = {
            "failures": 0,
            "last_error": None,
            "due_at": _next_due(row, now) if due.is_last else now,
            "position_time": position_time,
            "position_id": position_id,
        }
        if is_notified:
            values["last_notified_at"] = now
        await self._update(row, values)

    async def _record_failure(self, row: PlantEventSubscription, error: str) -> None:
        """Set the time of the next attempt."""
        due_at = self._clock.now() + _retry_delay(row.failures)
        values = {"failures": row.failures + 1, "last_error": error[:_MAX_ERROR], "due_at": due_at}
        await self._update(row, values)

    async def _update(self, row: PlantEventSubscription, values: dict[str, object]) -> None:
        """Set columns of a subscription, which may have been deleted meanwhile.

        If the claim expired and its events were delivered elsewhere, the position stays.
        """
        table = PlantEventSubscription
        statement = update(table).where(
            col(table.id) == row.id,
            col(table.account_id) == row.account_id,
            col(table.position_id) == row.position_id,
        )
        async with self._database.transaction() as session:
            await session.execute(statement.values(**values))


def _next_due(row: PlantEventSubscription, now: datetime) -> datetime:
    """Return when a subscription is due after everything was delivered."""
    return now + _STREAM_INTERVAL if row.schedule is None else next_due(row.schedule, now)


def _retry_delay(failures: int) -> timedelta:
    """Return the delay after a failed attempt: doubled each time, at most an hour."""
    return min(_FIRST_RETRY * (1 << min(failures, 10)), _MAX_RETRY)
