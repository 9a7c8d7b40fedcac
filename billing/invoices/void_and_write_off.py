"""Ending: an open invoice that is not to be paid after all, by decision of the operator.

Nothing of it is owed afterwards, so what was stopped for it goes on: an account is stopped for what
it could pay, and never as a punishment.
"""

from collections.abc import Awaitable, Callable
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import lock_profile
from billing.invoices.available_credit import refresh_credit
from billing.invoices.lifecycle import get_invoice, give_up, void
from billing.invoices.suspension import restore_if_paid
from billing.tables import Invoice
from infra.clock import Clock

_End = Callable[[AsyncSession, Clock, Invoice], Awaitable[None]]


async def take_back(
    session: AsyncSession, clock: Clock, account_id: UUID, invoice_id: UUID
) -> Invoice:
    """Void an invoice of which nothing was paid. Raises InvoiceNotFound, InvoiceStateWrong."""
    return await _end(session, clock, account_id, invoice_id, void)


async def write_off(
    session: AsyncSession, clock: Clock, account_id: UUID, invoice_id: UUID
) -> Invoice:
    """Mark an invoice as uncollectible. Raises InvoiceNotFound, InvoiceStateWrong."""
    return await _end(session, clock, account_id, invoice_id, give_up)


async def _end(
    session: AsyncSession, clock: Clock, account_id: UUID, invoice_id: UUID, end: _End
) -> Invoice:
    await lock_profile(session, account_id)
    invoice = await get_invoice(session, account_id, invoice_id)
    await end(session, clock, invoice)
    await refresh_credit(session, clock, account_id)
    await restore_if_paid(session, clock, account_id)
    return invoice
