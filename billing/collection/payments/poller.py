"""Polling of payment providers: orders whose notification may be lost, and refunds.

An order is asked for at the times of `next_order_poll`, a refund at those of `next_refund_poll`.
Rows are claimed by a later time of the next poll, so no two workers ask for the same one.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.collection.payments.checkout import Checkout
from billing.collection.payments.orders import get_order
from billing.collection.payments.provider import RefundRequest
from billing.collection.payments.refund_results import (
    record_refund_refusal,
    record_refund_result,
)
from billing.collection.payments.results import OrderState
from billing.outbox import PermanentFailure, RetryLater
from billing.tables import PaymentOrder, PaymentRefund
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError

# A row whose poll fails or is lost is polled again after this time.
_CLAIM = timedelta(minutes=1)


class PaymentPoller:
    """Asks the configured providers about orders and refunds that are due."""

    def __init__(self, database: Database, clock: Clock, checkout: Checkout) -> None:
        self._database = database
        self._clock = clock
        self._checkout = checkout

    async def poll_orders(self, limit: int = 200) -> int:
        """Ask about up to `limit` due orders, and expire those past their expiry.

        Returns how many were asked about. For operators: reads across accounts (account_id).
        """
        async with self._database.transaction() as session:
            orders = await _claim_orders(
                session, self._checkout.providers.names, self._clock.now(), limit
            )
        for order in orders:
            try:
                await self._poll_order(order)
            except PermanentFailure as error:
                _log_failure("order", order.id, error)
                await self._stop_asking_if_paid(order)
            except (RetryLater, AppError) as error:
                _log_failure("order", order.id, error)
        return len(orders)

    async def poll_refunds(self, limit: int = 200) -> int:
        """Send or query up to `limit` due refunds. Returns how many.

        For operators: reads across accounts (account_id).
        """
        async with self._database.transaction() as session:
            refunds = await _claim_refunds(
                session, self._checkout.providers.names, self._clock.now(), limit
            )
        for refund in refunds:
            try:
                await self._poll_refund(refund)
            except (RetryLater, AppError) as error:
                _log_failure("refund", refund.id, error)
        return len(refunds)

    async def _poll_order(self, order: PaymentOrder) -> None:
        """Ask about one order; close it if it is past its expiry and still not paid."""
        await self._checkout.query(order)
        asked = await self._checkout.get(order.account_id, order.id)
        is_active = OrderState(asked.state).is_active
        if is_active and asked.expires_at <= self._clock.now():
            await self._checkout.expire(asked)

    async def _stop_asking_if_paid(self, order: PaymentOrder) -> None:
        """Ask no more who paid an order, which the provider does not say."""
        async with self._database.transaction() as session:
            row = await get_order(session, order.account_id, order.id)
            if row.state == OrderState.PAID:
                row.poll_at = None

    async def _poll_refund(self, refund: PaymentRefund) -> None:
        """Query one refund, or send it if the provider does not have it yet."""
        async with self._database.transaction() as session:
            order = await get_order(session, refund.account_id, refund.order_id)
        provider = self._checkout.require_provider(order.method)
        request = RefundRequest(
            order.number, refund.number, refund.minor, order.minor, order.currency, refund.reason
        )
        try:
            result = await provider.query_refund(request) or await provider.refund(request)
        except PermanentFailure as error:
            async with self._database.transaction() as session:
                await record_refund_refusal(
                    session, self._clock, order.method, refund.number, str(error)
                )
            return
        async with self._database.transaction() as session:
            await record_refund_result(session, self._clock, order.method, result)


async def _claim_orders(
    session: AsyncSession, methods: Sequence[str], now: datetime, limit: int
) -> Sequence[PaymentOrder]:
    """Claim due orders of these methods.

    For operators: reads across accounts (no account_id filter).
    """
    due = (
        select(PaymentOrder.id)
        .where(col(PaymentOrder.poll_at) <= now, col(PaymentOrder.method).in_(methods))
        .order_by(col(PaymentOrder.poll_at))
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    statement = (
        update(PaymentOrder)
        .where(col(PaymentOrder.id).in_(due.scalar_subquery()))
        .values(poll_at=now + _CLAIM)
        .returning(PaymentOrder)
    )
    return (await session.scalars(statement)).all()


async def _claim_refunds(
    session: AsyncSession, methods: Sequence[str], now: datetime, limit: int
) -> Sequence[PaymentRefund]:
    """Claim due refunds of orders of these methods.

    For operators: reads across accounts (no account_id filter).
    """
    due = (
        select(PaymentRefund.id)
        .join(PaymentOrder, col(PaymentOrder.id) == col(PaymentRefund.order_id))
        .where(col(PaymentRefund.poll_at) <= now, col(PaymentOrder.method).in_(methods))
        .order_by(col(PaymentRefund.poll_at))
        .limit(limit)
        .with_for_update(of=PaymentRefund, skip_locked=True)
    )
    statement = (
        update(PaymentRefund)
        .where(col(PaymentRefund.id).in_(due.scalar_subquery()))
        .values(poll_at=now + _CLAIM)
        .returning(PaymentRefund)
    )
    return (await session.scalars(statement)).all()


def _log_failure(kind: str, row_id: UUID, error: Exception) -> None:
    """Log that a provider could not be asked; the row is due again later."""
    structlog.get_logger().warning(
        "polling the payment provider failed", kind=kind, id=row_id.hex, reason=str(error)
    )
