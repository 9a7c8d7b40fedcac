"""Pages hosted by Stripe where a customer pays an invoice or stores a payment method.

The result of a visit arrives as a Stripe event (webhooks.py).
"""

from uuid import UUID

from billing.collection.stripe.client import StripeClient
from billing.collection.stripe.outbox_handlers import StripeOutboxHandlers
from billing.invoices.lifecycle import get_invoice
from infra.clock import Clock
from infra.database.database import Database


async def get_payment_page_url(
    database: Database,
    clock: Clock,
    payments: StripeClient,
    account_id: UUID,
    invoice_id: UUID,
    back: str,
) -> str:
    """Return the URL where the customer can pay the invoice.

    That is Stripe's page of the invoice or, if Stripe does not have the invoice yet, the customer
    portal. Raises InvoiceNotFound, RetryLater, PermanentFailure.
    """
    async with database.transaction() as session:
        invoice = await get_invoice(session, account_id, invoice_id)
    page = (
        await payments.get_hosted_invoice_url(invoice.stripe_invoice)
        if invoice.stripe_invoice
        else None
    )
    if page is not None:
        return page
    customer = await StripeOutboxHandlers(database, clock, payments).ensure_customer(account_id)
    return await payments.create_portal_page(customer, back)
