"""Stripe bills: what Stripe is told that an invoice or a credit note of ours says.

Stripe gets the finished lines and amounts, and one total that must be ours; it never adds tax or
proration of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import Collection, read_profile
from billing.accounts.stripe_currencies import is_collectable, least_collected
from billing.collection.stripe.values import Charge, StripeCredit, StripeInvoice
from billing.invoice_documents.line_descriptions import Describing, described
from billing.invoice_documents.sources import (
    calendar_of_times,
    charges_of,
    paid_fees,
    parties_of,
    stored_lines,
)
from billing.invoice_documents.values import DocumentLine
from billing.invoices.lifecycle import get_invoice
from billing.invoices.numbering import invoice_number
from billing.ledger.ledger import Book, booked_of
from billing.money import Money
from billing.outbox import Refused
from billing.tables import CreditNote, Invoice, InvoiceStatus, LegalEntity

# Stripe takes 250 items an invoice; what is beyond goes into one.
_MOST_CHARGES = 240
_WORDS: Mapping[str, Mapping[str, str]] = {
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
        "wallet": "已由余额支付",
    },
}


@dataclass(frozen=True, slots=True)
class Bill:
    """An invoice with what Stripe is told of it: `due` is what it is to collect, in `days`, or by
    charging where that is None."""

    invoice: Invoice
    number: str
    charges: tuple[Charge, ...]
    due: int
    days: int | None
    by_hand: bool

    @property
    def is_to_collect(self) -> bool:
        """Whether Stripe is still to be given it."""
        return self.invoice.status == InvoiceStatus.OPEN and not self.by_hand

    def require_collectable(self) -> None:
        """Raises Refused for what Stripe would count, or take, otherwise than we do."""
        currency = self.invoice.currency
        if not is_collectable(currency):
            raise Refused(f"Stripe counts {currency} otherwise than ISO 4217: collect it by hand.")
        if self.due < least_collected(currency):
            raise Refused(f"Stripe charges nothing of as little as {Money(self.due, currency)}.")


async def bill_of(session: AsyncSession, account_id: UUID, invoice_id: UUID) -> Bill:
    """What Stripe is told of an invoice. Raises InvoiceNotFound."""
    invoice = await get_invoice(session, account_id, invoice_id)
    profile = await read_profile(session, account_id)
    entity = await session.get_one(LegalEntity, invoice.legal_entity_id)
    lines, versions = await stored_lines(session, account_id, invoice_id)
    parties = await parties_of(session, invoice)
    calendar_at = await calendar_of_times(session, account_id, parties, lines)
    paid = await paid_fees(session, invoice, lines)
    charges = await charges_of(session, account_id, lines)
    told = described(Describing(parties.locale, versions.terms, calendar_at, paid, charges), lines)
    booked = await booked_of(session, account_id, f"invoice:{invoice_id}:wallet")
    from_wallet = booked.get(Book.WALLET, 0)
    return Bill(
        invoice=invoice,
        number=invoice_number(entity.code, invoice.number or 0),
        charges=_charges(invoice.total, told, from_wallet, _WORDS[parties.locale]),
        due=invoice.total - from_wallet,
        days=None if profile.collection == Collection.STRIPE_CHARGE else profile.net_days,
        by_hand=profile.collection == Collection.MANUAL,
    )


def share_of_credit(note: CreditNote, there: StripeInvoice, refundable: int) -> StripeCredit:
    """The part of a credit note that concerns Stripe.

    What was not collected by Stripe, such as what a wallet paid, it can neither lower nor give
    back. It refunds no more than it has charged; the rest of a refund is the operator's to send.
    """
    not_owed = note.total - note.to_wallet - note.refunded
    lowered = min(not_owed, there.remaining if there.status == "open" else 0)
    # Of an invoice that is open Stripe takes a credit to lower what remains, first of all.
    left = 0 if there.status == "open" and there.remaining > lowered else there.paid
    left = max(0, left - there.given_back)
    refund = max(0, min(note.refunded, refundable, left))
    elsewhere = min(note.to_wallet + note.refunded - refund, left - refund)
    return StripeCredit(
        ours=note.id.hex,
        total=lowered + refund + elsewhere,
        refund=refund,
        elsewhere=elsewhere,
        memo=note.reason,
    )


def _charges(
    total: int, lines: Sequence[DocumentLine], from_wallet: int, words: Mapping[str, str]
) -> tuple[Charge, ...]:
    """Our lines, what tax is added to them, and what the wallet has paid."""
    told = [Charge(_text(one), one.line.minor) for one in lines if one.line.minor]
    charges, rest = told[:_MOST_CHARGES], told[_MOST_CHARGES:]
    added = total - sum(charge.minor for charge in told)
    more = [
        Charge(words["more"], sum(charge.minor for charge in rest)),
        Charge(words["tax" if added > 0 else "untaxed"], added),
        Charge(words["wallet"], -from_wallet),
    ]
    return (*charges, *(charge for charge in more if charge.minor))


def _text(one: DocumentLine) -> str:
    if one.service is not None:
        return f"{one.description}, {one.service.first_day} – {one.service.last_day}"
    if one.line.quantity is not None:
        return f"{one.description}: {one.line.quantity:,}"
    return one.description
