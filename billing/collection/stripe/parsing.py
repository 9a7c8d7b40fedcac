"""Conversion of Stripe's invoices and credit notes to values of ours.

The arguments are objects of Stripe's library, which only the clients import.
"""

from typing import Any

from billing.collection.collector import ExternalInvoice
from billing.collection.stripe.values import StripeCreditNote


def parse_invoice(invoice: Any) -> ExternalInvoice:
    """Convert a Stripe invoice to an ExternalInvoice; amounts are in minor units."""
    return ExternalInvoice(
        id=invoice.id or "",
        status=invoice.status or "",
        total=invoice.total,
        due=invoice.amount_due,
        remaining=invoice.amount_remaining,
        paid=invoice.amount_paid,
        credited_after_payment=invoice.post_payment_credit_notes_amount,
        currency=invoice.currency.upper(),
        our_invoice_id=metadata_value(invoice.metadata, "maas_invoice"),
        customer=str(invoice.customer),
    )


def parse_credit_note(note: Any) -> StripeCreditNote:
    """Return our reference of a Stripe credit note and its refunded minor units."""
    refunded = sum(refund.amount_refunded for refund in note.refunds)
    return StripeCreditNote(metadata_value(note.metadata, "maas_credit"), refunded)


def metadata_value(metadata: Any, name: str) -> str | None:
    """Return a value of a Stripe object's metadata, or None if it is missing."""
    found: str | None = metadata.to_dict().get(name) if metadata else None
    return found
