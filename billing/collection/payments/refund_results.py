"""Records what a provider says of a refund, in one transaction.

The refund is in the ledger since its creation. So success only ends it, and a final refusal adds
the amount to the wallet: the money is still here.
"""

from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import lock_profile
from billing.collection.payments.discrepancies import record_discrepancy
from billing.collection.payments.orders import get_order
from billing.collection.payments.provider import RefundResult, RefundState
from billing.collection.payments.recording import RecordedAs
from billing.collection.payments.results import apply_refund_result, next_refund_poll
from billing.invoices.available_credit import refresh_account_credit
from billing.ledger.wallets import TopUpRequest, top_up_wallet
from billing.tables import PaymentOrder, PaymentRefund
from infra.clock import Clock

# A refusal may be due to a merchant balance that is filled later.
REFUSED_UNTIL_FAILED = timedelta(days=7)


async def record_refund_result(
    session: AsyncSession, clock: Clock, method: str, result: RefundResult
) -> RecordedAs:
    """Record what a provider says of one of our refunds; a repeated result changes nothing.

    Reads across accounts: the refund's number identifies the account (account_id is its own).
    """
    refund = await _lock_refund(session, method, result.number)
    if refund is None:
        return RecordedAs.UNKNOWN_ORDER
    before = RefundState(refund.state)
    change = apply_refund_result(before, refund.minor, result)
    refund.provider_id = result.provider_id or refund.provider_id
    if before is RefundState.PENDING:
        refund.last_error = result.detail or None
    if change.discrepancy is not None:
        order = await get_order(session, refund.account_id, refund.order_id)
        paid = (refund.number, result.minor or 0, order.currency)
        await record_discrepancy(session, clock, order, change.discrepancy, *paid)
    await _end(session, clock, refund, change.state)
    if change.discrepancy is not None:
        return RecordedAs.DISCREPANCY
    return RecordedAs.UNCHANGED if change.state is before else RecordedAs.ENDED


async def record_refund_refusal(
    session: AsyncSession, clock: Clock, method: str, number: str, reason: str
) -> None:
    """Record that the provider rejected a refund; after a week of rejections it has failed."""
    refund = await _lock_refund(session, method, number)
    if refund is None or refund.state != RefundState.PENDING:
        return
    refund.last_error = reason[:500]
    is_over = clock.now() >= refund.created_at + REFUSED_UNTIL_FAILED
    await _end(session, clock, refund, RefundState.FAILED if is_over else RefundState.PENDING)


async def _lock_refund(session: AsyncSession, method: str, number: str) -> PaymentRefund | None:
    """Return a refund by its number, with the profile of its account locked, or None."""
    query = (
        select(PaymentRefund)
        .join(PaymentOrder, col(PaymentOrder.id) == col(PaymentRefund.order_id))
        .where(col(PaymentOrder.method) == method, col(PaymentRefund.number) == number)
    )
    refund = (await session.scalars(query)).one_or_none()
    if refund is not None:
        await lock_profile(session, refund.account_id)
        await session.refresh(refund)
    return refund


async def _end(
    session: AsyncSession, clock: Clock, refund: PaymentRefund, state: RefundState
) -> None:
    """Set a refund's state and its next poll; one that fails returns to the wallet, once."""
    now, was_pending = clock.now(), refund.state == RefundState.PENDING
    if not was_pending:
        return
    refund.state = state.value
    is_pending = state is RefundState.PENDING
    refund.poll_at = next_refund_poll(refund.created_at, now) if is_pending else None
    refund.ended_at = None if is_pending else now
    await session.flush()
    if state is RefundState.FAILED:
        key, request = f"payment_refund_failed:{refund.id}", TopUpRequest(refund.minor)
        await top_up_wallet(session, clock, refund.account_id, key, request)
        await refresh_account_credit(session, clock, refund.account_id)
        structlog.get_logger().error("a refund has failed", refund=refund.id.hex)
