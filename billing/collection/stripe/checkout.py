"""Stripe Checkout in payment mode as a payment provider: a page instead of a QR code.

An order's code is the page's URL. Cards, and other methods that the Stripe account or the setting
MAAS_STRIPE_PAYMENT_METHODS offers, Alipay and WeChat Pay among them. A payment that takes days, as
a bank debit, stays pending until Stripe says that it has succeeded.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from billing.collection.collector import InvalidNotification
from billing.collection.payments.provider import (
    Notification,
    OrderRequest,
    PaymentResult,
    ProviderInfo,
    RefundRequest,
    RefundResult,
    RefundState,
    TradeState,
)
from billing.collection.stripe.checkout_client import (
    CheckoutClient,
    CheckoutRequest,
    CheckoutSession,
    parse_session,
)
from billing.collection.stripe.client import parse_signed_event
from billing.collection.stripe.info import STRIPE, STRIPE_CHECKOUT
from billing.collection.stripe.payment_methods import PaymentMethods, parse_payment_methods
from billing.outbox import PermanentFailure
from infra.clock import Clock
from infra.settings import Settings, SettingsInvalid

# Stripe ends a session after 30 minutes at the earliest; orders are closed by us.
_MIN_LIFETIME = timedelta(minutes=35)
# Others are pending. A canceled refund is not paid out any more, so the money is still here.
_REFUND_STATES = {
    "succeeded": RefundState.SUCCEEDED,
    "failed": RefundState.FAILED,
    "canceled": RefundState.FAILED,
}
_UNPAID_INTENTS = frozenset({"requires_payment_method", "canceled"})


class StripeCheckout:
    """The provider of one Stripe account, bound to one event loop."""

    def __init__(
        self,
        client: CheckoutClient,
        webhook_secret: str,
        return_url: str,
        payment_methods: PaymentMethods,
    ) -> None:
        self._client = client
        self._webhook_secret = webhook_secret
        self._return_url = return_url
        self._payment_methods = payment_methods

    @property
    def info(self) -> ProviderInfo:
        """Name, label and currencies of Stripe Checkout."""
        return STRIPE_CHECKOUT

    async def close(self) -> None:
        """Close the HTTP connections."""
        await self._client.close()

    async def create_order(self, order: OrderRequest) -> str:
        """Create a page for an order; return its URL."""
        request = CheckoutRequest(
            number=order.number,
            minor=order.minor,
            currency=order.currency,
            description=order.description[:250],
            expires_at=max(order.expires_at, order_created_at(order.number) + _MIN_LIFETIME),
            return_url=self._return_url,
            payment_methods=self._payment_methods.get(order.currency, ()),
        )
        return await self._client.create_session(request)

    async def query_order(self, number: str) -> PaymentResult:
        """Return the state of an order."""
        session = await self._client.find_session(number, order_created_at(number))
        return PaymentResult(number, TradeState.ABSENT) if session is None else _result(session)

    async def close_order(self, number: str) -> None:
        """Close an unpaid order; one that is paid or unknown there stays as it is."""
        session = await self._client.find_session(number, order_created_at(number))
        if session is not None and session.status == "open":
            await self._client.expire_session(session.id)

    async def refund(self, refund: RefundRequest) -> RefundResult:
        """Refund a part of an order; a repeated number has no effect."""
        existing = await self.query_refund(refund)
        if existing is not None:
            return existing
        intent = await self._payment_intent(refund.order_number)
        made = await self._client.create_refund(refund.number, intent, refund.minor)
        state = _REFUND_STATES.get(made.status, RefundState.PENDING)
        return RefundResult(refund.number, state, made.id, made.minor, made.status)

    async def query_refund(self, refund: RefundRequest) -> RefundResult | None:
        """Return the state of a refund, None if Stripe does not have it."""
        intent = await self._payment_intent(refund.order_number)
        found = await self._client.find_refund(refund.number, intent)
        if found is None:
            return None
        state = _REFUND_STATES.get(found.status, RefundState.PENDING)
        return RefundResult(refund.number, state, found.id, found.minor, found.status)

    async def fetch_keys(self) -> Sequence[str]:
        """Return nothing: Stripe signs with a secret of the settings."""
        return ()

    def read_notification(self, body: bytes, headers: Mapping[str, str]) -> Notification | None:
        """Verify and parse an event about a session of an order; None for others."""
        event = parse_signed_event(body, headers.get("stripe-signature"), self._webhook_secret)
        if not event.kind.startswith("checkout.session."):
            return None
        try:
            session = parse_session(event.payload["data"]["object"])
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidNotification("The event has no Checkout session.") from error
        if not session.number:
            return None
        if event.kind == "checkout.session.async_payment_failed":
            return PaymentResult(session.number, TradeState.FAILED)
        return _result(session)

    async def _payment_intent(self, number: str) -> str:
        """Return the payment intent of an order. Raises PermanentFailure if it was not paid."""
        session = await self._client.find_session(number, order_created_at(number))
        if session is None or not session.payment_intent:
            raise PermanentFailure("Stripe has no payment of this order.")
        return session.payment_intent


def create_stripe_checkout(settings: Settings, _clock: Clock) -> StripeCheckout | None:
    """Create the provider from the settings. Returns None without the secret of its webhook.

    Raises SettingsInvalid.
    """
    secret = settings.stripe_checkout_webhook_secret
    if secret is None:
        return None
    if settings.stripe_secret_key is None or settings.public_url is None:
        raise SettingsInvalid(
            "MAAS_STRIPE_CHECKOUT_WEBHOOK_SECRET needs MAAS_STRIPE_SECRET_KEY and MAAS_PUBLIC_URL."
        )
    client = CheckoutClient(settings.stripe_secret_key.get_secret_value(), settings.stripe_api_base)
    return StripeCheckout(
        client,
        secret.get_secret_value(),
        f"{str(settings.public_url).rstrip('/')}/dashboard/wallet",
        parse_payment_methods(settings),
    )


def _result(session: CheckoutSession) -> PaymentResult:
    """Return what a session says of its order."""
    if session.payment_status == "paid":
        return PaymentResult(
            session.number,
            TradeState.PAID,
            session.payment_intent,
            session.minor,
            session.currency,
            payer=session.payer,
            payer_kind=STRIPE.name,
            is_payer_pending=not session.intent_status,
        )
    if session.status == "expired":
        return PaymentResult(session.number, TradeState.CLOSED)
    if session.status == "complete" and session.intent_status in _UNPAID_INTENTS:
        return PaymentResult(session.number, TradeState.FAILED)
    return PaymentResult(session.number, TradeState.PENDING)


def order_created_at(number: str) -> datetime:
    """Return when an order was created: its number is a UUIDv7, which begins with the time.

    Stripe finds sessions by their time of creation, not by our number.
    """
    return datetime.fromtimestamp((UUID(hex=number).int >> 80) / 1000, UTC)
