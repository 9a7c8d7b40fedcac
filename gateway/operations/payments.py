"""What operators do with payment orders: find, refund, and resolve discrepancies. All audited."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.collection.payments.checkout import Checkout, PaymentProviderUnavailable
from billing.collection.payments.discrepancies import (
    DISCREPANCY_PREFIX,
    DiscrepancyNotFound,
    resolve_discrepancy,
)
from billing.collection.payments.orders import PAYMENT_ORDER_PREFIX, PaymentOrderNotFound
from billing.collection.payments.poller import PaymentPoller
from billing.collection.payments.refunds import (
    NewRefund,
    RefundInvalid,
    create_refund,
    list_refunds,
    retry_refund,
)
from billing.collection.payments.views import operator_order_json
from billing.outbox import PermanentFailure, RetryLater
from billing.tables import PaymentDiscrepancy, PaymentOrder
from gateway.identity.audit_log import Actor, record_audit_event
from gateway.operations.parsing import parse_minor
from infra import ids
from infra.clock import Clock
from infra.database.database import Database


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """A refund to make: the amount as text, a reason for the customer, and a unique reference."""

    amount: str
    reason: str
    reference: str


async def find_any_order(session: AsyncSession, order: str) -> PaymentOrder:
    """Return an order of any account by its public id. Raises PaymentOrderNotFound."""
    order_id: UUID | None = ids.parse_id(PAYMENT_ORDER_PREFIX, order)
    found = None if order_id is None else await session.get(PaymentOrder, order_id)
    if found is None:
        raise PaymentOrderNotFound(
            f"Payment order not found: {order[:100]!r}. Run `maas payments list`."
        )
    return found


async def load_order_json(session: AsyncSession, order: PaymentOrder) -> dict[str, Any]:
    """Return an order with its refunds as JSON, as it is in the database now."""
    await session.refresh(order)
    refunds = await list_refunds(session, order.account_id, [order.id])
    return operator_order_json(order, refunds)


async def refund_order(
    session: AsyncSession, clock: Clock, actor: Actor, order: str, request: RefundRequest
) -> dict[str, Any]:
    """Refund a payment in full or in part; a repeated reference refunds nothing.

    Raises PaymentOrderNotFound, RefundInvalid, RefundConflict.
    """
    found = await find_any_order(session, order)
    minor = parse_minor(request.amount, found.currency, RefundInvalid)
    new = NewRefund(minor, request.reason, request.reference)
    before = len(await list_refunds(session, found.account_id, [found.id]))
    await create_refund(session, clock, found.account_id, found.id, new)
    if len(await list_refunds(session, found.account_id, [found.id])) > before:
        details = {"amount": request.amount, "reason": request.reason}
        await record_audit_event(
            session, clock, actor, found.account_id, "payment.refunded", order, details
        )
    return await load_order_json(session, found)


async def query_order(
    database: Database, clock: Clock, checkout: Checkout, order: str
) -> tuple[str, dict[str, Any]]:
    """Query an order and its refunds at the provider; return the outcome and the order as JSON.

    Raises PaymentOrderNotFound, PaymentProviderUnavailable.
    """
    async with database.transaction() as session:
        found = await find_any_order(session, order)
        await retry_refund(session, clock, found.account_id, found.id)
    try:
        outcome = await checkout.query(found)
        await PaymentPoller(database, clock, checkout).poll_refunds()
    except (RetryLater, PermanentFailure) as error:
        raise PaymentProviderUnavailable(f"The provider does not say: {error}") from error
    async with database.transaction() as session:
        return str(outcome), await load_order_json(session, await find_any_order(session, order))


async def resolve_any_discrepancy(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    discrepancy: str,
    reason: str,
    *,
    credit: bool,
) -> PaymentDiscrepancy:
    """Resolve a discrepancy; with `credit`, add what was received to the wallet.

    Raises DiscrepancyNotFound, DiscrepancyStateWrong.
    """
    discrepancy_id = ids.parse_id(DISCREPANCY_PREFIX, discrepancy)
    if discrepancy_id is None:
        raise DiscrepancyNotFound(f"{discrepancy[:100]!r} is not a discrepancy ID (pdis_…).")
    found = await resolve_discrepancy(session, clock, discrepancy_id, reason, credit=credit)
    details = {"reason": reason}
    await record_audit_event(
        session, clock, actor, found.account_id, "payment.resolved", discrepancy, details
    )
    return found
