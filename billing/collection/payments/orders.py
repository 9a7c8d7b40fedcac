"""Payment orders as rows: creation, look-up and ending, without the provider.

Every change of an account's orders happens under the lock of its billing profile, as every change
of its invoices and wallet does. So an invoice has at most one active order, and two requests for
one get the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import get_account_currency, lock_profile
from billing.collection.payments.provider import ProviderInfo
from billing.collection.payments.results import OrderState, next_order_poll
from billing.invoices.lifecycle import InvalidInvoiceState, get_invoice
from billing.ledger.ledger import outstanding_amount
from billing.ledger.wallets import TopUpInvalid
from billing.money import currency_exponent, minor_text
from billing.tables import InvoiceStatus, PaymentOrder
from infra import ids
from infra.clock import Clock
from infra.errors import AppError
from infra.settings import Settings

PAYMENT_ORDER_PREFIX = "pord"
ORDER_LIFETIME = timedelta(minutes=30)
_MAX_ACTIVE_ORDERS = 10
_ACTIVE_STATES = tuple(state.value for state in OrderState if state.is_active)


class PaymentOrderNotFound(AppError):
    """The account has no payment order with this id."""

    status = 404
    type = "invalid_request_error"
    code = "payment_order_not_found"


class PaymentMethodUnavailable(AppError):
    """The payment method is not configured, or does not take the account's currency."""

    status = 400
    type = "invalid_request_error"
    code = "payment_method_unavailable"


class TooManyPaymentOrders(AppError):
    """The account has too many orders that wait for payment."""

    status = 429
    type = "rate_limit_error"
    code = "too_many_payment_orders"


@dataclass(frozen=True, slots=True)
class TopUpLimits:
    """The smallest and the largest top-up, in minor units."""

    minimum: int
    maximum: int

    @classmethod
    def from_settings(cls, settings: Settings, currency: str) -> "TopUpLimits":
        """Return the limits of the settings; parts of a minor unit make them narrower."""
        exponent = currency_exponent(currency)
        minimum = settings.top_up_min.scaleb(exponent).to_integral_value(ROUND_CEILING)
        maximum = settings.top_up_max.scaleb(exponent).to_integral_value(ROUND_FLOOR)
        return cls(max(1, int(minimum)), int(maximum))


@dataclass(frozen=True, slots=True)
class NewOrder:
    """What a customer wants to pay and how: an invoice, or else a top-up of `minor` units."""

    provider: ProviderInfo
    invoice_id: UUID | None = None
    minor: int = 0


async def open_order(
    session: AsyncSession, clock: Clock, account_id: UUID, new: NewOrder, limits: TopUpLimits
) -> PaymentOrder:
    """Create an order, without a code yet, or return the active order of the same invoice.

    The active order is returned also if it is for another payment method: with two codes the
    invoice could be paid twice. Raises InvoiceNotFound, InvalidInvoiceState, TopUpInvalid,
    PaymentMethodUnavailable, TooManyPaymentOrders.
    """
    await lock_profile(session, account_id)
    currency = await get_account_currency(session, account_id)
    if currency not in new.provider.currencies:
        raise PaymentMethodUnavailable(
            f"{new.provider.label} does not take {currency}.", param="method"
        )
    if new.invoice_id is None:
        minor = _check_top_up(new.minor, limits, currency)
    else:
        active = await _find_active_order(session, clock, account_id, new.invoice_id)
        if active is not None:
            return active
        minor = await _amount_of_invoice(session, account_id, new.invoice_id)
    await _require_few_orders(session, account_id)
    return await _insert_order(session, clock, account_id, new, minor, currency)


async def get_order(session: AsyncSession, account_id: UUID, order_id: UUID) -> PaymentOrder:
    """Return one of the account's orders. Raises PaymentOrderNotFound."""
    query = select(PaymentOrder).where(
        col(PaymentOrder.account_id) == account_id, col(PaymentOrder.id) == order_id
    )
    order = (await session.scalars(query)).one_or_none()
    if order is None:
        raise PaymentOrderNotFound("The account has no such payment order.", param="payment_order")
    return order


async def lock_order(session: AsyncSession, account_id: UUID, order_id: UUID) -> PaymentOrder:
    """Lock the account's profile, then return the order as it is. Raises PaymentOrderNotFound."""
    await lock_profile(session, account_id)
    order = await get_order(session, account_id, order_id)
    await session.refresh(order)
    return order


