"""Asking: what Stripe knows and told us of in no event, because the event was lost.

open invoices         each is asked about once an hour, from an hour after it became final
payment methods left  looked up in Stripe's own list of events
"""

from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.collection.stripe.client import Payments
from billing.collection.stripe.inbox import keep
from billing.collection.stripe.webhooks import METHOD_LEFT, StripeEvents
from billing.outbox import Refused, TryLater
from billing.tables import Invoice
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError

_HOUR = timedelta(hours=1)
# Longer than Stripe itself tries to deliver an event.
_LOOK_BACK = timedelta(days=7)
# Marked before they are asked about, so that no two workers ask at once.
_TAKE = """
    insert into stripe_asked (invoice_id, asked_at)
    select i.id, :now from invoice i left join stripe_asked a on a.invoice_id = i.id
    where i.status = 'open' and i.stripe_invoice is not null and i.finalised_at <= :before
      and (a.asked_at is null or a.asked_at <= :before)
    order by a.asked_at nulls first, i.id limit :most
    on conflict (invoice_id) do update set asked_at = excluded.asked_at
    where stripe_asked.asked_at <= :before
    returning invoice_id
"""


async def ask_about_invoices(
    database: Database, clock: Clock, events: StripeEvents, most: int = 500
) -> int:
    """Ask about open invoices whose hour has passed; gives how many. One that Stripe does not
    answer for has its next turn in an hour."""
    async with database.transaction() as session:
        due = await _take(session, clock.now(), most)
    for stripe_id in due:
        try:
            await events.look_at(stripe_id)
        except (TryLater, Refused, AppError) as error:
            log = structlog.get_logger()
            log.warning("Stripe was asked in vain", stripe_invoice=stripe_id, reason=str(error))
    return len(due)


async def catch_up(database: Database, clock: Clock, payments: Payments) -> None:
    """Keep what was told of payment methods; what is known changes nothing. Raises TryLater."""
    told = await payments.events_since(clock.now() - _LOOK_BACK, [METHOD_LEFT])
    async with database.transaction() as session:
        for event in told:
            await keep(session, clock, event)


async def _take(session: AsyncSession, now: datetime, most: int) -> list[str]:
    """Stripe's ids of the invoices that are asked about now. For operators: it looks across
    accounts (account_id)."""
    values = {"now": now, "before": now - _HOUR, "most": most}
    taken: list[UUID] = list((await session.execute(text(_TAKE), values)).scalars())
    query = select(Invoice.stripe_invoice).where(col(Invoice.id).in_(taken))
    return [one for one in (await session.scalars(query.order_by(col(Invoice.id)))) if one]
