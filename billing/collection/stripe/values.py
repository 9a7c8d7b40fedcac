"""What Stripe tells and is told, as values: events, invoices, payments, credit notes.

Knows neither Stripe's library nor the database; amounts are minor units, the same as ours for the
currencies of billing/accounts/stripe_currencies.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """What a webhook tells: something happened to an object of Stripe's.

    `object_id` is empty where the object has none, as the balance of Stripe's account.
    """

    id: str
    kind: str
    object_id: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PaidPart:
    """A payment of an invoice that Stripe took."""

    reference: str
    minor: int


@dataclass(frozen=True, slots=True)
class StripeInvoice:
    """An invoice as Stripe has it.

    `due` is what Stripe collects of the total, `remaining` what is left of that; `paid` came in,
    by whichever way, and `given_back` of that is on credit notes. `ours` is the id of our invoice,
    by its metadata.
    """

    id: str
    status: str
    total: int
    due: int
    remaining: int
    paid: int
    given_back: int
    currency: str
    ours: str | None
    customer: str


@dataclass(frozen=True, slots=True)
class Charge:
    """A line of an invoice for Stripe: words and an amount."""

    text: str
    minor: int


@dataclass(frozen=True, slots=True)
class StripeCredit:
    """A credit note for Stripe. Of the total, `refund` goes back to the card and `elsewhere` was
    given back by another way; the rest is not owed any more. `ours` is what it is known by."""

    ours: str
    total: int
    refund: int
    elsewhere: int
    memo: str


@dataclass(frozen=True, slots=True)
class KnownCredit:
    """A credit note that Stripe has: what it is known by, and what it sent back to the card."""

    ours: str | None
    refunded: int
