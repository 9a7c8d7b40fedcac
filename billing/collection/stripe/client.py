"""Stripe: customers, payment methods and collecting finished invoices.

The only file that imports stripe. Every request that changes anything has a business idempotency
key. Owns the requests and translating answers and errors; what is asked for, and what follows from
an answer, is decided elsewhere (billing/collection/stripe/outbox_handlers.py,
billing/collection/stripe/webhooks.py).
"""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from billing.collection.stripe.values import (
    Charge,
    Event,
    KnownCredit,
    PaidPart,
    StripeCredit,
    StripeInvoice,
)
from billing.outbox import Refused, TryLater
from infra.errors import AppError
from infra.lazy_import import LazyModule

if TYPE_CHECKING:
    import stripe
    from stripe import params as asked
    from stripe.params import billing_portal, checkout
else:
    stripe = LazyModule("stripe")

API_VERSION = "2026-10-28.endive"
_TIMEOUT_S = 20.0
# Of a webhook's signature, at most.
_AGE_S = 300
# What comes of reading an event in JSON that is none.
_NO_EVENT = (KeyError, TypeError, AttributeError)


class WebhookForged(AppError):
    """A webhook whose signature is not Stripe's, or too old."""

    status = 400
    type = "invalid_request_error"
    code = "webhook_signature_invalid"


