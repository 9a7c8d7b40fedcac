"""What a payer reads beside the amount: the invoice's number, or that it is a top-up."""

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_profile
from billing.invoices.lifecycle import get_invoice
from billing.invoices.numbering import format_invoice_number
from billing.tables import LegalEntity, PaymentOrder
from billing.translations.catalog import billing_texts
from infra.translations import gettext_noop


async def describe_order(session: AsyncSession, order: PaymentOrder) -> str:
    """Return the description of an order in the language of its account."""
    profile = await get_profile(session, order.account_id)
    texts = billing_texts(profile.locale)
    if order.invoice_id is None:
        return texts.text(gettext_noop("Account top-up"))
    invoice = await get_invoice(session, order.account_id, order.invoice_id)
    seller = await session.get_one(LegalEntity, invoice.legal_entity_id)
    number = format_invoice_number(seller.code, invoice.number or 0)
    return texts.text(gettext_noop("Payment of invoice {number}"), number=number)
