"""The interface of a collector: a payment provider that gets invoices paid.

    register_customer -> invoice -> charge | send        an invoice is collected
    credit, mark_part_paid                               the amount to collect is reduced
    mark_paid, void, write_off                           collection ends
    events, notification, interpret -> list_payments     what became of it

`billing/collection` calls a collector; an implementation knows neither our tables nor our pages.
Amounts are minor units (ISO 4217). Every writing method takes an idempotency key. All methods raise
RetryLater if the collector does not answer and PermanentFailure if it rejects the request.
Refunds are part of `credit`. Wallets are not topped up through a collector.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable
from uuid import UUID

from billing.money import currency_exponent
from infra.errors import AppError


class InvalidNotification(AppError):
    """The notification's signature is missing, invalid or too old, or it is not an event."""

    status = 400
    type = "invalid_request_error"
    code = "webhook_signature_invalid"


class PaymentDeclined(Exception):
    """The payment method was declined; `code` is the collector's decline code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class CollectorInfo:
    """What is known of a collector without its credentials.

    `name` is stored with customers, invoices and payments; it never changes. `label` is for people.
    Its notifications arrive at `webhook_path`, below `/collectors/`, which proxies pass on (for
    Stripe, below `/stripe/`). `page_origins` are the origins of its hosted pages. It collects
    currencies with one of `exponents` decimals that are not in `unsupported`, and no amount below
    the currency's minimum charge in minor units; an invoice has at most `max_items` items.
    `previous_actions` are outbox actions that the release before named after this collector, with
    those that replace them; the next release drops them.
    """

    name: str
    label: str
    webhook_path: str
    page_origins: tuple[str, ...]
    exponents: frozenset[int]
    unsupported: frozenset[str]
    minimum_charges: Mapping[str, int]
    max_items: int
    previous_actions: Mapping[str, str] = field(default_factory=dict)

    def supports_currency(self, currency: str) -> bool:
        """Return whether the collector uses the same minor units for the currency as ISO 4217."""
        return currency_exponent(currency) in self.exponents and currency not in self.unsupported

    def minimum_charge(self, currency: str) -> int:
        """Return the smallest amount that can be collected, in minor units; 1 if unknown."""
        return self.minimum_charges.get(currency, 1)


@dataclass(frozen=True, slots=True)
class CustomerRequest:
    """A customer to register; `created_at` is the time since which our account exists."""

    account_id: UUID
    name: str
    email: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class InvoiceItem:
    """A line of an invoice to collect: its description and amount."""

    text: str
    minor: int


@dataclass(frozen=True, slots=True)
class InvoiceRequest:
    """An invoice to collect; its items add up to `amount_due`.

    `customer` is the collector's id. The collector sends the invoice if `days_until_due` is set and
    charges the customer's payment method if None.
    """

    customer: str
    invoice_id: UUID
    number: str
    currency: str
    items: tuple[InvoiceItem, ...]
    amount_due: int
    days_until_due: int | None


@dataclass(frozen=True, slots=True)
class ExternalInvoice:
    """An invoice as retrieved from the collector; `status` is one of ours.

    `due` is the part of the total that is collected and `remaining` the unpaid part of that.
    `paid` was paid by any method; `credited_after_payment` of it is on credit notes.
    `our_invoice_id` is the hexadecimal id of our invoice, None if the collector does not know it.
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
class CreditRequest:
    """A credit note: of `total`, `to_wallet` was added to the wallet and `refunded` is paid back.

    `reference` identifies the credit note: a repeated one has no effect.
    """

    reference: str
    total: int
    to_wallet: int
    refunded: int
    reason: str


@dataclass(frozen=True, slots=True)
class PartPayment:
    """A part of an invoice that was paid elsewhere; a repeated reference has no effect."""

    reference: str
    minor: int


@dataclass(frozen=True, slots=True)
class CollectedPayment:
    """A payment of an invoice that the collector received; `reference` is its payment id.

    `payer` identifies who paid, as a card's fingerprint; empty if the collector does not know.
    """

    reference: str
    minor: int
    payer: str = ""