class PaymentDeclined(Exception):
    """The payment method did not pay; `code` is Stripe's word for why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Payments:
    """One Stripe account. Build one for an event loop; `base` only for a stand-in."""

    def __init__(self, key: str, base: str | None = None, timeout_s: float = _TIMEOUT_S) -> None:
        self._http = stripe.HTTPXClient(timeout=timeout_s)
        self._client = stripe.StripeClient(
            key,
            stripe_version=API_VERSION,
            base_addresses={"api": base} if base else {},
            max_network_retries=2,
            http_client=self._http,
        )

    async def close(self) -> None:
        await self._http.close_async()  # type: ignore[no-untyped-call]

    async def make_customer(self, key: str, account: str, name: str, email: str) -> str:
        params: asked.CustomerCreateParams = {"name": name, "metadata": {"maas_account": account}}
        if email:
            params["email"] = email
        async with _told():
            made = await self._client.v1.customers.create_async(params, _once(key))
        return made.id

    async def set_default_method(self, key: str, customer: str, method: str) -> None:
        """Let the customer's invoices be paid by it."""
        params: asked.CustomerUpdateParams = {
            "invoice_settings": {"default_payment_method": method}
        }
        async with _told():
            await self._client.v1.customers.update_async(customer, params, _once(key))

    async def find_customer(self, account: str, since: datetime) -> str | None:
        """A customer that an earlier try made; `since` is before that try."""
        params: asked.CustomerListParams = {
            "created": {"gte": int(since.timestamp())},
            "limit": 100,
        }
        async with _told():
            page = await self._client.v1.customers.list_async(params)
            async for one in page.auto_paging_iter():
                if _noted(one.metadata, "maas_account") == account:
                    return one.id
        return None

    async def find_invoice(self, customer: str, ours: str) -> StripeInvoice | None:
        """An invoice that an earlier try made: Stripe forgets idempotency keys after a day."""
        async with _told():
            page = await self._client.v1.invoices.list_async({"customer": customer, "limit": 100})
            async for one in page.auto_paging_iter():
                found = _invoice(one)
                if found.ours == ours:
                    return found
        return None

    async def make_invoice(
        self, key: str, customer: str, ours: str, number: str, currency: str, days: int | None
    ) -> StripeInvoice:
        """A draft without lines. `days` to pay by, where Stripe is to send it; None: it charges."""
        params: asked.InvoiceCreateParams = {
            "customer": customer,
            "currency": currency.lower(),
            "auto_advance": False,
            "pending_invoice_items_behavior": "exclude",
            "number": number,
            "metadata": {"maas_invoice": ours, "maas_number": number},
            "collection_method": "charge_automatically" if days is None else "send_invoice",
        }
        if days is not None:
            params["days_until_due"] = days
        async with _told():
            return _invoice(await self._client.v1.invoices.create_async(params, _once(key)))

    async def add_charges(
        self, key: str, invoice: StripeInvoice, charges: Sequence[Charge]
    ) -> StripeInvoice:
        """The lines of a draft, all or none: so none is added twice."""
        params: asked.InvoiceAddLinesParams = {
            "lines": [{"amount": one.minor, "description": one.text} for one in charges]
        }
        async with _told():
            done = await self._client.v1.invoices.add_lines_async(invoice.id, params, _once(key))
        return _invoice(done)

    async def read_invoice(self, stripe_id: str) -> StripeInvoice:
        async with _told():
            return _invoice(await self._client.v1.invoices.retrieve_async(stripe_id))

    async def finalise(self, key: str, stripe_id: str) -> StripeInvoice:
        params: asked.InvoiceFinalizeInvoiceParams = {"auto_advance": False}
        async with _told():
            done = await self._client.v1.invoices.finalize_invoice_async(
                stripe_id, params, _once(key)
            )
        return _invoice(done)

    async def send(self, key: str, stripe_id: str) -> None:
        async with _told():
            await self._client.v1.invoices.send_invoice_async(stripe_id, None, _once(key))

    async def charge(self, key: str, stripe_id: str) -> None:
        """Charge the customer's payment method. Raises PaymentDeclined."""
        params: asked.InvoicePayParams = {"off_session": True}
        async with _told():
            await self._client.v1.invoices.pay_async(stripe_id, params, _once(key))

    async def paid_elsewhere(self, key: str, stripe_id: str) -> None:
        """Tell Stripe that the invoice was paid by another way."""
        params: asked.InvoicePayParams = {"paid_out_of_band": True}
        async with _told():
            await self._client.v1.invoices.pay_async(stripe_id, params, _once(key))

    async def void(self, key: str, stripe_id: str) -> None:
        async with _told():
            await self._client.v1.invoices.void_invoice_async(stripe_id, None, _once(key))

    async def give_up(self, key: str, stripe_id: str) -> None:
        async with _told():
            await self._client.v1.invoices.mark_uncollectible_async(stripe_id, None, _once(key))

    async def credit(self, key: str, stripe_id: str, credit: StripeCredit) -> None:
        params: asked.CreditNoteCreateParams = {
            "invoice": stripe_id,
            "memo": credit.memo[:500],
            "amount": credit.total,
            "metadata": {"maas_credit": credit.ours},
        }
        if credit.refund:
            params["refund_amount"] = credit.refund
        if credit.elsewhere:
            params["out_of_band_amount"] = credit.elsewhere
        async with _told():
            await self._client.v1.credit_notes.create_async(params, _once(key))

    async def credits_of(self, stripe_id: str) -> list[KnownCredit]:
        """The credit notes of an invoice: Stripe forgets idempotency keys after a day."""
        params: asked.CreditNoteListParams = {"invoice": stripe_id, "limit": 100}
        async with _told():
            page = await self._client.v1.credit_notes.list_async(params)
            return [_credit(one) async for one in page.auto_paging_iter()]

    async def paid_parts(self, stripe_id: str) -> list[PaidPart]:
        """What was paid for an invoice by Stripe, by payment."""
        params: asked.InvoicePaymentListParams = {
            "invoice": stripe_id,
            "status": "paid",
            "limit": 100,
        }
        async with _told():
            page = await self._client.v1.invoice_payments.list_async(params)
            return [
                PaidPart(one.id, one.amount_paid or 0)
                async for one in page.auto_paging_iter()
                if one.payment.type != "payment_record" and one.amount_paid
            ]

    async def setup_page(
        self, key: str, customer: str, currency: str, success: str, cancel: str
    ) -> str:
        """The address of a Checkout page on which the customer leaves a payment method."""
        params: checkout.SessionCreateParams = {
            "mode": "setup",
            "customer": customer,
            "currency": currency.lower(),
            "success_url": success,
            "cancel_url": cancel,
        }
        async with _told():
            made = await self._client.v1.checkout.sessions.create_async(params, _once(key))
        return made.url or ""

    async def portal_page(self, customer: str, back: str) -> str:
        """The address of Stripe's portal for the customer."""
        params: billing_portal.SessionCreateParams = {
            "customer": customer,
            "return_url": back,
        }
        async with _told():
            return (await self._client.v1.billing_portal.sessions.create_async(params)).url

    async def invoice_page(self, stripe_id: str) -> str | None:
        """The address of Stripe's page of an invoice; None where it has none yet."""
        async with _told():
            return (await self._client.v1.invoices.retrieve_async(stripe_id)).hosted_invoice_url

    async def method_of_setup(self, setup_intent: str) -> tuple[str, str] | None:
        """Of a setup that succeeded: the customer and the payment method. None also where the
        customer left another since: events come out of order."""
        async with _told():
            found = await self._client.v1.setup_intents.retrieve_async(setup_intent)
            if found.status != "succeeded" or not found.customer or not found.payment_method:
                return None
            params: asked.SetupIntentListParams = {"customer": str(found.customer), "limit": 100}
            page = await self._client.v1.setup_intents.list_async(params)
            ended = (one.id async for one in page.auto_paging_iter() if one.status == "succeeded")
            newest = await anext(ended)  # this one at the least
        left = (str(found.customer), str(found.payment_method))
        return left if newest == setup_intent else None

    async def events_since(self, since: datetime, kinds: Sequence[str]) -> list[Event]:
        """Events of these kinds, the newest first, whether they were delivered or not."""
        params: asked.EventListParams = {
            "created": {"gte": int(since.timestamp())},
            "types": list(kinds),
            "limit": 100,
        }
        async with _told():
            page = await self._client.v1.events.list_async(params)
            # The library makes decimals of some texts, which JSON does not know.
            said = [json.dumps(one.to_dict(), default=str) async for one in page.auto_paging_iter()]
        return [_event(json.loads(one)) for one in said]


