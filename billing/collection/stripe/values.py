"""Value types for Stripe's credit notes and payment methods, independent of Stripe's library.

Amounts are minor units.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StripeCreditNoteRequest:
    """A credit note to create at Stripe.

    Of the total, `refund` is refunded to the card and `out_of_band` was returned outside Stripe;
    the rest reduces the amount due. `our_reference` in the metadata identifies the credit note.
    """

    our_reference: str
    total: int
    refund: int
    out_of_band: int
    memo: str


@dataclass(frozen=True, slots=True)
class StripeCreditNote:
    """A credit note that exists at Stripe, with our reference and the amount refunded to cards."""

    our_reference: str | None
    refunded: int


@dataclass(frozen=True, slots=True)
class StoredMethod:
    """A payment method that a customer has stored, with its fingerprint, empty if it has none."""

    customer: str
    payment_method: str
    payer: str
