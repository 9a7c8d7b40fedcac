"""Values exchanged with Stripe: events, invoices, line items, payments and credit notes.

Independent of Stripe's library and of the database. Amounts are minor units, which Stripe defines
as we do for the currencies accepted by `is_stripe_currency`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class StripeEvent:
    """A Stripe event about one of Stripe's objects.

    `object_id` is empty if the object has no id, such as the Stripe account's balance.
    """

    id: str
    kind: str
    object_id: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StripePayment:
    """A payment of an invoice that Stripe collected; `reference` is Stripe's payment id."""

    reference: str
    minor: int


@dataclass(frozen=True, slots=True)
class StripeInvoice:
    """An invoice as retrieved from Stripe.

    `due` is the part of the total that Stripe collects and `remaining` the unpaid part of that.
    `paid` was paid by any method; `credited_after_payment` of it is on credit notes.
    `our_invoice_id` is the hexadecimal id of our invoice, from Stripe's metadata.
    """

    id: str
    status: str
    total: int
    due: int
    remaining: int
    paid: int
    credited_after_payment: int
    currency: str
    our_invoice_id: str | None
    customer: str


@dataclass(frozen=True, slots=True)
class StripeLineItem:
    """A line item of a Stripe invoice: its description and amount."""

    text: str
    minor: int


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
