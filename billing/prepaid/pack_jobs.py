"""Periodic work on prepaid packs: expiry, revenue, unpaid purchases and notices of expiry.

Each purchase is handled in a transaction of its own, under its account's lock. Every step may run
late, twice or on several machines at once.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import or_
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import get_profile, lock_profile
from billing.invoices.lifecycle import InvalidInvoiceState
from billing.invoices.void_and_write_off import void_invoice
from billing.metering.packs import PACK_PURCHASE_PREFIX, PurchaseState, end_purchase
from billing.notifications.messages import EmailNotice
from billing.notifications.model_events import enqueue_model_event
from billing.prepaid.pack_purchases import BoughtPack, get_purchase
from billing.prepaid.pack_revenue import recognize_used_units
from billing.tables import PackPurchase
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError

EXPIRY_NOTICE = timedelta(days=7)
PACK_EXPIRING_EVENT = "pack.expiring"
# Calls that started before a pack expired may end later; their units count until then.
SETTLEMENT_GRACE = timedelta(hours=1)


async def run_pack_jobs(database: Database, clock: Clock) -> int:
    """Do what is due for all purchases. Returns how many were handled."""
    async with database.transaction() as session:
        due = await _list_due(session, clock.now())
    for account_id, purchase_id in due:
        try:
            async with database.transaction() as session:
                await _handle(session, clock, account_id, purchase_id)
        except (AppError, SQLAlchemyError) as error:
            log = structlog.get_logger()
            log.error("a pack was not updated", purchase=purchase_id.hex, reason=str(error))
    return len(due)


async def _list_due(session: AsyncSession, now: datetime) -> list[tuple[UUID, UUID]]:
    """List purchases that are active, or unpaid past their time, as (account id, purchase id).

    For operators: reads across accounts (no account_id filter).
    """
    query = select(col(PackPurchase.account_id), col(PackPurchase.id)).where(
        or_(
            col(PackPurchase.state) == PurchaseState.ACTIVE.value,
            (col(PackPurchase.state) == PurchaseState.UNPAID.value)
            & (col(PackPurchase.pay_until) <= now),
        )
    )
    rows = await session.execute(query.order_by(col(PackPurchase.id)))
    return [(account_id, purchase_id) for account_id, purchase_id in rows]


async def _handle(session: AsyncSession, clock: Clock, account_id: UUID, purchase_id: UUID) -> None:
    """Do what is due for one purchase."""
    await lock_profile(session, account_id)
    bought = await get_purchase(session, account_id, purchase_id)
    purchase = bought.purchase
    await session.refresh(purchase)
    # One that has ended meanwhile has no step.
    for step in _STEPS.get(purchase.state, ()):
        await step(session, clock, bought)


async def _update_active(session: AsyncSession, clock: Clock, bought: BoughtPack) -> None:
    """End a purchase that has expired, or tell that it will; recognize its revenue."""
    purchase, now = bought.purchase, clock.now()
    expires_at = purchase.expires_at or now
    if expires_at + SETTLEMENT_GRACE <= now:
        await end_purchase(session, purchase, PurchaseState.EXPIRED, now)
    elif expires_at - EXPIRY_NOTICE <= now < expires_at:
        await _notify_expiry(session, clock, bought)
    await recognize_used_units(session, clock, purchase)


async def _cancel_unpaid(session: AsyncSession, clock: Clock, bought: BoughtPack) -> None:
    """Void the invoice of a purchase that was not paid in time; one paid in part stays open."""
    purchase = bought.purchase
    assert purchase.invoice_id is not None  # noqa: S101  # only an invoice leaves one unpaid
    try:
        await void_invoice(session, clock, purchase.account_id, purchase.invoice_id)
    except InvalidInvoiceState:
        purchase.pay_until = None
        await session.flush()


async def _notify_expiry(session: AsyncSession, clock: Clock, bought: BoughtPack) -> None:
    """Enqueue e-mail and webhook of a pack that expires soon, once; none if nothing is left."""
    purchase, now = bought.purchase, clock.now()
    if purchase.expiry_notified_at is not None or not bought.remaining:
        return
    purchase.expiry_notified_at = now
    profile = await get_profile(session, purchase.account_id)
    purchase_id = ids.format_id(PACK_PURCHASE_PREFIX, purchase.id)
    expires_at = purchase.expires_at or now
    values = {
        "pack": bought.terms.names[profile.locale],
        "remaining": f"{bought.remaining:,}",
        "units": f"{purchase.units:,}",
        "expires_at": f"{expires_at:%Y-%m-%d %H:%M} UTC",
    }
    data = {
        "pack": bought.pack.name,
        "purchase": purchase_id,
        "model": purchase.model,
        "meter": purchase.meter,
        "units": purchase.units,
        "remaining": bought.remaining,
        "expires_at": expires_at.isoformat(),
    }
    await enqueue_model_event(
        session,
        clock,
        purchase.account_id,
        f"pack_expiry:{purchase.id}",
        PACK_EXPIRING_EVENT,
        EmailNotice("pack_expiring", values),
        data,
        "/dashboard/packs",
    )


_Step = Callable[[AsyncSession, Clock, BoughtPack], Awaitable[None]]
# By state of the purchase.
_STEPS: Mapping[str, tuple[_Step, ...]] = {
    PurchaseState.UNPAID.value: (_cancel_unpaid,),
    PurchaseState.ACTIVE.value: (_update_active,),
}
