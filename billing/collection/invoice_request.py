"""The values of an invoice that a collector is to collect.

The collector receives finished line amounts, and its total must equal ours: it never adds tax or
proration of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_profile, profile_collection
from billing.collection.collector import CollectorInfo, InvoiceItem, InvoiceRequest
from billing.invoice_documents.line_descriptions import DescriptionContext, describe_lines
from billing.invoice_documents.sources import (
    load_calendar_lookup,
    load_invoice_lines,
    load_outcome_charges,
    load_paid_fees,
    load_parties,
)
from billing.invoice_documents.values import DocumentLine
from billing.invoices.lifecycle import get_invoice
from billing.invoices.numbering import format_invoice_number
from billing.ledger.ledger import Book, sum_transaction_by_book
from billing.money import Money
from billing.outbox import PermanentFailure
from billing.tables import Invoice, InvoiceStatus, LegalEntity
from billing.translations.catalog import billing_texts
from infra.translations import MessageCatalog, gettext_noop

# Items beside those of lines: further lines combined, tax, and what the wallet paid, with reserve.
_OTHER_ITEMS = 10


@dataclass(frozen=True, slots=True)
class InvoiceToCollect:
    """An invoice with the values that a collector needs.

    `amount_due` is the amount to collect in minor units. The collector sends the invoice if
    `days_until_due` is set and charges the customer if None. `is_manual` if collected by hand.
    """

    invoice: Invoice
    number: str
    items: tuple[InvoiceItem, ...]
    amount_due: int
    days_until_due: int | None
    is_manual: bool

    @property
    def is_to_collect(self) -> bool:
        """Whether the invoice is to be collected: it is open and not collected by hand."""
        return self.invoice.status == InvoiceStatus.OPEN and not self.is_manual

    def require_collectable(self, collector: CollectorInfo) -> None:
        """Raise PermanentFailure unless the collector takes the currency and amount."""
        currency = self.invoice.currency
        if not collector.supports_currency(currency):
            raise PermanentFailure(
                f"The minor units of {currency} at {collector.label} differ from ISO 4217. "
                "Collect the invoice manually."
            )
        if self.amount_due < collector.minimum_charge(currency):
            raise PermanentFailure(
                f"{collector.label} charges nothing of as little as "
                f"{Money(self.amount_due, currency)}."
            )

    def request(self, customer: str) -> InvoiceRequest:
        """Return the request that creates the invoice for a customer of the collector."""
        return InvoiceRequest(
            customer=customer,
            invoice_id=self.invoice.id,
            number=self.number,
            currency=self.invoice.currency,
            items=self.items,
            amount_due=self.amount_due,
            days_until_due=self.days_until_due,
        )


async def build_invoice_to_collect(
    session: AsyncSession, collector: CollectorInfo, account_id: UUID, invoice_id: UUID
) -> InvoiceToCollect:
    """Build the values of an invoice to collect. Raises InvoiceNotFound."""
    invoice = await get_invoice(session, account_id, invoice_id)
    profile = await get_profile(session, account_id)
    entity = await session.get_one(LegalEntity, invoice.legal_entity_id)
    lines, versions = await load_invoice_lines(session, account_id, invoice_id)
    parties = await load_parties(session, invoice)
    calendar_at = await load_calendar_lookup(session, account_id, parties, lines)
    paid = await load_paid_fees(session, invoice, lines)
    charges = await load_outcome_charges(session, account_id, lines)
    document_lines = describe_lines(
        DescriptionContext(parties.locale, versions.terms, calendar_at, paid, charges), lines
    )
    wallet_use = await sum_transaction_by_book(session, account_id, f"invoice:{invoice_id}:wallet")
    from_wallet = wallet_use.get(Book.WALLET, 0)
    collection = profile_collection(profile)
    return InvoiceToCollect(
        invoice=invoice,
        number=format_invoice_number(entity.code, invoice.number or 0),
        items=_build_items(
            collector.max_items - _OTHER_ITEMS,
            [InvoiceItem(_line_text(line), line.line.minor) for line in document_lines],
            invoice.total,
            from_wallet,
            billing_texts(parties.locale),
        ),
        amount_due=invoice.total - from_wallet,
        days_until_due=None if collection.is_charged else profile.net_days,
        is_manual=collection.is_manual,
    )


def _build_items(
    max_items: int,
    lines: Sequence[InvoiceItem],
    total: int,
    from_wallet: int,
    texts: MessageCatalog,
) -> tuple[InvoiceItem, ...]:
    """Return items for lines (those beyond `max_items` as one), added tax and wallet payment.

    Zero amounts are left out.
    """
    line_items = [item for item in lines if item.minor]
    items, combined = line_items[:max_items], line_items[max_items:]
    tax = total - sum(item.minor for item in line_items)
    tax_text = (
        gettext_noop("Tax") if tax > 0 else gettext_noop("Tax included in the prices, not due")
    )
    further_items = [
        InvoiceItem(
            texts.text(gettext_noop("Further lines, see the invoice")),
            sum(item.minor for item in combined),
        ),
        InvoiceItem(texts.text(tax_text), tax),
        InvoiceItem(texts.text(gettext_noop("Paid from the wallet")), -from_wallet),
    ]
    return (*items, *(item for item in further_items if item.minor))


def _line_text(line: DocumentLine) -> str:
    """Return the item text of a line: its description with service days or quantity, if any."""
    if line.service is not None:
        return f"{line.description}, {line.service.first_day} – {line.service.last_day}"
    if line.line.quantity is not None:
        return f"{line.description}: {line.line.quantity:,}"
    return line.description
