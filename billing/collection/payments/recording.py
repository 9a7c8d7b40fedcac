"""Records what a provider says of a payment, in one transaction.

Notifications and queries both end here. The decision is `apply_payment_result`; this module loads
what it needs under the lock of the account's billing profile, and carries it out with the functions
that record every other payment.
"""

from datetime import datetime
from enum import StrEnum

import structlog
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.payers import record_payer
from billing.collection.payments.discrepancies import record_discrepancy
from billing.collection.payments.orders import lock_order
from billing.collection.payments.provider import PaymentResult
from billing.collection.payments.results import (
    CreditTarget,
    OrderChange,
    OrderSnapshot,
    OrderState,
    apply_payment_result,
    next_order_poll,
)
from billing.invoices.available_credit import refresh_account_credit
from billing.invoices.lifecycle import get_invoice
from billing.invoices.payments import IncomingPayment, record_payment
from billing.ledger.ledger import Book, invoice_book_balance
from billing.ledger.wallets import TopUpRequest, top_up_wallet
from billing.tables import InvoiceStatus, PaymentOrder
from infra.clock import Clock


class RecordedAs(StrEnum):
    """What a result came to."""

    CREDITED = "credited"
    UNCHANGED = "unchanged"
    ENDED = "ended"
    DISCREPANCY = "discrepancy"
    UNKNOWN_ORDER = "unknown_order"


async def record_payment_result(
    session: AsyncSession, clock: Clock, method: str, result: PaymentResult
) -> RecordedAs:
    """Record what a provider says of one of our orders; a repeated result changes nothing.

    Reads across accounts: the order's number identifies the account (account_id is its own).
    """
    query = select(PaymentOrder).where(
        col(PaymentOrder.method) == method, col(PaymentOrder.number) == result.number
    )
    found = (await session.scalars(query)).one_or_none()
    if found is None:
        return RecordedAs.UNKNOWN_ORDER
    if _is_repeated(found, result):
        if found.poll_at is not None and not result.is_payer_pending:
            found.poll_at = None
            await _record_payer(session, found, result, clock.now())
        return RecordedAs.UNCHANGED
    order = await lock_order(session, found.account_id, found.id)
    before = OrderState(order.state)
    change = apply_payment_result(await _take_snapshot(session, order, result), result)
    if change.discrepancy is not None:
        paid = (result.transaction_id, result.minor, result.currency)
        await record_discrepancy(session, clock, order, change.discrepancy, *paid)
    if change.credit is not None:
        await _credit(session, clock, order, change, result)
        return RecordedAs.CREDITED
    _end(clock, order, change.state)
    await session.flush()
    if change.discrepancy is not None:
        return RecordedAs.DISCREPANCY
    return RecordedAs.UNCHANGED if change.state is before else RecordedAs.ENDED


def _is_repeated(order: PaymentOrder, result: PaymentResult) -> bool:
    """Whether the result is of the payment that is recorded; a paid order changes no more."""
    if order.state != OrderState.PAID:
        return False
    paid = OrderSnapshot(OrderState.PAID, order.minor, order.currency, order.transaction_id)
    return apply_payment_result(paid, result).discrepancy is None


async def _take_snapshot(
    session: AsyncSession, order: PaymentOrder, result: PaymentResult
) -> OrderSnapshot:
    """Return what the decision needs to know of an order, which is locked.

    A transaction may be recorded for an order of any account (no account_id filter).
    """
    taken = select(PaymentOrder.id).where(
        col(PaymentOrder.method) == order.method,
        col(PaymentOrder.transaction_id) == result.transaction_id,
        col(PaymentOrder.id) != order.id,
    )
    return OrderSnapshot(
        state=OrderState(order.state),
        minor=order.minor,
        currency=order.currency,
        transaction_id=order.transaction_id,
        owed=await _amount_owed(session, order),
        transaction_taken=(await session.execute(taken)).first() is not None,
    )


async def _amount_owed(session: AsyncSession, order: PaymentOrder) -> int:
    """Return what the order's invoice owes, in minor units; 0 for a top-up."""
    if order.invoice_id is None:
        return 0
    invoice = await get_invoice(session, order.account_id, order.invoice_id)
    is_uncollectible = invoice.status == InvoiceStatus.UNCOLLECTIBLE
    book = Book.BAD_DEBT if is_uncollectible else Book.RECEIVABLE
    return await invoice_book_balance(session, order.account_id, order.invoice_id, book)


async def _credit(
    session: AsyncSession,
    clock: Clock,
    order: PaymentOrder,
    change: OrderChange,
    result: PaymentResult,
) -> None:
    """Credit a payment to the invoice or the wallet, and mark its order as paid."""
    account_id, received_at = order.account_id, result.paid_at or clock.now()
    if change.credit is CreditTarget.INVOICE and order.invoice_id is not None:
        payment = IncomingPayment(order.method, result.transaction_id, order.minor, received_at)
        await record_payment(session, clock, account_id, order.invoice_id, payment)
    else:
        key = payment_key(order.method, result.transaction_id)
        await top_up_wallet(session, clock, account_id, key, TopUpRequest(order.minor))
        await refresh_account_credit(session, clock, account_id)
        if order.invoice_id is not None:
            structlog.get_logger().warning(
                "a payment came for an invoice that owes nothing", order=order.id.hex
            )
    order.state, order.transaction_id = OrderState.PAID.value, result.transaction_id
    order.credited_to, order.paid_at = str(change.credit), received_at
    order.ended_at = None
    # The provider is asked once more about a payment whose notification does not name the payer.
    order.poll_at = clock.now() if result.is_payer_pending else None
    await session.flush()
    await _record_payer(session, order, result, received_at)


async def _record_payer(
    session: AsyncSession, order: PaymentOrder, result: PaymentResult, paid_at: datetime
) -> None:
    """Record who paid an order, if the result says so."""
    kind = result.payer_kind or order.method
    await record_payer(session, order.account_id, kind, result.payer, paid_at)


def payment_key(method: str, transaction_id: str) -> str:
    """Return the business key of the wallet grant of a payment, as record_payment names it."""
    return f"payment:{method}:{transaction_id}"


def _end(clock: Clock, order: PaymentOrder, state: OrderState) -> None:
    """Set an order that is not credited to its new state, and when it is polled next."""
    if OrderState(order.state).is_active and not state.is_active:
        order.ended_at = clock.now()
    order.state = state.value
    order.poll_at = next_order_poll(state, order.created_at, order.ended_at, clock.now())
