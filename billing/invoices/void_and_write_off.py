"""Voiding and writing off of open invoices by the operator.

Nothing is owed for the invoice afterwards, so calls that were suspended for it are restored.
"""

from collections.abc import Awaitable, Callable
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import lock_profile
from billing.invoices.available_credit import refresh_account_credit
from billing.invoices.lifecycle import get_invoice, mark_uncollectible, mark_void
from billing.invoices.suspension import restore_calls_if_paid
from billing.tables import Invoice
from infra.clock import Clock

_InvoiceTransition = Callable[[AsyncSession, Clock, Invoice], Awaitable[None]]


async def void_invoice(
    session: AsyncSession, clock: Clock, account_id: UUID, invoice_id: UUID
) -> Invoice:
    """Void an unpaid invoice. Raises InvoiceNotFound, InvalidInvoiceState."""
    return await _close_invoice(session, clock, account_id, invoice_id, mark_void)


async def write_off_invoice(
    session: AsyncSession, clock: Clock, account_id: UUID, invoice_id: UUID
) -> Invoice:
    """Write an invoice off as uncollectible. Raises InvoiceNotFound, InvalidInvoiceState."""
    return await _close_invoice(session, clock, account_id, invoice_id, mark_uncollectible)


async def _close_invoice(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    invoice_id: UUID,
    transition: _InvoiceTransition,
) -> Invoice:
    """Apply the transition to an invoice, refresh credit and restore calls if none is overdue."""
    await lock_profile(session, account_id)
    invoice = await get_invoice(session, account_id, invoice_id)
    await transition(session, clock, invoice)
    await refresh_account_credit(session, clock, account_id)
    await restore_calls_if_paid(session, clock, account_id)
    return invoice
