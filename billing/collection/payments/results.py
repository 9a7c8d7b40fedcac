"""Decides, without database or provider, what a provider's answer changes.

    order + result -> OrderChange      of a payment
    refund + result -> RefundChange    of a refund

Notifications and queries are decided by the same functions, so neither repetition, nor order, nor
the way by which a result arrives makes a difference: a payment is credited when it is first seen,
whatever happened to the order before, and never again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from billing.collection.payments.provider import (
    PaymentResult,
    RefundResult,
    RefundState,
    TradeState,
)


class OrderState(StrEnum):
    """State of a payment order here; a payment is credited in each of them."""

    CREATED = "created"  # the provider has not given its code yet
    PENDING = "pending"
    PAID = "paid"
    EXPIRED = "expired"
    CLOSED = "closed"  # cancelled
    FAILED = "failed"  # refused by the provider, or its payment is a discrepancy

    @property
    def is_active(self) -> bool:
        """Whether the order still waits for its payment."""
        return self in (OrderState.CREATED, OrderState.PENDING)


class CreditTarget(StrEnum):
    """What a payment is credited to."""

    INVOICE = "invoice"
    WALLET = "wallet"


class DiscrepancyKind(StrEnum):
    """Why a payment or refund was not recorded as its order's."""

    AMOUNT = "amount"
    CURRENCY = "currency"
    PAID_TWICE = "paid_twice"  # another transaction of an order that is paid
    TRANSACTION_REUSED = "transaction_reused"  # the transaction paid another order
    REFUNDED_ELSEWHERE = "refunded_elsewhere"  # refunded at the provider before it was recorded
    REFUND_AMOUNT = "refund_amount"


@dataclass(frozen=True, slots=True)
class OrderSnapshot:
    """An order as far as a result matters to it.

    `owed` is what its invoice still owes in minor units, 0 for a top-up. `transaction_taken` says
    that the result's transaction is recorded for another order.
    """

    state: OrderState
    minor: int
    currency: str
    transaction_id: str | None = None
    owed: int = 0
    transaction_taken: bool = False


@dataclass(frozen=True, slots=True)
class OrderChange:
    """The order's new state, what is credited, and a discrepancy to record."""

    state: OrderState
    credit: CreditTarget | None = None
    discrepancy: DiscrepancyKind | None = None


def apply_payment_result(order: OrderSnapshot, result: PaymentResult) -> OrderChange:
    """Return what a provider's answer changes in an order.

    Amount and currency must equal the order's: there is no partial payment of an order. A payment
    of an invoice that owes nothing any more goes to the wallet; what it pays beyond an amount owed
    does so when it is recorded (billing/invoices/payments.py).
    """
    match result.state:
        case TradeState.ABSENT | TradeState.PENDING:
            return OrderChange(order.state)
        case TradeState.CLOSED | TradeState.FAILED:
            ended = OrderState(result.state.value)
            return OrderChange(ended if order.state.is_active else order.state)
    kind = _find_discrepancy(order, result)
    if kind is not None:
        ended = OrderState.FAILED if order.state.is_active else order.state
        return OrderChange(ended, discrepancy=kind)
    if order.state is OrderState.PAID:
        return OrderChange(OrderState.PAID)
    return OrderChange(
        OrderState.PAID, CreditTarget.INVOICE if order.owed > 0 else CreditTarget.WALLET
    )


def _find_discrepancy(order: OrderSnapshot, result: PaymentResult) -> DiscrepancyKind | None:
    """Return why a payment cannot be the order's, None if it is."""
    if order.state is OrderState.PAID and result.transaction_id != order.transaction_id:
        return DiscrepancyKind.PAID_TWICE
    if result.currency != order.currency:
        return DiscrepancyKind.CURRENCY
    if result.minor != order.minor:
        return DiscrepancyKind.AMOUNT
    if order.transaction_taken:
        return DiscrepancyKind.TRANSACTION_REUSED
    if result.state is TradeState.REFUNDED and order.state is not OrderState.PAID:
        return DiscrepancyKind.REFUNDED_ELSEWHERE
    return None


@dataclass(frozen=True, slots=True)
class RefundChange:
    """The refund's new state, and a discrepancy to record."""

    state: RefundState
    discrepancy: DiscrepancyKind | None = None


def apply_refund_result(state: RefundState, minor: int, result: RefundResult) -> RefundChange:
    """Return what a provider's answer changes in a refund of `minor`; ended ones stay as they are.

    A refund that the provider paid with another amount ends, with a discrepancy.
    """
    if state is not RefundState.PENDING:
        return RefundChange(state)
    differs = result.minor is not None and result.minor != minor
    if result.state is RefundState.SUCCEEDED and differs:
        return RefundChange(RefundState.SUCCEEDED, DiscrepancyKind.REFUND_AMOUNT)
    return RefundChange(result.state)


# Somebody looks at the page for the first minutes, so that a lost notification is noticed soon.
_FIRST_MINUTES, _FIRST_INTERVAL = timedelta(minutes=3), timedelta(seconds=10)
_LATER_INTERVAL = timedelta(minutes=1)
# A code may be paid while it is closed, and its notification may be lost.
_AFTER_END = tuple(timedelta(minutes=minutes) for minutes in (10, 60, 6 * 60, 24 * 60))


def next_order_poll(
    state: OrderState, created_at: datetime, ended_at: datetime | None, now: datetime
) -> datetime | None:
    """Return when the provider is asked next about an order, None if never again."""
    if state is OrderState.PAID:
        return None
    if state.is_active or ended_at is None:
        is_new = now < created_at + _FIRST_MINUTES
        return now + (_FIRST_INTERVAL if is_new else _LATER_INTERVAL)
    return next((ended_at + delay for delay in _AFTER_END if ended_at + delay > now), None)


_REFUND_INTERVALS = (
    (timedelta(minutes=10), timedelta(seconds=30)),
    (timedelta(hours=6), timedelta(minutes=10)),
)
_LAST_REFUND_INTERVAL = timedelta(hours=1)


def next_refund_poll(created_at: datetime, now: datetime) -> datetime:
    """Return when the provider is asked next about a pending refund."""
    age = now - created_at
    interval = next((each for until, each in _REFUND_INTERVALS if age < until), None)
    return now + (interval or _LAST_REFUND_INTERVAL)
