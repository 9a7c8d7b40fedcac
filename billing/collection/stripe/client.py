"""Client for the Stripe API: customers, payment methods, invoices, credit notes and events.

The only file that imports `stripe`. Every write request carries an idempotency key derived from a
business key. Stripe forgets idempotency keys after a day, so callers that may retry later look for
existing objects first (`find_customer`, `find_invoice`, `list_credit_notes`).
"""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from billing.collection.collector import (
    CollectedPayment,
    CollectorEvent,
    ExternalInvoice,
    InvalidNotification,
    InvoiceItem,
    PaymentDeclined,
)
from billing.collection.stripe.info import STRIPE
from billing.collection.stripe.parsing import metadata_value, parse_credit_note, parse_invoice
from billing.collection.stripe.payers import INTENT_WITH_CHARGE, intent_payer, method_payer
from billing.collection.stripe.values import (
    StoredMethod,
    StripeCreditNote,
    StripeCreditNoteRequest,
)
from billing.outbox import PermanentFailure, RetryLater
from infra.lazy_import import LazyModule

if TYPE_CHECKING:
    import stripe
    from stripe import params as stripe_params
    from stripe.params import billing_portal, checkout
else:
    stripe = LazyModule("stripe")

API_VERSION = "2026-10-28.endive"
_TIMEOUT_S = 20.0
_MAX_SIGNATURE_AGE_S = 300
# Raised when valid JSON does not have the shape of a Stripe event.
_MALFORMED_EVENT_ERRORS = (KeyError, TypeError, AttributeError)


