"""Charges of the payment method that a customer has saved at Stripe, for automatic top-ups."""

from billing.collection.collector import PaymentDeclined
from billing.collection.payments.off_session import SavedMethodCharge
from billing.collection.payments.provider import PaymentResult, TradeState
from billing.collection.stripe.checkout import order_created_at
from billing.collection.stripe.checkout_client import CheckoutClient, SavedMethodPayment
from billing.collection.stripe.info import STRIPE
from infra.settings import Settings

_PENDING = frozenset({"processing", "requires_capture"})


class StripeOffSession:
    """The saved payment methods of one Stripe account, bound to one event loop."""

    def __init__(self, client: CheckoutClient) -> None:
        self._client = client

    @property
    def collector(self) -> str:
        """The name of the collector with which customers are registered."""
        return STRIPE.name

    async def close(self) -> None:
        """Close the HTTP connections."""
        await self._client.close()

    async def find(self, charge: SavedMethodCharge) -> PaymentResult | None:
        """Return the result of an earlier charge, None if there is none.

        One that waits for the customer is canceled: it would be paid when nobody expects it.
        """
        created_at = order_created_at(charge.number)
        found = await self._client.find_saved_method_payment(
            charge.number, charge.customer, created_at
        )
        if found is None:
            return None
        result = _result(charge, found)
        if result.state is TradeState.FAILED and found.status != "canceled":
            await self._client.cancel_payment(found.id)
        return result

    async def charge(self, charge: SavedMethodCharge) -> PaymentResult:
        """Charge the default payment method; without one, or if declined, the result is failed."""
        try:
            made = await self._client.charge_saved_method(
                charge.number, charge.customer, charge.minor, charge.currency
            )
        except PaymentDeclined:
            made = None
            found = await self.find(charge)
            if found is not None:
                return found
        if made is None:
            return PaymentResult(charge.number, TradeState.FAILED)
        return _result(charge, made)


def create_stripe_off_session(settings: Settings) -> StripeOffSession | None:
    """Create the charger from the settings. Returns None if no secret key is configured."""
    if settings.stripe_secret_key is None:
        return None
    key = settings.stripe_secret_key.get_secret_value()
    return StripeOffSession(CheckoutClient(key, settings.stripe_api_base))


def _result(charge: SavedMethodCharge, payment: SavedMethodPayment) -> PaymentResult:
    """Return what a payment intent says of its order."""
    if payment.status == "succeeded":
        return PaymentResult(
            charge.number, TradeState.PAID, payment.id, payment.minor, charge.currency
        )
    state = TradeState.PENDING if payment.status in _PENDING else TradeState.FAILED
    return PaymentResult(charge.number, state)
