"""The Stripe collector: the collector interface on Stripe's API.

Stripe forgets idempotency keys after a day, so later attempts find what earlier ones created by our
ids in Stripe's metadata.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from billing.collection.collector import (
    CollectedPayment,
    CollectorEvent,
    CollectorInfo,
    CollectorUpdate,
    CreditRequest,
    CustomerRequest,
    ExternalInvoice,
    InvoiceChanged,
    InvoiceRequest,
    PartPayment,
    PaymentMethodPage,
    PaymentMethodStored,
)
from billing.collection.stripe.client import StripeClient, parse_signed_event
from billing.collection.stripe.credit_notes import map_credit_note, map_part_payment
from billing.collection.stripe.info import STRIPE
from billing.collection.stripe.payment_methods import (
    NO_PAYMENT_METHODS,
    PaymentMethods,
    parse_payment_methods,
)
from billing.collection.stripe.values import StripeCreditNote, StripeCreditNoteRequest
from billing.outbox import PermanentFailure
from infra.settings import Settings

SETUP_SUCCEEDED = "setup_intent.succeeded"
# Clocks differ: a Stripe customer is at most this much older than our account.
_CLOCK_SKEW = timedelta(hours=1)


class StripeCollector:
    """The collector of one Stripe account, bound to one event loop."""

    def __init__(
        self, client: StripeClient, payment_methods: PaymentMethods = NO_PAYMENT_METHODS
    ) -> None:
        self._client = client
        self._payment_methods = payment_methods

    @property
    def info(self) -> CollectorInfo:
        """Name, currencies and minimum charges of Stripe."""
        return STRIPE

    async def close(self) -> None:
        """Close the HTTP connections."""
        await self._client.close()

    async def register_customer(
        self, idempotency_key: str, customer: CustomerRequest, *, is_retry: bool = False
    ) -> str:
        """Return the customer that an earlier attempt created, or create it."""
        account, customer_id = customer.account_id.hex, None
        if is_retry:
            since = customer.created_at - _CLOCK_SKEW
            customer_id = await self._client.find_customer(account, since)
        if customer_id is None:
            customer_id = await self._client.create_customer(
                idempotency_key, account, customer.name, customer.email
            )
        return customer_id

    async def use_payment_method(self, idempotency_key: str, stored: PaymentMethodStored) -> None:
        """Set the customer's default payment method."""
        await self._client.set_default_payment_method(
            idempotency_key, stored.customer, stored.payment_method
        )

    async def find_invoice(self, customer: str, invoice_id: UUID) -> ExternalInvoice | None:
        """Find the Stripe invoice that an earlier attempt created, or None."""
        return await self._client.find_invoice(customer, invoice_id.hex)

    async def retrieve_invoice(self, external_id: str) -> ExternalInvoice:
        """Retrieve a Stripe invoice."""
        return await self._client.retrieve_invoice(external_id)

    async def invoice(
        self, invoice: InvoiceRequest, existing: ExternalInvoice | None
    ) -> ExternalInvoice:
        """Create the invoice at Stripe if needed, add its lines and finalize it.

        Raises PermanentFailure if Stripe's total differs from ours.
        """
        key_prefix, expected = f"invoice:{invoice.invoice_id}", invoice.amount_due
        draft = existing or await self._create_draft(f"{key_prefix}:make", invoice)
        if draft.status != "draft":
            return draft
        if draft.total != expected:
            draft = await self._client.add_line_items(f"{key_prefix}:charges", draft, invoice.items)
        if (draft.total, draft.due) != (expected, expected):
            raise PermanentFailure(
                f"Stripe would collect {draft.due} of {draft.total}, but the invoice is {expected}."
            )
        return await self._client.finalize_invoice(f"{key_prefix}:final", draft.id)

    async def _create_draft(self, idempotency_key: str, invoice: InvoiceRequest) -> ExternalInvoice:
        """Create a Stripe draft invoice without lines."""
        return await self._client.create_invoice(
            idempotency_key,
            invoice.customer,
            invoice.invoice_id.hex,
            invoice.number,
            invoice.currency,
            invoice.days_until_due,
            self._payment_methods.get(invoice.currency, ()),
        )

    async def charge(self, idempotency_key: str, external_id: str) -> None:
        """Charge the customer's default payment method. Raises PaymentDeclined."""
        await self._client.charge_invoice(idempotency_key, external_id)

    async def send(self, idempotency_key: str, external_id: str) -> None:
        """Have Stripe e-mail the invoice to the customer."""
        await self._client.send_invoice(idempotency_key, external_id)

    async def mark_paid(self, idempotency_key: str, external_id: str) -> None:
        """Mark the invoice as paid out of band."""
        await self._client.mark_paid_out_of_band(idempotency_key, external_id)

    async def mark_part_paid(
        self, idempotency_key: str, invoice: ExternalInvoice, payment: PartPayment
    ) -> None:
        """Reduce the amount due of an open invoice by a credit note."""
        request = map_part_payment(payment, invoice)
        existing = await self._client.list_credit_notes(invoice.id)
        await self._create_credit_note_once(idempotency_key, invoice.id, request, existing)

    async def void(self, idempotency_key: str, external_id: str) -> None:
        """Void the invoice at Stripe."""
        await self._client.void_invoice(idempotency_key, external_id)

    async def write_off(self, idempotency_key: str, external_id: str) -> None:
        """Mark the invoice as uncollectible at Stripe."""
        await self._client.mark_uncollectible(idempotency_key, external_id)

    async def credit(
        self, idempotency_key: str, invoice: ExternalInvoice, credit: CreditRequest
    ) -> None:
        """Create a Stripe credit note for the part that Stripe collected or has yet to collect."""
        payments = await self._client.list_payments(invoice.id)
        existing = await self._client.list_credit_notes(invoice.id)
        charged = sum(payment.minor for payment in payments)
        refundable = charged - sum(note.refunded for note in existing)
        request = map_credit_note(credit, invoice, refundable)
        await self._create_credit_note_once(idempotency_key, invoice.id, request, existing)

    async def _create_credit_note_once(
        self,
        idempotency_key: str,
        external_id: str,
        request: StripeCreditNoteRequest,
        existing: Sequence[StripeCreditNote],
    ) -> None:
        """Create a credit note unless one with our reference exists from an earlier attempt."""
        if request.total and all(note.our_reference != request.our_reference for note in existing):
            await self._client.create_credit_note(idempotency_key, external_id, request)

    async def list_payments(self, external_id: str) -> Sequence[CollectedPayment]:
        """List the payments that Stripe received for an invoice."""
        return await self._client.list_payments(external_id)

    async def hosted_page(self, external_id: str) -> str | None:
        """Return the URL of Stripe's page of the invoice, or None if there is none yet."""
        return await self._client.get_hosted_invoice_url(external_id)

    async def payment_method_page(self, idempotency_key: str, page: PaymentMethodPage) -> str:
        """Create a Checkout session that stores a payment method; return its URL."""
        return await self._client.create_setup_page(
            idempotency_key, page.customer, page.currency, page.return_url, page.return_url
        )

    async def portal_page(self, customer: str, return_url: str) -> str:
        """Create a session of Stripe's customer portal; return its URL."""
        return await self._client.create_portal_page(customer, return_url)

    async def events(self, since: datetime) -> Sequence[CollectorEvent]:
        """List the events since a time which report a stored payment method."""
        return await self._client.list_events(since, [SETUP_SUCCEEDED])

    async def interpret(self, event: CollectorEvent) -> CollectorUpdate | None:
        """Return the change that an event reports, from its object as it is at Stripe now."""
        # Some objects have no id, such as the Stripe account's balance.
        object_id = str(event.payload["data"]["object"].get("id") or "")
        if event.kind.startswith("invoice."):
            return InvoiceChanged(object_id)
        if event.kind != SETUP_SUCCEEDED:
            return None
        found = await self._client.find_setup_payment_method(object_id)
        if found is None:
            return None
        return PaymentMethodStored(found.customer, found.payment_method, object_id, found.payer)


def create_stripe_collector(settings: Settings) -> StripeCollector | None:
    """Create the collector from the settings. Returns None if no secret key is configured.

    Raises SettingsInvalid.
    """
    if settings.stripe_secret_key is None:
        return None
    secret_key = settings.stripe_secret_key.get_secret_value()
    client = StripeClient(secret_key, settings.stripe_api_base)
    return StripeCollector(client, parse_payment_methods(settings))


def read_stripe_notification(
    settings: Settings, body: bytes, headers: Mapping[str, str]
) -> CollectorEvent:
    """Verify and parse a webhook of Stripe's. Raises InvalidNotification."""
    secret = settings.stripe_webhook_secret
    return parse_signed_event(
        body,
        headers.get("stripe-signature"),
        "" if secret is None else secret.get_secret_value(),
    )