class StripeClient:
    """The API client of one Stripe account, bound to one event loop.

    `base_url` replaces the API's base URL; only tests set it.
    """

    def __init__(
        self, api_key: str, base_url: str | None = None, timeout_s: float = _TIMEOUT_S
    ) -> None:
        self._http = stripe.HTTPXClient(timeout=timeout_s)
        self._api = stripe.StripeClient(
            api_key,
            stripe_version=API_VERSION,
            base_addresses={"api": base_url} if base_url else {},
            max_network_retries=2,
            http_client=self._http,
        ).v1

    async def close(self) -> None:
        """Close the HTTP connections."""
        await self._http.close_async()  # type: ignore[no-untyped-call]

    async def create_customer(
        self, idempotency_key: str, account_id: str, name: str, email: str
    ) -> str:
        """Create a customer with our account id in its metadata. Returns Stripe's customer id."""
        params: stripe_params.CustomerCreateParams = {
            "name": name,
            "metadata": {"maas_account": account_id},
        }
        if email:
            params["email"] = email
        async with map_stripe_errors():
            created = await self._api.customers.create_async(params, idempotent(idempotency_key))
        return created.id

    async def set_default_payment_method(
        self, idempotency_key: str, customer: str, payment_method: str
    ) -> None:
        """Set the payment method that Stripe charges for the customer's invoices."""
        params: stripe_params.CustomerUpdateParams = {
            "invoice_settings": {"default_payment_method": payment_method}
        }
        async with map_stripe_errors():
            await self._api.customers.update_async(customer, params, idempotent(idempotency_key))

    async def find_customer(self, account_id: str, since: datetime) -> str | None:
        """Find the customer that an earlier attempt created for the account, by its metadata.

        `since` is a time before that attempt. Returns Stripe's customer id, or None.
        """
        params: stripe_params.CustomerListParams = {
            "created": {"gte": int(since.timestamp())},
            "limit": 100,
        }
        async with map_stripe_errors():
            page = await self._api.customers.list_async(params)
            async for customer in page.auto_paging_iter():
                if metadata_value(customer.metadata, "maas_account") == account_id:
                    return customer.id
        return None

    async def find_invoice(self, customer: str, invoice_id: str) -> ExternalInvoice | None:
        """Find the Stripe invoice that an earlier attempt created, by its metadata, or None."""
        async with map_stripe_errors():
            page = await self._api.invoices.list_async({"customer": customer, "limit": 100})
            async for item in page.auto_paging_iter():
                invoice = parse_invoice(item)
                if invoice.our_invoice_id == invoice_id:
                    return invoice
        return None

    async def create_invoice(
        self,
        idempotency_key: str,
        customer: str,
        invoice_id: str,
        number: str,
        currency: str,
        days_until_due: int | None,
        payment_methods: Sequence[str] = (),
    ) -> ExternalInvoice:
        """Create a draft without lines; Stripe charges it if `days_until_due` is None, or sends it.

        With `days_until_due`, Stripe sends the invoice, which can be paid by `payment_methods` (by
        those of the Stripe account if there are none); with None, Stripe charges the customer's
        payment method.
        """
        collection_method: Literal["charge_automatically", "send_invoice"] = (
            "charge_automatically" if days_until_due is None else "send_invoice"
        )
        params: stripe_params.InvoiceCreateParams = {
            "customer": customer,
            "currency": currency.lower(),
            "auto_advance": False,
            "pending_invoice_items_behavior": "exclude",
            "number": number,
            "metadata": {"maas_invoice": invoice_id, "maas_number": number},
            "collection_method": collection_method,
        }
        if days_until_due is not None:
            params["days_until_due"] = days_until_due
            if payment_methods:
                params["payment_settings"] = {"payment_method_types": list(payment_methods)}
        async with map_stripe_errors():
            return parse_invoice(
                await self._api.invoices.create_async(params, idempotent(idempotency_key))
            )

    async def add_line_items(
        self, idempotency_key: str, invoice: ExternalInvoice, items: Sequence[InvoiceItem]
    ) -> ExternalInvoice:
        """Add all lines to a draft in one request, so that a retry never adds a line twice."""
        params: stripe_params.InvoiceAddLinesParams = {
            "lines": [{"amount": item.minor, "description": item.text} for item in items]
        }
        async with map_stripe_errors():
            updated = await self._api.invoices.add_lines_async(
                invoice.id, params, idempotent(idempotency_key)
            )
        return parse_invoice(updated)

    async def retrieve_invoice(self, stripe_id: str) -> ExternalInvoice:
        """Retrieve an invoice by Stripe's id."""
        async with map_stripe_errors():
            return parse_invoice(await self._api.invoices.retrieve_async(stripe_id))

    async def finalize_invoice(self, idempotency_key: str, stripe_id: str) -> ExternalInvoice:
        """Finalize a draft without starting automatic collection."""
        params: stripe_params.InvoiceFinalizeInvoiceParams = {"auto_advance": False}
        async with map_stripe_errors():
            finalized = await self._api.invoices.finalize_invoice_async(
                stripe_id, params, idempotent(idempotency_key)
            )
        return parse_invoice(finalized)

    async def send_invoice(self, idempotency_key: str, stripe_id: str) -> None:
        """Have Stripe e-mail the invoice to the customer."""
        async with map_stripe_errors():
            await self._api.invoices.send_invoice_async(
                stripe_id, None, idempotent(idempotency_key)
            )

    async def charge_invoice(self, idempotency_key: str, stripe_id: str) -> None:
        """Charge the customer's payment method for an invoice. Raises PaymentDeclined."""
        params: stripe_params.InvoicePayParams = {"off_session": True}
        async with map_stripe_errors():
            await self._api.invoices.pay_async(stripe_id, params, idempotent(idempotency_key))

    async def mark_paid_out_of_band(self, idempotency_key: str, stripe_id: str) -> None:
        """Mark an invoice as paid outside Stripe."""
        params: stripe_params.InvoicePayParams = {"paid_out_of_band": True}
        async with map_stripe_errors():
            await self._api.invoices.pay_async(stripe_id, params, idempotent(idempotency_key))

    async def void_invoice(self, idempotency_key: str, stripe_id: str) -> None:
        """Void an invoice at Stripe."""
        async with map_stripe_errors():
            await self._api.invoices.void_invoice_async(
                stripe_id, None, idempotent(idempotency_key)
            )

    async def mark_uncollectible(self, idempotency_key: str, stripe_id: str) -> None:
        """Mark an invoice as uncollectible at Stripe."""
        async with map_stripe_errors():
            await self._api.invoices.mark_uncollectible_async(
                stripe_id, None, idempotent(idempotency_key)
            )

    async def create_credit_note(
        self, idempotency_key: str, stripe_id: str, credit: StripeCreditNoteRequest
    ) -> None:
        """Create a credit note for an invoice."""
        params: stripe_params.CreditNoteCreateParams = {
            "invoice": stripe_id,
            "memo": credit.memo[:500],
            "amount": credit.total,
            "metadata": {"maas_credit": credit.our_reference},
        }
        if credit.refund:
            params["refund_amount"] = credit.refund
        if credit.out_of_band:
            params["out_of_band_amount"] = credit.out_of_band
        async with map_stripe_errors():
            await self._api.credit_notes.create_async(params, idempotent(idempotency_key))

    async def list_credit_notes(self, stripe_id: str) -> list[StripeCreditNote]:
        """List the credit notes of an invoice."""
        async with map_stripe_errors():
            page = await self._api.credit_notes.list_async({"invoice": stripe_id, "limit": 100})
            return [parse_credit_note(item) async for item in page.auto_paging_iter()]

    async def list_payments(self, stripe_id: str) -> list[CollectedPayment]:
        """List the payments that Stripe collected for an invoice, without out-of-band payments."""
        params: stripe_params.InvoicePaymentListParams = {
            "invoice": stripe_id,
            "status": "paid",
            "limit": 100,
            "expand": [f"data.payment.{INTENT_WITH_CHARGE}"],
        }
        async with map_stripe_errors():
            page = await self._api.invoice_payments.list_async(params)
            return [
                CollectedPayment(
                    item.id,
                    item.amount_paid or 0,
                    intent_payer(item.payment.to_dict().get("payment_intent")),
                )
                async for item in page.auto_paging_iter()
                if item.payment.type != "payment_record" and item.amount_paid
            ]

    async def create_setup_page(
        self, idempotency_key: str, customer: str, currency: str, success_url: str, cancel_url: str
    ) -> str:
        """Create a Checkout session in setup mode, which stores a payment method.

        Returns the page's URL.
        """
        params: checkout.SessionCreateParams = {
            "mode": "setup",
            "customer": customer,
            "currency": currency.lower(),
            "success_url": success_url,
            "cancel_url": cancel_url,
        }
        async with map_stripe_errors():
            session = await self._api.checkout.sessions.create_async(
                params, idempotent(idempotency_key)
            )
        return session.url or ""

    async def create_portal_page(self, customer: str, return_url: str) -> str:
        """Create a session of Stripe's customer portal. Returns the page's URL."""
        params: billing_portal.SessionCreateParams = {
            "customer": customer,
            "return_url": return_url,
        }
        async with map_stripe_errors():
            return (await self._api.billing_portal.sessions.create_async(params)).url

    async def get_hosted_invoice_url(self, stripe_id: str) -> str | None:
        """Return the URL of the invoice's page at Stripe, or None if Stripe has not created it."""
        async with map_stripe_errors():
            return (await self._api.invoices.retrieve_async(stripe_id)).hosted_invoice_url

    async def find_setup_payment_method(self, setup_intent: str) -> StoredMethod | None:
        """Return the payment method of a succeeded setup intent, with its customer.

        Returns None if the setup did not succeed, or if a later setup of the customer succeeded
        since: events arrive out of order.
        """
        async with map_stripe_errors():
            found = await self._api.setup_intents.retrieve_async(
                setup_intent, {"expand": ["payment_method"]}
            )
            setup = found.to_dict()
            customer, method = setup["customer"], setup["payment_method"]
            if setup["status"] != "succeeded" or not customer or not method:
                return None
            params: stripe_params.SetupIntentListParams = {
                "customer": customer,
                "limit": 100,
            }
            page = await self._api.setup_intents.list_async(params)
            succeeded = (
                item.id async for item in page.auto_paging_iter() if item.status == "succeeded"
            )
            newest = await anext(succeeded)  # never empty: it has at least `setup`
        result = StoredMethod(customer, method["id"], method_payer(method))
        return result if newest == setup_intent else None

    async def list_events(
        self, since: datetime, event_types: Sequence[str]
    ) -> list[CollectorEvent]:
        """List events of these types, newest first, including events that were never delivered."""
        params: stripe_params.EventListParams = {
            "created": {"gte": int(since.timestamp())},
            "types": list(event_types),
            "limit": 100,
        }
        async with map_stripe_errors():
            page = await self._api.events.list_async(params)
            # The library converts some strings to Decimal, which JSON cannot encode.
            payloads = [
                json.dumps(item.to_dict(), default=str) async for item in page.auto_paging_iter()
            ]
        return [_parse_event(json.loads(payload)) for payload in payloads]