def read_event(body: bytes, signature: str | None, secret: str) -> Event:
    """A webhook's event. Raises WebhookForged, also where it is none."""
    if not secret:
        raise WebhookForged("Webhooks are not taken here: MAAS_STRIPE_WEBHOOK_SECRET is not set.")
    try:
        stripe.WebhookSignature.verify_header(body.decode(), signature or "", secret, _AGE_S)
        return _event(json.loads(body))
    except (stripe.SignatureVerificationError, ValueError, *_NO_EVENT) as error:
        raise WebhookForged("This is no event that Stripe signed for us.") from error


@asynccontextmanager
async def _told() -> AsyncIterator[None]:
    """Stripe's errors as ours: come again, will not, or the payment was declined."""
    try:
        yield
    except stripe.CardError as error:
        raise PaymentDeclined(_decline(error)) from error
    except (
        stripe.APIConnectionError,
        stripe.RateLimitError,
        stripe.IdempotencyError,
        stripe.AuthenticationError,
        stripe.PermissionError,
    ) as error:
        raise TryLater(
            f"{type(error).__name__}: {error.user_message or error.code or ''}"
        ) from error
    except stripe.InvalidRequestError as error:
        raise Refused(f"{error.code or 'invalid_request'}: {error.user_message or ''}") from error
    except stripe.StripeError as error:
        raise TryLater(
            f"{type(error).__name__}: {error.user_message or error.code or ''}"
        ) from error


def _decline(error: "stripe.CardError") -> str:
    said = error.json_body if isinstance(error.json_body, dict) else {}
    return str(said.get("error", {}).get("decline_code") or error.code or "declined")


def _once(key: str) -> Any:
    return {"idempotency_key": f"maas:{key}"}


def _event(said: dict[str, Any]) -> Event:
    return Event(said["id"], said["type"], str(said["data"]["object"].get("id") or ""), said)


def _invoice(found: "stripe.Invoice") -> StripeInvoice:
    return StripeInvoice(
        id=found.id or "",
        status=found.status or "",
        total=found.total,
        due=found.amount_due,
        remaining=found.amount_remaining,
        paid=found.amount_paid,
        given_back=found.post_payment_credit_notes_amount,
        currency=found.currency.upper(),
        ours=_noted(found.metadata, "maas_invoice"),
        customer=str(found.customer),
    )


def _credit(found: "stripe.CreditNote") -> KnownCredit:
    refunded = sum(one.amount_refunded for one in found.refunds)
    return KnownCredit(_noted(found.metadata, "maas_credit"), refunded)


def _noted(metadata: "stripe.StripeObject | None", name: str) -> str | None:
    return metadata.to_dict().get(name) if metadata else None
