"""Check that payment orders agree with their payment providers, by a query of each order.

Orders that are older are not asked for: providers answer queries for a limited time. For operators:
reads across accounts (account_id).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.collection.payments.checkout import Checkout
from billing.collection.payments.orders import PAYMENT_ORDER_PREFIX
from billing.collection.payments.provider import (
    PaymentResult,
    RefundRequest,
    RefundState,
    TradeState,
)
from billing.collection.payments.refunds import PAYMENT_REFUND_PREFIX
from billing.collection.payments.results import OrderState
from billing.outbox import PermanentFailure
from billing.reconciliation.usage_and_quotas import Difference
from billing.tables import PaymentOrder, PaymentRefund
from infra import ids
from infra.database.database import Database

_AMOUNT_CHECK = "Payment orders equal the provider's payments"
_TRANSACTION_CHECK = "Payment orders have one payment at the provider"
_REFUND_CHECK = "Refunds of payment orders equal the provider's refunds"
_QUERIED = timedelta(days=60)
_MAX_ORDERS = 20_000


@dataclass(frozen=True, slots=True)
class ProviderComparison:
    """Number of orders and refunds compared with their providers', and the differences."""

    orders: int
    refunds: int
    differences: tuple[Difference, ...]


async def compare_with_providers(
    database: Database, now: datetime, checkout: Checkout
) -> ProviderComparison:
    """Compare recent orders and ended refunds with the configured providers.

    Raises RetryLater without an answer.
    """
    async with database.transaction() as session:
        orders = await _list_orders(session, checkout.providers.names, now - _QUERIED)
        refunds = await _list_refunds(session, checkout.providers.names, now - _QUERIED)
    differences = [found for order in orders for found in await _compare_order(checkout, order)]
    for refund, order in refunds:
        differences += await _compare_refund(checkout, refund, order)
    return ProviderComparison(len(orders), len(refunds), tuple(differences))


async def _list_orders(
    session: AsyncSession, methods: Sequence[str], since: datetime
) -> Sequence[PaymentOrder]:
    """List the newest orders of these methods (of all accounts: no account_id filter)."""
    query = select(PaymentOrder).where(
        col(PaymentOrder.method).in_(methods), col(PaymentOrder.created_at) >= since
    )
    query = query.order_by(col(PaymentOrder.id).desc()).limit(_MAX_ORDERS)
    return (await session.scalars(query)).all()


async def _list_refunds(
    session: AsyncSession, methods: Sequence[str], since: datetime
) -> Sequence[tuple[PaymentRefund, PaymentOrder]]:
    """List ended refunds with their orders (of all accounts: no account_id filter)."""
    query = (
        select(PaymentRefund, PaymentOrder)
        .join(PaymentOrder, col(PaymentOrder.id) == col(PaymentRefund.order_id))
        .where(
            col(PaymentOrder.method).in_(methods),
            col(PaymentRefund.created_at) >= since,
            col(PaymentRefund.state) != RefundState.PENDING.value,
        )
        .order_by(col(PaymentRefund.id).desc())
        .limit(_MAX_ORDERS)
    )
    return [(refund, order) for refund, order in (await session.execute(query)).all()]


async def _compare_order(checkout: Checkout, order: PaymentOrder) -> list[Difference]:
    """Compare what an order records as paid with what the provider says."""
    subject = ids.format_id(PAYMENT_ORDER_PREFIX, order.id)
    try:
        result = await checkout.require_provider(order.method).query_order(order.number)
    except PermanentFailure:
        result = PaymentResult(order.number, TradeState.ABSENT)
    was_paid = result.state in (TradeState.PAID, TradeState.REFUNDED)
    recorded = order.minor if order.state == OrderState.PAID else 0
    expected = result.minor if was_paid else 0
    if recorded != expected:
        return [Difference(_AMOUNT_CHECK, subject, recorded, expected)]
    if was_paid and result.transaction_id != order.transaction_id:
        return [Difference(_TRANSACTION_CHECK, subject, 1, 2)]
    return []


async def _compare_refund(
    checkout: Checkout, refund: PaymentRefund, order: PaymentOrder
) -> list[Difference]:
    """Compare an ended refund with what the provider has refunded."""
    request = RefundRequest(
        order.number, refund.number, refund.minor, order.minor, order.currency, refund.reason
    )
    try:
        result = await checkout.require_provider(order.method).query_refund(request)
    except PermanentFailure:
        result = None
    is_paid = result is not None and result.state is RefundState.SUCCEEDED
    expected = (result.minor or 0) if result is not None and is_paid else 0
    recorded = refund.minor if refund.state == RefundState.SUCCEEDED else 0
    if recorded == expected:
        return []
    subject = ids.format_id(PAYMENT_REFUND_PREFIX, refund.id)
    return [Difference(_REFUND_CHECK, subject, recorded, expected)]
