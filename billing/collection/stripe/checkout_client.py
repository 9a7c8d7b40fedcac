"""Client for single payments: Checkout sessions, saved payment methods, refunds.

Every write request carries an idempotency key derived from our number of the order or refund.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from billing.collection.stripe.client import (
    StripeClient,
    idempotent,
    map_stripe_errors,
)
from billing.collection.stripe.parsing import metadata_value
from billing.collection.stripe.payers import INTENT_WITH_CHARGE, intent_payer
from billing.outbox import PermanentFailure

if TYPE_CHECKING:
    import stripe
    from stripe import params as stripe_params
    from stripe.params import checkout

# The order's session is created within the order's lifetime; clocks differ.
_CLOCK_SKEW, _LIFETIME = timedelta(minutes=10), timedelta(hours=1)
# Nearly always at once. Of many orders in an hour, few sessions are then read before it is found.
_USUALLY_WITHIN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class CheckoutRequest:
    """A page on which an order is paid; amounts are in minor units."""

    number: str
    minor: int
    currency: str
    description: str
    expires_at: datetime
    return_url: str
    payment_methods: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class CheckoutSession:
    """A Checkout session: its status, and its payment if there is one.

    `intent_status` and `payer`, the fingerprint of a card or wallet, are known of sessions with
    an expanded payment intent; events have its id only.
    """

    id: str
    number: str
    status: str
    payment_status: str
    payment_intent: str
    minor: int
    currency: str
    intent_status: str = ""
    payer: str = ""


@dataclass(frozen=True, slots=True)
class StripeRefund:
    """A refund at Stripe; `minor` is its amount in minor units."""

    id: str
    status: str
    minor: int


@dataclass(frozen=True, slots=True)
class SavedMethodPayment:
    """A payment intent of a saved payment method; `minor` is its amount in minor units."""

    id: str
    status: str
    minor: int


class CheckoutClient(StripeClient):
    """The API client of one Stripe account for single payments, bound to one event loop."""

    async def create_session(self, request: CheckoutRequest) -> str:
        """Create a session in payment mode. Returns the URL of its page."""
        params: checkout.SessionCreateParams = {
            "mode": "payment",
            "client_reference_id": request.number,
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": request.currency.lower(),
                        "unit_amount": request.minor,
                        "product_data": {"name": request.description},
                    },
                }
            ],
            "metadata": {"maas_order": request.number},
            "payment_intent_data": {"metadata": {"maas_order": request.number}},
            "expires_at": int(request.expires_at.timestamp()),
            "success_url": request.return_url,
            "cancel_url": request.return_url,
        }
        if request.payment_methods:
            params["allowed_payment_method_types"] = list(request.payment_methods)
        if "wechat_pay" in request.payment_methods:
            params["payment_method_options"] = {"wechat_pay": {"client": "web"}}
        async with map_stripe_errors():
            session = await self._api.checkout.sessions.create_async(
                params, idempotent(f"checkout:{request.number}")
            )
        return session.url or ""

    async def find_session(self, number: str, created_at: datetime) -> CheckoutSession | None:
        """Return the session of an order that was created at a time, None if there is none."""
        usual = await self._find_session_between(
            number, created_at - _USUALLY_WITHIN, created_at + _USUALLY_WITHIN
        )
        return usual or await self._find_session_between(
            number, created_at - _CLOCK_SKEW, created_at + _LIFETIME
        )

    async def _find_session_between(
        self, number: str, start: datetime, end: datetime
    ) -> CheckoutSession | None:
        """Return the session of an order among those created between two times, None without."""
        params: checkout.SessionListParams = {
            "created": {"gte": int(start.timestamp()), "lte": int(end.timestamp())},
            "limit": 100,
            "expand": [f"data.{INTENT_WITH_CHARGE}"],
        }
        async with map_stripe_errors():
            page = await self._api.checkout.sessions.list_async(params)
            async for session in page.auto_paging_iter():
                if session.client_reference_id == number:
                    return parse_session(session.to_dict())
        return None

    async def expire_session(self, session_id: str) -> None:
        """End an open session, so that nobody can pay on its page any more.

        One that was completed or has expired meanwhile stays as it is.
        """
        try:
            async with map_stripe_errors():
                await self._api.checkout.sessions.expire_async(session_id)
        except PermanentFailure:
            return

    async def charge_saved_method(
        self, number: str, customer: str, minor: int, currency: str
    ) -> SavedMethodPayment | None:
        """Charge the customer's default payment method.

        Returns None if there is none, or no customer any more: Stripe describes a deleted customer
        by its id alone.
        Raises PaymentDeclined, also if the bank asks for the customer.
        """
        async with map_stripe_errors():
            found = await self._api.customers.retrieve_async(customer)
        settings = None if getattr(found, "deleted", False) else found.invoice_settings
        method = settings.default_payment_method if settings else None
        if method is None:
            return None
        params: stripe_params.PaymentIntentCreateParams = {
            "amount": minor,
            "currency": currency.lower(),
            "customer": customer,
            "payment_method": str(method),
            "off_session": True,
            "confirm": True,
            "metadata": {"maas_order": number},
        }
        async with map_stripe_errors():
            intent = await self._api.payment_intents.create_async(
                params, idempotent(f"auto_top_up:{number}")
            )
        return SavedMethodPayment(intent.id, intent.status, intent.amount)

    async def find_saved_method_payment(
        self, number: str, customer: str, created_at: datetime
    ) -> SavedMethodPayment | None:
        """Return the payment intent of an order of a customer, None if there is none."""
        params: stripe_params.PaymentIntentListParams = {
            "customer": customer,
            "created": {"gte": int((created_at - _CLOCK_SKEW).timestamp())},
            "limit": 100,
        }
        async with map_stripe_errors():
            page = await self._api.payment_intents.list_async(params)
            async for intent in page.auto_paging_iter():
                if metadata_value(intent.metadata, "maas_order") == number:
                    return SavedMethodPayment(intent.id, intent.status, intent.amount)
        return None

    async def cancel_payment(self, intent: str) -> None:
        """Cancel a payment intent, so that nobody can complete it later."""
        async with map_stripe_errors():
            await self._api.payment_intents.cancel_async(intent)

    async def create_refund(self, number: str, payment_intent: str, minor: int) -> StripeRefund:
        """Refund a part of a payment; a repeated number has no effect within a day."""
        params: stripe_params.RefundCreateParams = {
            "payment_intent": payment_intent,
            "amount": minor,
            "metadata": {"maas_refund": number},
        }
        async with map_stripe_errors():
            refund = await self._api.refunds.create_async(params, idempotent(f"refund:{number}"))
        return _parse_refund(refund)

    async def find_refund(self, number: str, payment_intent: str) -> StripeRefund | None:
        """Return the refund of a payment with our number, None if there is none."""
        params: stripe_params.RefundListParams = {"payment_intent": payment_intent, "limit": 100}
        async with map_stripe_errors():
            page = await self._api.refunds.list_async(params)
            async for refund in page.auto_paging_iter():
                if metadata_value(refund.metadata, "maas_refund") == number:
                    return _parse_refund(refund)
        return None


def parse_session(session: dict[str, Any]) -> CheckoutSession:
    """Convert a session as Stripe sends it. Raises KeyError or TypeError if it is malformed."""
    intent = session["payment_intent"]
    is_expanded = isinstance(intent, dict)
    return CheckoutSession(
        id=str(session["id"]),
        number=str(session["client_reference_id"] or ""),
        status=str(session["status"]),
        payment_status=str(session["payment_status"]),
        payment_intent=str(intent["id"] if is_expanded else intent or ""),
        minor=int(session["amount_total"] or 0),
        currency=str(session["currency"] or "").upper(),
        intent_status=str(intent["status"]) if is_expanded else "",
        payer=intent_payer(intent),
    )


def _parse_refund(refund: "stripe.Refund") -> StripeRefund:
    """Convert a Stripe refund; amounts are in minor units."""
    return StripeRefund(refund.id, refund.status or "pending", refund.amount)
