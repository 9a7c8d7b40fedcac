"""Mapping of our invoices and credit notes to Stripe's.

Stripe receives finished line amounts, and its total must equal ours: Stripe never adds tax or
proration of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import Collection, get_profile
from billing.accounts.stripe_currencies import is_stripe_currency, stripe_minimum_charge
from billing.collection.stripe.values import StripeCreditNoteRequest, StripeInvoice, StripeLineItem
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
from billing.tables import CreditNote, Invoice, InvoiceStatus, LegalEntity

# Stripe allows 250 line items per invoice; lines beyond this limit are combined into one item.
_MAX_LINE_ITEMS = 240
_TRANSLATIONS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "more": "Further lines, see the invoice",
        "tax": "Tax",
        "untaxed": "Tax that the prices include, not due",
        "wallet": "Paid from the wallet",
    },
    "zh": {
        "more": "其余明细见账单",
        "tax": "税额",
        "untaxed": "价格中所含、无需支付的税额",
        "wallet": "已由预付余额支付",
    },
}


@dataclass(frozen=True, slots=True)
class InvoiceForStripe:
    """An invoice with the values to send to Stripe.

    `amount_due` is the amount to collect in minor units. Stripe sends the invoice if
    `days_until_due` is set and charges the customer if None. `is_manual` if collected by hand.
    """

    invoice: Invoice
    number: str
    line_items: tuple[StripeLineItem, ...]
    amount_due: int
    days_until_due: int | None
    is_manual: bool

    @property
    def is_to_collect(self) -> bool:
        """Whether Stripe should collect the invoice: it is open and not collected by hand."""
        return self.invoice.status == InvoiceStatus.OPEN and not self.is_manual

    def require_collectable(self) -> None:
        """Check that Stripe can collect the currency and amount. Raises PermanentFailure."""
        currency = self.invoice.currency
        if not is_stripe_currency(currency):
            raise PermanentFailure(
                f"Stripe counts {currency} otherwise than ISO 4217: collect it by hand."
            )
        if self.amount_due < stripe_minimum_charge(currency):
            raise PermanentFailure(
                f"Stripe charges nothing of as little as {Money(self.amount_due, currency)}."
            )


async def build_invoice_for_stripe(
    session: AsyncSession, account_id: UUID, invoice_id: UUID
) -> InvoiceForStripe:
    """Build the values of an invoice to send to Stripe. Raises InvoiceNotFound."""
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
    charge_now = profile.collection == Collection.STRIPE_CHARGE
    return InvoiceForStripe(
        invoice=invoice,
        number=format_invoice_number(entity.code, invoice.number or 0),
        line_items=_line_items(
            invoice.total, document_lines, from_wallet, _TRANSLATIONS[parties.locale]
        ),
        amount_due=invoice.total - from_wallet,
        days_until_due=None if charge_now else profile.net_days,
        is_manual=profile.collection == Collection.MANUAL,
    )


def map_credit_note(
    note: CreditNote, invoice: StripeInvoice, refundable: int
) -> StripeCreditNoteRequest:
    """Map a credit note to the part that Stripe can process; `refundable` in minor units.

    Amounts that Stripe did not collect, such as wallet payments, cannot be credited at Stripe.
    Stripe refunds at most what it charged; the operator pays the rest of a refund by hand.
    """
    credited_receivable = note.total - note.to_wallet - note.refunded
    reduction = min(credited_receivable, invoice.remaining if invoice.status == "open" else 0)
    # Stripe applies a credit note of an open invoice to the remaining amount first.
    is_still_owed = invoice.status == "open" and invoice.remaining > reduction
    creditable = 0 if is_still_owed else invoice.paid
    creditable = max(0, creditable - invoice.credited_after_payment)
    refund = max(0, min(note.refunded, refundable, creditable))
    out_of_band = min(note.to_wallet + note.refunded - refund, creditable - refund)
    return StripeCreditNoteRequest(
        our_reference=note.id.hex,
        total=reduction + refund + out_of_band,
        refund=refund,
        out_of_band=out_of_band,
        memo=note.reason,
    )


def _line_items(
    total: int, lines: Sequence[DocumentLine], from_wallet: int, texts: Mapping[str, str]
) -> tuple[StripeLineItem, ...]:
    """Return line items for the lines, the added tax and the wallet payment, without zero items."""
    all_items = [
        StripeLineItem(_line_text(line), line.line.minor) for line in lines if line.line.minor
    ]
    items, combined = all_items[:_MAX_LINE_ITEMS], all_items[_MAX_LINE_ITEMS:]
    tax = total - sum(item.minor for item in all_items)
    further_items = [
        StripeLineItem(texts["more"], sum(item.minor for item in combined)),
        StripeLineItem(texts["tax" if tax > 0 else "untaxed"], tax),
        StripeLineItem(texts["wallet"], -from_wallet),
    ]
    return (*items, *(item for item in further_items if item.minor))


def _line_text(line: DocumentLine) -> str:
    if line.service is not None:
        return f"{line.description}, {line.service.first_day} – {line.service.last_day}"
    if line.line.quantity is not None:
        return f"{line.description}: {line.line.quantity:,}"
    return line.description
