"""Payment pages: where a customer pays what Stripe collects.

The pages are Stripe's; what comes of a visit, its events tell (webhooks.py).
"""

from uuid import UUID

from billing.collection.stripe.client import Payments
from billing.collection.stripe.outbox_handlers import Collector
from billing.invoices.lifecycle import get_invoice
from infra.clock import Clock
from infra.database.database import Database


async def paying_page(
    database: Database,
    clock: Clock,
    payments: Payments,
    account_id: UUID,
    invoice_id: UUID,
    back: str,
) -> str:
    """Stripe's own page of the account's invoice, once it knows the invoice; before, its portal,
    where a payment method is left. Raises InvoiceNotFound, TryLater, Refused."""
    async with database.transaction() as session:
        invoice = await get_invoice(session, account_id, invoice_id)
    page = await payments.invoice_page(invoice.stripe_invoice) if invoice.stripe_invoice else None
    if page is not None:
        return page
    customer = await Collector(database, clock, payments).customer(account_id)
    return await payments.portal_page(customer, back)
