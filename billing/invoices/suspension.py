"""Suspension: an account whose calls are stopped because it does not pay, until it has.

Owns stopping and starting again, and for what an account is stopped. The account's keys stay as
they are and its records can be read; only calls of models are refused, on every gateway within a
second.
"""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import Collection, lock_profile
from billing.accounts.stripe_currencies import least_collected
from billing.ledger.ledger import owed
from billing.metering.key_epoch import advance_epoch
from billing.tables import BillingProfile, Invoice, InvoiceStatus
from infra.clock import Clock


async def suspend(session: AsyncSession, clock: Clock, account_id: UUID) -> None:
    """Stop the account's calls; doing it twice changes nothing."""
    profile = await lock_profile(session, account_id)
    if profile.suspended_at is None:
        profile.suspended_at = clock.now()
        await advance_epoch(session, account_id)
        await session.flush()


async def restore(session: AsyncSession, account_id: UUID) -> None:
    """Let the account call again. For operators, whatever it owes."""
    profile = await lock_profile(session, account_id)
    if profile.suspended_at is not None:
        profile.suspended_at = None
        await advance_epoch(session, account_id)
        await session.flush()


async def restore_if_paid(session: AsyncSession, clock: Clock, account_id: UUID) -> None:
    """Let the account call again where no open invoice of it is overdue any more."""
    profile = await lock_profile(session, account_id)
    overdue = select(Invoice).where(
        col(Invoice.account_id) == account_id,
        col(Invoice.status) == InvoiceStatus.OPEN.value,
        col(Invoice.due_at) < clock.now(),
    )
    for invoice in (await session.scalars(overdue)).all():
        if is_worth(profile, invoice, await owed(session, account_id, invoice.id)):
            return
    await restore(session, account_id)


def is_worth(profile: BillingProfile, invoice: Invoice, minor: int) -> bool:
    """Whether an account is pressed for so much: what is to come by Stripe, but is less than it
    charges, the account could not pay there, and it waits."""
    by_hand = profile.collection == Collection.MANUAL
    return by_hand or minor >= least_collected(invoice.currency)
