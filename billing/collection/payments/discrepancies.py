"""Discrepancies: payments and refunds that differ from their order. An operator resolves them.

A discrepancy is recorded once, however often the provider reports it. Nothing is credited for it
until an operator decides so.
"""

from collections.abc import Sequence
from uuid import UUID

import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import lock_profile
from billing.audit_events import MoneyEvent, log_event
from billing.collection.payments.results import DiscrepancyKind
from billing.invoices.available_credit import refresh_account_credit
from billing.ledger.wallets import TopUpRequest, top_up_wallet
from billing.tables import PaymentDiscrepancy, PaymentOrder
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

DISCREPANCY_PREFIX = "pdis"


class DiscrepancyNotFound(AppError):
    """There is no payment discrepancy with this id."""

    status = 404
    type = "invalid_request_error"
    code = "payment_discrepancy_not_found"


class DiscrepancyStateWrong(AppError):
    """The discrepancy is resolved already, or what was received cannot be credited."""

    status = 409
    type = "invalid_request_error"
    code = "payment_discrepancy_state_wrong"


async def record_discrepancy(
    session: AsyncSession,
    clock: Clock,
    order: PaymentOrder,
    kind: DiscrepancyKind,
    reference: str,
    minor: int,
    currency: str,
) -> None:
    """Record a discrepancy once; `reference` is the provider's transaction or our refund number."""
    inserted = await session.execute(
        insert(PaymentDiscrepancy)
        .values(
            id=ids.new_id(),
            account_id=order.account_id,
            order_id=order.id,
            kind=kind.value,
            reference=reference,
            minor=minor,
            currency=currency,
            recorded_at=clock.now(),
        )
        .on_conflict_do_nothing(index_elements=["order_id", "kind", "reference"])
        .returning(col(PaymentDiscrepancy.id))
    )
    if inserted.scalar_one_or_none() is None:
        return
    fields = {"order": order.id.hex, "kind": kind.value, "minor": minor, "currency": currency}
    structlog.get_logger().error("a payment differs from its order", **fields)
    log_event(
        session,
        MoneyEvent.PAYMENT_DIFFERS,
        order.account_id,
        order_id=order.id,
        kind=kind.value,
        minor=minor,
        currency=currency,
    )


async def list_open_discrepancies(
    session: AsyncSession, limit: int = 100
) -> Sequence[PaymentDiscrepancy]:
    """List the unresolved discrepancies of all accounts, oldest first.

    For operators: reads across accounts (no account_id filter).
    """
    query = select(PaymentDiscrepancy).where(col(PaymentDiscrepancy.resolved_at).is_(None))
    return (await session.scalars(query.order_by(col(PaymentDiscrepancy.id)).limit(limit))).all()


async def resolve_discrepancy(
    session: AsyncSession, clock: Clock, discrepancy_id: UUID, resolution: str, *, credit: bool
) -> PaymentDiscrepancy:
    """Resolve a discrepancy with a text; with `credit`, add what was received to the wallet.

    For operators: the discrepancy identifies the account (account_id is its own). Raises
    DiscrepancyNotFound, DiscrepancyStateWrong.
    """
    found = await session.get(PaymentDiscrepancy, discrepancy_id)
    if found is None:
        raise DiscrepancyNotFound("There is no such payment discrepancy.", param="discrepancy")
    await lock_profile(session, found.account_id)
    await session.refresh(found)
    if found.resolved_at is not None:
        raise DiscrepancyStateWrong("This discrepancy is resolved already.")
    if credit:
        await _credit_wallet(session, clock, found)
    found.resolved_at, found.resolution = clock.now(), resolution.strip()[:500]
    await session.flush()
    return found


async def _credit_wallet(
    session: AsyncSession, clock: Clock, discrepancy: PaymentDiscrepancy
) -> None:
    """Add the received amount to the wallet. Raises DiscrepancyStateWrong if it cannot be."""
    order = await session.get_one(PaymentOrder, discrepancy.order_id)
    is_refund = discrepancy.kind == DiscrepancyKind.REFUND_AMOUNT
    if is_refund or discrepancy.currency != order.currency or discrepancy.minor <= 0:
        raise DiscrepancyStateWrong("Nothing was received that can be added to the wallet.")
    key = f"payment_discrepancy:{discrepancy.id}"
    request = TopUpRequest(discrepancy.minor)
    await top_up_wallet(session, clock, discrepancy.account_id, key, request)
    await refresh_account_credit(session, clock, discrepancy.account_id)
