"""Mapping of our credit notes to Stripe's."""

from billing.collection.collector import CreditRequest, ExternalInvoice, PartPayment
from billing.collection.stripe.values import StripeCreditNoteRequest


def map_credit_note(
    credit: CreditRequest, invoice: ExternalInvoice, refundable: int
) -> StripeCreditNoteRequest:
    """Return the Stripe credit note for `credit`; it refunds at most `refundable` minor units.

    Amounts that Stripe did not collect, such as wallet payments, cannot be credited at Stripe.
    Stripe refunds at most what it charged; the operator pays the rest of a refund by hand.
    """
    credited_receivable = credit.total - credit.to_wallet - credit.refunded
    reduction = min(credited_receivable, invoice.remaining if invoice.status == "open" else 0)
    # Stripe applies a credit note of an open invoice to the remaining amount first.
    is_still_owed = invoice.status == "open" and invoice.remaining > reduction
    creditable = 0 if is_still_owed else invoice.paid
    creditable = max(0, creditable - invoice.credited_after_payment)
    refund = max(0, min(credit.refunded, refundable, creditable))
    out_of_band = min(credit.to_wallet + credit.refunded - refund, creditable - refund)
    return StripeCreditNoteRequest(
        our_reference=credit.reference,
        total=reduction + refund + out_of_band,
        refund=refund,
        out_of_band=out_of_band,
        memo=credit.reason,
    )


def map_part_payment(payment: PartPayment, invoice: ExternalInvoice) -> StripeCreditNoteRequest:
    """Return a Stripe credit note for a part payment: Stripe has no partial out-of-band ones."""
    return StripeCreditNoteRequest(
        our_reference=payment.reference,
        total=min(payment.minor, invoice.remaining),
        refund=0,
        out_of_band=0,
        memo="Paid by another way",
    )
