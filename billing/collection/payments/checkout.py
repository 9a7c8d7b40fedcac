"""A customer's payment by QR code: the steps that need the provider.

No transaction is open while the provider is asked. What it says is recorded by
`record_payment_result`, whoever asks.
"""

from uuid import UUID

from billing.collection.payments.descriptions import describe_order
from billing.collection.payments.orders import (
    PaymentMethodUnavailable,
    end_order,
    get_order,
    lock_order,
    store_code,
)
from billing.collection.payments.provider import OrderRequest, PaymentProvider
from billing.collection.payments.providers import PaymentProviders
from billing.collection.payments.recording import RecordedAs, record_payment_result
from billing.collection.payments.results import OrderState
from billing.outbox import PermanentFailure
from billing.tables import PaymentOrder
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError


class PaymentProviderUnavailable(AppError):
    """The payment provider of an order does not answer, or has rejected the order."""

    status = 503
    code = "payment_provider_unavailable"


class Checkout:
    """Requests codes, cancels orders and asks the provider about them."""

    def __init__(self, database: Database, clock: Clock, providers: PaymentProviders) -> None:
        self._database = database
        self._clock = clock
        self._providers = providers

    @property
    def providers(self) -> PaymentProviders:
        """The configured providers."""
        return self._providers

    async def close(self) -> None:
        """Close the connections to the providers."""
        await self._providers.close()

    def require_provider(self, method: str) -> PaymentProvider:
        """Return a configured provider. Raises PaymentMethodUnavailable."""
        provider = self._providers.find(method)
        if provider is None:
            raise PaymentMethodUnavailable(
                f"The payment method {method[:40]!r} is not available.", param="method"
            )
        return provider

    async def request_code(self, account_id: UUID, order_id: UUID) -> PaymentOrder:
        """Have the provider create a new order, and store the content of its QR code.

        An order that has its code already is returned as it is; one that the provider rejects has
        failed. Raises PaymentOrderNotFound, PaymentMethodUnavailable, RetryLater, PermanentFailure.
        """
        async with self._database.transaction() as session:
            order = await get_order(session, account_id, order_id)
            description = await describe_order(session, order)
        if order.state != OrderState.CREATED:
            return order
        request = OrderRequest(
            order.number, order.minor, order.currency, description, order.expires_at
        )
        try:
            code = await self.require_provider(order.method).create_order(request)
        except PermanentFailure:
            await self._end(account_id, order_id, OrderState.FAILED)
            raise
        async with self._database.transaction() as session:
            order = await lock_order(session, account_id, order_id)
            await store_code(session, order, code)
        return order

    async def cancel(self, account_id: UUID, order_id: UUID) -> PaymentOrder:
        """Close an active order at the provider, then here, unless it was paid meanwhile.

        Raises PaymentOrderNotFound, PaymentMethodUnavailable, RetryLater, PermanentFailure.
        """
        order = await self.get(account_id, order_id)
        if not OrderState(order.state).is_active:
            return order
        await self.require_provider(order.method).close_order(order.number)
        await self.query(order)
        return await self._end(account_id, order_id, OrderState.CLOSED)

    async def expire(self, order: PaymentOrder) -> PaymentOrder:
        """Close an order past its expiry at the provider, then here. Raises as `cancel`."""
        await self.require_provider(order.method).close_order(order.number)
        return await self._end(order.account_id, order.id, OrderState.EXPIRED)

    async def query(self, order: PaymentOrder) -> RecordedAs:
        """Ask the provider about an order and record what it says.

        Raises PaymentMethodUnavailable, RetryLater, PermanentFailure.
        """
        result = await self.require_provider(order.method).query_order(order.number)
        async with self._database.transaction() as session:
            return await record_payment_result(session, self._clock, order.method, result)

    async def get(self, account_id: UUID, order_id: UUID) -> PaymentOrder:
        """Return one of the account's orders. Raises PaymentOrderNotFound."""
        async with self._database.transaction() as session:
            return await get_order(session, account_id, order_id)

    async def _end(self, account_id: UUID, order_id: UUID, state: OrderState) -> PaymentOrder:
        """End an order that is still active, and return it."""
        async with self._database.transaction() as session:
            order = await lock_order(session, account_id, order_id)
            await end_order(session, self._clock, order, state)
        return order