async def list_orders(
    session: AsyncSession, account_id: UUID, limit: int, after: UUID | None = None
) -> Sequence[PaymentOrder]:
    """List the account's orders, newest first; `after` is the last one of the page before."""
    query = select(PaymentOrder).where(col(PaymentOrder.account_id) == account_id)
    if after is not None:
        query = query.where(col(PaymentOrder.id) < after)
    return (await session.scalars(query.order_by(col(PaymentOrder.id).desc()).limit(limit))).all()


async def list_all_orders(
    session: AsyncSession, limit: int, state: OrderState | None = None, after: UUID | None = None
) -> Sequence[PaymentOrder]:
    """List the orders of all accounts, newest first, of one state if given.

    For operators: reads across accounts (no account_id filter).
    """
    query = select(PaymentOrder)
    if state is not None:
        query = query.where(col(PaymentOrder.state) == state.value)
    if after is not None:
        query = query.where(col(PaymentOrder.id) < after)
    return (await session.scalars(query.order_by(col(PaymentOrder.id).desc()).limit(limit))).all()


async def store_code(session: AsyncSession, order: PaymentOrder, code: str) -> None:
    """Store the content of the QR code, unless the order has one or has ended; it is locked."""
    if order.state == OrderState.CREATED:
        order.state, order.code = OrderState.PENDING.value, code
        await session.flush()


async def end_order(
    session: AsyncSession, clock: Clock, order: PaymentOrder, state: OrderState
) -> None:
    """End an active order without payment; one that has ended stays as it is. It is locked.

    The provider is still asked a few times, as a code may be paid while it is closed.
    """
    if OrderState(order.state).is_active:
        order.state, order.ended_at = state.value, clock.now()
        order.poll_at = next_order_poll(state, order.created_at, order.ended_at, clock.now())
        await session.flush()


def _check_top_up(minor: int, limits: TopUpLimits, currency: str) -> int:
    """Return the amount of a top-up. Raises TopUpInvalid outside of the limits."""
    if not limits.minimum <= minor <= limits.maximum:
        raise TopUpInvalid(
            f"A top-up must be from {minor_text(limits.minimum, currency)} to "
            f"{minor_text(limits.maximum, currency)} {currency}.",
            param="amount",
        )
    return minor


async def _amount_of_invoice(session: AsyncSession, account_id: UUID, invoice_id: UUID) -> int:
    """Return what an open invoice owes. Raises InvoiceNotFound, InvalidInvoiceState."""
    invoice = await get_invoice(session, account_id, invoice_id)
    if invoice.status != InvoiceStatus.OPEN:
        raise InvalidInvoiceState(f"The invoice is {invoice.status}, so nothing is owed for it.")
    return await outstanding_amount(session, account_id, invoice_id)


async def _find_active_order(
    session: AsyncSession, clock: Clock, account_id: UUID, invoice_id: UUID
) -> PaymentOrder | None:
    """Return the active order of an invoice, None if there is none; ends one past its expiry."""
    query = select(PaymentOrder).where(
        col(PaymentOrder.account_id) == account_id,
        col(PaymentOrder.invoice_id) == invoice_id,
        col(PaymentOrder.state).in_(_ACTIVE_STATES),
    )
    order = (await session.scalars(query)).one_or_none()
    if order is not None and order.expires_at <= clock.now():
        await end_order(session, clock, order, OrderState.EXPIRED)
        return None
    return order


async def _require_few_orders(session: AsyncSession, account_id: UUID) -> None:
    """Raise TooManyPaymentOrders if the account has as many active orders as it may have."""
    query = select(func.count()).where(
        col(PaymentOrder.account_id) == account_id, col(PaymentOrder.state).in_(_ACTIVE_STATES)
    )
    if (await session.execute(query)).scalar_one() >= _MAX_ACTIVE_ORDERS:
        raise TooManyPaymentOrders(
            f"{_MAX_ACTIVE_ORDERS} payments are waiting. Pay or cancel one of them first."
        )


async def _insert_order(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    new: NewOrder,
    minor: int,
    currency: str,
) -> PaymentOrder:
    """Insert an order whose number is its id in hexadecimal, which both providers accept."""
    order_id, now = ids.new_id(), clock.now()
    order = PaymentOrder(
        id=order_id,
        account_id=account_id,
        invoice_id=new.invoice_id,
        method=new.provider.name,
        minor=minor,
        currency=currency,
        number=order_id.hex,
        state=OrderState.CREATED.value,
        created_at=now,
        expires_at=now + ORDER_LIFETIME,
        poll_at=next_order_poll(OrderState.CREATED, now, None, now),
    )
    session.add(order)
    await session.flush()
    return order
