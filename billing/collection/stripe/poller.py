"""Polling of Stripe for changes whose webhook events were lost.

open invoices            each is polled once an hour, from an hour after finalization
stored payment methods   found in Stripe's list of events of the last seven days
"""

from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.collection.stripe.client import StripeClient
from billing.collection.stripe.inbox import store_event
from billing.collection.stripe.webhooks import SETUP_SUCCEEDED, StripeEventHandler
from billing.outbox import PermanentFailure, RetryLater
from billing.tables import Invoice
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError

_POLL_INTERVAL = timedelta(hours=1)
# Longer than Stripe retries the delivery of an event.
_LOOK_BACK = timedelta(days=7)
# Invoices are marked before they are polled, so that no two workers poll the same invoice.
_CLAIM_INVOICES = """
    insert into stripe_asked (invoice_id, asked_at)
    select i.id, :now from invoice i left join stripe_asked a on a.invoice_id = i.id
    where i.status = 'open' and i.stripe_invoice is not null and i.finalised_at <= :before
      and (a.asked_at is null or a.asked_at <= :before)
    order by a.asked_at nulls first, i.id limit :limit
    on conflict (invoice_id) do update set asked_at = excluded.asked_at
    where stripe_asked.asked_at <= :before
    returning invoice_id
"""


async def poll_open_invoices(
    database: Database, clock: Clock, events: StripeEventHandler, limit: int = 500
) -> int:
    """Poll open invoices that were not polled within the hour; return how many.

    An invoice whose poll fails is polled again after an hour.
    """
    async with database.transaction() as session:
        due = await _claim_invoices(session, clock.now(), limit)
    for stripe_id in due:
        try:
            await events.record_invoice_payments(stripe_id)
        except (RetryLater, PermanentFailure, AppError) as error:
            log = structlog.get_logger()
            log.warning("Stripe was asked in vain", stripe_invoice=stripe_id, reason=str(error))
    return len(due)


async def store_missed_setup_events(
    database: Database, clock: Clock, payments: StripeClient
) -> None:
    """Store recent setup events in the inbox that no webhook delivered. Raises RetryLater."""
    recent = await payments.list_events(clock.now() - _LOOK_BACK, [SETUP_SUCCEEDED])
    async with database.transaction() as session:
        for event in recent:
            await store_event(session, clock, event)


async def _claim_invoices(session: AsyncSession, now: datetime, limit: int) -> list[str]:
    """Claim the invoices to poll now and return their ids at Stripe.

    For operators: reads across accounts (no account_id filter).
    """
    values = {"now": now, "before": now - _POLL_INTERVAL, "limit": limit}
    claimed: list[UUID] = list((await session.execute(text(_CLAIM_INVOICES), values)).scalars())
    query = select(Invoice.stripe_invoice).where(col(Invoice.id).in_(claimed))
    rows = await session.scalars(query.order_by(col(Invoice.id)))
    return [stripe_id for stripe_id in rows if stripe_id]
