"""Suspension of an account's calls while an overdue invoice is unpaid.

Only model calls are rejected, on every gateway within a second. The account's keys stay valid and
its data can be read.
"""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import lock_profile, profile_collection
from billing.ledger.ledger import outstanding_amount
from billing.metering.key_epoch import advance_epoch
from billing.tables import BillingProfile, Invoice, InvoiceStatus
from infra.clock import Clock


async def suspend_calls(session: AsyncSession, clock: Clock, account_id: UUID) -> None:
    """Suspend the account's calls; does nothing if they are suspended already."""
    profile = await lock_profile(session, account_id)
    if profile.suspended_at is None:
        profile.suspended_at = clock.now()
        await advance_epoch(session, account_id)
        await session.flush()


async def restore_calls(session: AsyncSession, account_id: UUID) -> None:
    """Restore the account's calls, regardless of overdue invoices. For operators only."""
    profile = await lock_profile(session, account_id)
    if profile.suspended_at is not None:
        profile.suspended_at = None
        await advance_epoch(session, account_id)
        await session.flush()


async def restore_calls_if_paid(session: AsyncSession, clock: Clock, account_id: UUID) -> None:
    """Restore the account's calls unless an open invoice that is worth collecting is overdue."""
    profile = await lock_profile(session, account_id)
    overdue = select(Invoice).where(
        col(Invoice.account_id) == account_id,
        col(Invoice.status) == InvoiceStatus.OPEN.value,
        col(Invoice.due_at) < clock.now(),
    )
    for invoice in (await session.scalars(overdue)).all():
        if is_worth_collecting(
            profile, invoice, await outstanding_amount(session, account_id, invoice.id)
        ):
            return
    await restore_calls(session, account_id)


def is_worth_collecting(profile: BillingProfile, invoice: Invoice, minor: int) -> bool:
    """Return whether dunning applies to an outstanding amount of an invoice, in minor units.

    Amounts below the collector's minimum charge are not pursued: the customer could not pay them
    there.
    """
    collection = profile_collection(profile)
    return collection.is_manual or minor >= collection.minimum_amount(invoice.currency)