def parse_signed_event(body: bytes, signature: str | None, secret: str) -> CollectorEvent:
    """Verify a webhook's signature and parse its event. Raises InvalidNotification."""
    if not secret:
        raise InvalidNotification(
            "Stripe webhooks are not accepted: MAAS_STRIPE_WEBHOOK_SECRET is not set."
        )
    try:
        stripe.WebhookSignature.verify_header(
            body.decode(), signature or "", secret, _MAX_SIGNATURE_AGE_S
        )
        return _parse_event(json.loads(body))
    except (stripe.SignatureVerificationError, ValueError, *_MALFORMED_EVENT_ERRORS) as error:
        raise InvalidNotification("The event's Stripe signature is not valid.") from error


@asynccontextmanager
async def map_stripe_errors() -> AsyncIterator[None]:
    """Map Stripe's errors to RetryLater, PermanentFailure (no retry) or PaymentDeclined."""
    try:
        yield
    except stripe.CardError as error:
        raise PaymentDeclined(_decline_code(error)) from error
    except stripe.InvalidRequestError as error:
        raise PermanentFailure(
            f"{error.code or 'invalid_request'}: {error.user_message or ''}"
        ) from error
    except stripe.StripeError as error:  # network, rate limit, authentication, permissions
        raise RetryLater(
            f"{type(error).__name__}: {error.user_message or error.code or ''}"
        ) from error


def _decline_code(error: "stripe.CardError") -> str:
    """Return why the card was declined: Stripe's decline code, else its error code."""
    body = error.json_body if isinstance(error.json_body, dict) else {}
    return str(body.get("error", {}).get("decline_code") or error.code or "declined")


def idempotent(key: str) -> Any:
    """Return the Stripe request options with an idempotency key, prefixed by `maas:`."""
    return {"idempotency_key": f"maas:{key}"}


def _parse_event(payload: dict[str, Any]) -> CollectorEvent:
    """Convert a Stripe event. Raises KeyError, TypeError or AttributeError if it is malformed."""
    # Reading an id proves the shape of an event: `data.object` is an object.
    payload["data"]["object"].get("id")
    return CollectorEvent(STRIPE.name, payload["id"], payload["type"], payload)
