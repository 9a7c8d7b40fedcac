"""Pages hosted by the collector where a customer pays an invoice or stores a payment method.

The result of a visit arrives as an event (events.py).
"""

from uuid import UUID

from billing.collection.collector import Collector, PaymentMethodPage
from billing.collection.customers import ensure_customer
from billing.collection.external_ids import external_invoice_id
from billing.invoices.lifecycle import get_invoice
from infra import ids
from infra.database.database import Database


async def get_payment_page_url(
    database: Database, collector: Collector, account_id: UUID, invoice_id: UUID, back: str
) -> str:
    """Return the URL where the customer can pay the invoice; `back` is the return URL.

    That is the collector's page of the invoice or, if it does not have the invoice yet, the page
    where payment methods are managed. Raises InvoiceNotFound, RetryLater, PermanentFailure.
    """
    async with database.transaction() as session:
        invoice = await get_invoice(session, account_id, invoice_id)
    external_id = external_invoice_id(invoice, collector.info)
    page = None if external_id is None else await collector.hosted_page(external_id)
    return page or await get_portal_url(database, collector, account_id, back)


async def get_portal_url(
    database: Database, collector: Collector, account_id: UUID, back: str
) -> str:
    """Return the URL where the customer manages payment methods; `back` is the return URL.

    Raises RetryLater, PermanentFailure.
    """
    customer = await ensure_customer(database, collector, account_id)
    return await collector.portal_page(customer, back)


async def get_setup_page_url(
    database: Database, collector: Collector, account_id: UUID, currency: str, back: str
) -> str:
    """Return the URL where the customer stores a payment method; `back` is the return URL.

    Raises RetryLater, PermanentFailure.
    """
    customer = await ensure_customer(database, collector, account_id)
    page = PaymentMethodPage(customer, currency, back)
    return await collector.payment_method_page(f"setup:{ids.new_id()}", page)
