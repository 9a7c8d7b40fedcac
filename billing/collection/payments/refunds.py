"""Refunds of paid orders, by the operator: in the ledger at once, then at the provider.

What is still in the wallet is refunded from it first; the rest of an invoice's payment by a credit
note, as every refund of an invoice (billing/invoices/credit_notes.py). So a refund never exceeds
what the payment paid, and money that is on its way back cannot be spent. A refund that the provider
finally refuses returns to the wallet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import get_profile, lock_profile
from billing.collection.payments.orders import lock_order
from billing.collection.payments.provider import RefundState
from billing.collection.payments.providers import PROVIDERS
from billing.collection.payments.recording import payment_key
from billing.collection.payments.results import OrderState
from billing.invoices.available_credit import refresh_account_credit, sum_uninvoiced_usage
from billing.invoices.credit_notes import CreditNoteRequest, create_credit_note
from billing.ledger.ledger import Book, Posting, TransactionKind, post_transaction
from billing.ledger.wallets import allocate_to_grants, list_grant_balances
from billing.money import minor_text
from billing.tables import PaymentOrder, PaymentRefund
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

PAYMENT_REFUND_PREFIX = "pref"


class RefundInvalid(AppError):
    """The amount is not positive or too large, or the reason or reference is missing."""

    status = 400
    type = "invalid_request_error"
    code = "refund_invalid"


class RefundConflict(AppError):
    """The reference was used for a different refund."""

    status = 409
    type = "invalid_request_error"
    code = "refund_differs"


@dataclass(frozen=True, slots=True)
class NewRefund:
    """A refund in minor units; a repeated `reference` of an account has no effect."""

    minor: int
    reason: str
    reference: str


async def create_refund(
    session: AsyncSession, clock: Clock, account_id: UUID, order_id: UUID, new: NewRefund
) -> PaymentRefund:
    """Refund a part of a paid order, once per reference; a job sends it to the provider.

    Raises PaymentOrderNotFound, RefundInvalid, RefundConflict.
    """
    order = await lock_order(session, account_id, order_id)
    existing = await _find_by_reference(session, account_id, new.reference)
    if existing is not None:
        if (existing.order_id, existing.minor) != (order_id, new.minor):
            raise RefundConflict("This reference was used for another refund. Use a new one.")
        return existing
    await _validate(session, order, new)
    refund_id = ids.new_id()
    from_wallet = await _refund_from_wallet(session, clock, order, refund_id, new.minor)
    note_id = await _refund_by_credit_note(session, clock, order, refund_id, new, from_wallet)
    refund = PaymentRefund(
        id=refund_id,
        account_id=account_id,
        order_id=order_id,
        business_key=new.reference,
        number=refund_id.hex,
        minor=new.minor,
        reason=new.reason.strip()[:500],
        state=RefundState.PENDING.value,
        credit_note_id=note_id,
        created_at=clock.now(),
        poll_at=clock.now(),
    )
    session.add(refund)
    await session.flush()
    await refresh_account_credit(session, clock, account_id)
    return refund


async def list_refunds(
    session: AsyncSession, account_id: UUID, order_ids: Sequence[UUID]
) -> Sequence[PaymentRefund]:
    """List the refunds of some of the account's orders, oldest first."""
    query = select(PaymentRefund).where(
        col(PaymentRefund.account_id) == account_id, col(PaymentRefund.order_id).in_(order_ids)
    )
    return (await session.scalars(query.order_by(col(PaymentRefund.id)))).all()


async def retry_refund(
    session: AsyncSession, clock: Clock, account_id: UUID, order_id: UUID
) -> None:
    """Have the pending refunds of an order sent or queried by the next job."""
    await lock_profile(session, account_id)
    for refund in await list_refunds(session, account_id, [order_id]):
        if refund.state == RefundState.PENDING:
            refund.poll_at = clock.now()
    await session.flush()