@dataclass(frozen=True, slots=True)
class PaymentMethodPage:
    """A page where a customer stores a payment method."""

    customer: str
    currency: str
    return_url: str


@dataclass(frozen=True, slots=True)
class CollectorEvent:
    """An event of a collector, as received; `payload` is JSON that only the collector reads."""

    collector: str
    id: str
    kind: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class InvoiceChanged:
    """An event says that an invoice has changed; `external_id` is the collector's id."""

    external_id: str


@dataclass(frozen=True, slots=True)
class PaymentMethodStored:
    """An event says that a customer stored a payment method; `occasion` identifies the event.

    `payer` identifies whose method it is, as in CollectedPayment.
    """

    customer: str
    payment_method: str
    occasion: str
    payer: str = ""


CollectorUpdate = InvoiceChanged | PaymentMethodStored


@runtime_checkable  # web handlers receive it, whose arguments are checked
class Collector(Protocol):
    """A payment provider, with its credentials and connections."""

    @property
    def info(self) -> CollectorInfo:
        """Name, currencies and minimum charges."""

    async def close(self) -> None:
        """Close the connections."""

    async def register_customer(
        self, idempotency_key: str, customer: CustomerRequest, *, is_retry: bool = False
    ) -> str:
        """Register a customer, or find an earlier registration if `is_retry`; return its id.

        With `is_retry`, an earlier attempt may have registered the customer already.
        """

    async def use_payment_method(self, idempotency_key: str, stored: PaymentMethodStored) -> None:
        """Charge the customer's invoices by this payment method from now on."""

    async def find_invoice(self, customer: str, invoice_id: UUID) -> ExternalInvoice | None:
        """Find the invoice that an earlier attempt created, or None."""

    async def retrieve_invoice(self, external_id: str) -> ExternalInvoice:
        """Retrieve an invoice by the collector's id."""

    async def invoice(
        self, invoice: InvoiceRequest, existing: ExternalInvoice | None
    ) -> ExternalInvoice:
        """Create an invoice without starting its collection, or complete an `existing` draft.

        Raises PermanentFailure if the amount that would be collected differs from ours.
        """

    async def charge(self, idempotency_key: str, external_id: str) -> None:
        """Charge the customer's payment method for an invoice. Raises PaymentDeclined."""

    async def send(self, idempotency_key: str, external_id: str) -> None:
        """Send the invoice to the customer."""

    async def mark_paid(self, idempotency_key: str, external_id: str) -> None:
        """Mark an invoice as paid elsewhere."""

    async def mark_part_paid(
        self, idempotency_key: str, invoice: ExternalInvoice, payment: PartPayment
    ) -> None:
        """Reduce the amount to collect of an open invoice by a payment received elsewhere."""

    async def void(self, idempotency_key: str, external_id: str) -> None:
        """Void an invoice."""

    async def write_off(self, idempotency_key: str, external_id: str) -> None:
        """Mark an invoice as uncollectible."""

    async def credit(
        self, idempotency_key: str, invoice: ExternalInvoice, credit: CreditRequest
    ) -> None:
        """Reduce what is collected by a credit note, and refund its refunded part."""

    async def list_payments(self, external_id: str) -> Sequence[CollectedPayment]:
        """List the payments of an invoice that the collector received."""

    async def hosted_page(self, external_id: str) -> str | None:
        """Return the URL of the page where the invoice is paid, or None if there is none."""

    async def payment_method_page(self, idempotency_key: str, page: PaymentMethodPage) -> str:
        """Create a page where the customer stores a payment method; return its URL."""

    async def portal_page(self, customer: str, return_url: str) -> str:
        """Create a page where the customer manages payment methods; return its URL."""

    async def events(self, since: datetime) -> Sequence[CollectorEvent]:
        """List events since `since` that invoice polls do not show, such as new payment methods."""

    async def interpret(self, event: CollectorEvent) -> CollectorUpdate | None:
        """Return the change that an event reports, or None if the event is not relevant."""
