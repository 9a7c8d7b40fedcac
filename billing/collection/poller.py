"""Polling of the collector for changes whose webhook events were lost.

open invoices            each is polled once an hour, from an hour after finalization
stored payment methods   found in the collector's list of events of the last seven days
"""

from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.collection.collector import Collector
from billing.collection.events import CollectorEventHandler
from billing.collection.inbox import store_event
from billing.outbox import PermanentFailure, RetryLater
from billing.tables import Invoice
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError

_POLL_INTERVAL = timedelta(hours=1)
# Longer than a collector retries the delivery of an event.
_LOOK_BACK = timedelta(days=7)
# Invoices are marked before they are polled, so that no two workers poll the same invoice.
_CLAIM_INVOICES = """
    insert into invoice_poll (invoice_id, polled_at)
    select i.id, :now from invoice i left join invoice_poll p on p.invoice_id = i.id
    where i.status = 'open' and i.external_invoice is not null and i.collector = :collector
      and i.finalised_at <= :before and (p.polled_at is null or p.polled_at <= :before)
    order by p.polled_at nulls first, i.id limit :limit
    on conflict (invoice_id) do update set polled_at = excluded.polled_at
    where invoice_poll.polled_at <= :before
    returning invoice_id
"""


async def poll_open_invoices(
    database: Database, clock: Clock, events: CollectorEventHandler, limit: int = 500
) -> int:
    """Poll up to `limit` open invoices, each once per hour, for payments; return how many.

    An invoice whose poll fails is polled again after an hour.
    """
    async with database.transaction() as session:
        due = await _claim_invoices(session, events.collector, clock.now(), limit)
    for external_id in due:
        try:
            await events.record_invoice_payments(external_id)
        except (RetryLater, PermanentFailure, AppError) as error:
            log = structlog.get_logger()
            log.warning(
                "polling the collector failed", external_invoice=external_id, reason=str(error)
            )
    return len(due)


async def store_missed_events(database: Database, clock: Clock, collector: Collector) -> None:
    """Store recent events in the inbox that no webhook delivered. Raises RetryLater."""
    recent = await collector.events(clock.now() - _LOOK_BACK)
    async with database.transaction() as session:
        for event in recent:
            await store_event(session, clock, event)


async def _claim_invoices(
    session: AsyncSession, collector: str, now: datetime, limit: int
) -> list[str]:
    """Claim up to `limit` open invoices to poll now; return their ids at the collector.

    For operators: reads across accounts (no account_id filter).
    """
    values = {
        "collector": collector,
        "now": now,
        "before": now - _POLL_INTERVAL,
        "limit": limit,
    }
    claimed: list[UUID] = list((await session.execute(text(_CLAIM_INVOICES), values)).scalars())
    query = select(Invoice.external_invoice).where(col(Invoice.id).in_(claimed))
    rows = await session.scalars(query.order_by(col(Invoice.id)))
    return [external_id for external_id in rows if external_id]