async def _find_by_reference(
    session: AsyncSession, account_id: UUID, reference: str
) -> PaymentRefund | None:
    """Return the account's refund with this reference, or None."""
    query = select(PaymentRefund).where(
        col(PaymentRefund.account_id) == account_id,
        col(PaymentRefund.business_key) == reference,
    )
    return (await session.scalars(query)).one_or_none()


async def _validate(session: AsyncSession, order: PaymentOrder, new: NewRefund) -> None:
    """Raise RefundInvalid unless the order is paid and the amount is left of it."""
    if order.state != OrderState.PAID:
        raise RefundInvalid(f"The payment order is {order.state}, so nothing can be refunded.")
    if order.method not in PROVIDERS:
        # Nobody would send it: an automatic top-up is credited to the wallet by an order only.
        raise RefundInvalid("An automatic top-up is refunded at Stripe, not here.")
    if not 0 < len(new.reference) <= 200 or not new.reason.strip():
        raise RefundInvalid("A refund needs a reason, and a reference of 1 to 200 characters.")
    query = select(func.coalesce(func.sum(PaymentRefund.minor), 0)).where(
        col(PaymentRefund.account_id) == order.account_id,
        col(PaymentRefund.order_id) == order.id,
        col(PaymentRefund.state) != RefundState.FAILED.value,
    )
    left = order.minor - int((await session.execute(query)).scalar_one())
    if not 0 < new.minor <= left:
        raise RefundInvalid(_at_most(order, left), param="amount")


async def _refund_from_wallet(
    session: AsyncSession, clock: Clock, order: PaymentOrder, refund_id: UUID, minor: int
) -> int:
    """Take as much as possible from the wallet grant of the payment; return how much.

    Raises RefundInvalid if the payment is a top-up of which less is left.
    """
    grant_id, unused = await _unused_part(session, order, clock.now())
    taken = min(unused, minor)
    if taken < minor and order.credited_to == "wallet":
        raise RefundInvalid(_at_most(order, unused), param="amount")
    if taken and grant_id is not None:
        await post_transaction(
            session,
            clock,
            order.account_id,
            TransactionKind.REFUND,
            f"payment_refund:{refund_id}",
            order.currency,
            [Posting(Book.WALLET, taken, grant_id=grant_id), Posting(Book.CASH, -taken)],
        )
    return taken


async def _unused_part(
    session: AsyncSession, order: PaymentOrder, now: datetime
) -> tuple[UUID | None, int]:
    """Return the payment's wallet grant, and what is left of it after usage not invoiced yet."""
    account_id = order.account_id
    reserved = await sum_uninvoiced_usage(session, await get_profile(session, account_id), now)
    balances = await list_grant_balances(session, account_id)
    used = dict(allocate_to_grants(balances, reserved))
    key = payment_key(order.method, str(order.transaction_id))
    for balance in balances:
        if balance.grant.business_key == key:
            return balance.grant.id, balance.minor - used.get(balance.grant.id, 0)
    return None, 0


async def _refund_by_credit_note(
    session: AsyncSession,
    clock: Clock,
    order: PaymentOrder,
    refund_id: UUID,
    new: NewRefund,
    from_wallet: int,
) -> UUID | None:
    """Credit and refund on the invoice what the wallet did not cover; return the credit note's id.

    Raises RefundInvalid if the invoice was not paid in cash with as much, or is credited already.
    """
    minor = new.minor - from_wallet
    if not minor or order.invoice_id is None:
        return None
    key, credit = f"payment_refund:{refund_id}", CreditNoteRequest(minor, new.reason, refund=True)
    try:
        note = await create_credit_note(
            session, clock, order.account_id, order.invoice_id, key, credit
        )
    except AppError as error:
        raise RefundInvalid(error.message, param="amount") from error
    if note.refunded != minor:
        raise RefundInvalid(_at_most(order, note.refunded + from_wallet), param="amount")
    return note.id


def _at_most(order: PaymentOrder, minor: int) -> str:
    """Return the message that says how much can be refunded at most."""
    amount = minor_text(max(0, minor), order.currency)
    return f"{amount} {order.currency} of this payment can be refunded."
