"""Deposits: security that an account pays, which is returned or applied to overdue invoices.

A deposit is a liability with its own ledger account; it is not revenue, so it has no tax.

    received: cash / deposit    applied: deposit / receivable    returned: deposit / cash
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import get_account_currency, lock_profile
from billing.credit.errors import DepositConflict, DepositInvalid, DepositTooSmall
from billing.credit.evaluation import evaluate_credit
from billing.invoices.available_credit import refresh_account_credit
from billing.invoices.collection_items import (
    CollectionAction,
    enqueue_change,
    enqueue_part_payment,
)
from billing.invoices.lifecycle import InvalidInvoiceState, get_invoice, mark_paid_if_settled
from billing.invoices.suspension import restore_calls_if_paid
from billing.ledger.ledger import (
    Book,
    Posting,
    TransactionKind,
    book_balance,
    outstanding_amount,
    post_transaction,
)
from billing.tables import DepositMovement, Invoice, InvoiceStatus
from infra import ids
from infra.clock import Clock

_MAX_MINOR = 10**13


async def deposit_balance(session: AsyncSession, account_id: UUID) -> int:
    """Return the account's deposit in minor units."""
    return -await book_balance(session, account_id, Book.DEPOSIT)


async def list_deposit_movements(
    session: AsyncSession, account_id: UUID
) -> Sequence[DepositMovement]:
    """List all movements of an account's deposit, the newest first."""
    query = select(DepositMovement).where(col(DepositMovement.account_id) == account_id)
    return (await session.scalars(query.order_by(col(DepositMovement.id).desc()))).all()


async def receive_deposit(
    session: AsyncSession, clock: Clock, account_id: UUID, minor: int, reference: str
) -> DepositMovement:
    """Record a deposit received, once per reference, and decide the limit again.

    Raises DepositInvalid, DepositConflict.
    """
    _require_valid(minor, reference)
    await lock_profile(session, account_id)
    row, is_new = await _store(session, clock, account_id, "received", minor, reference)
    if is_new:
        postings = [Posting(Book.CASH, minor), Posting(Book.DEPOSIT, -minor)]
        await _post(session, clock, row, TransactionKind.DEPOSIT, postings)
        await evaluate_credit(session, clock, account_id, f"deposit:{row.id}")
    return row


async def return_deposit(
    session: AsyncSession, clock: Clock, account_id: UUID, minor: int, reference: str
) -> DepositMovement:
    """Record a deposit returned to the customer, once per reference; decide the limit again.

    Raises DepositInvalid, DepositConflict, DepositTooSmall.
    """
    _require_valid(minor, reference)
    await lock_profile(session, account_id)
    balance = await deposit_balance(session, account_id)
    row, is_new = await _store(session, clock, account_id, "returned", minor, reference)
    if is_new:
        _require_covered(minor, balance, "the deposit")
        postings = [Posting(Book.DEPOSIT, minor), Posting(Book.CASH, -minor)]
        await _post(session, clock, row, TransactionKind.DEPOSIT_RETURN, postings)
        await evaluate_credit(session, clock, account_id, f"deposit:{row.id}")
    return row


async def apply_deposit(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    invoice_id: UUID,
    reference: str,
    minor: int | None = None,
) -> DepositMovement:
    """Apply the deposit to an overdue invoice, once per reference; decide the limit again.

    Without an amount as much as is owed and deposited. Raises InvoiceNotFound,
    InvalidInvoiceState, DepositInvalid, DepositConflict, DepositTooSmall.
    """
    await lock_profile(session, account_id)
    invoice = await get_invoice(session, account_id, invoice_id)
    known = await _find(session, account_id, "applied", reference)
    if known is not None:
        _require_same(known, known.minor if minor is None else minor, invoice_id)
        return known
    if (
        invoice.status != InvoiceStatus.OPEN
        or invoice.due_at is None
        or invoice.due_at >= clock.now()
    ):
        raise InvalidInvoiceState("A deposit is applied to an overdue invoice only.")
    balance = await deposit_balance(session, account_id)
    owed = await outstanding_amount(session, account_id, invoice_id)
    minor = max(1, min(owed, balance)) if minor is None else minor
    _require_valid(minor, reference)
    _require_covered(minor, balance, "the deposit")
    _require_covered(minor, owed, "the outstanding amount")
    row, _ = await _store(session, clock, account_id, "applied", minor, reference, invoice_id)
    postings = [
        Posting(Book.DEPOSIT, minor, invoice_id),
        Posting(Book.RECEIVABLE, -minor, invoice_id),
    ]
    await _post(session, clock, row, TransactionKind.DEPOSIT_USE, postings)
    await _settle(session, clock, invoice, row)
    return row


async def _settle(
    session: AsyncSession, clock: Clock, invoice: Invoice, row: DepositMovement
) -> None:
    """Mark an invoice as paid if nothing is owed, tell its collector and decide the limit."""
    if await mark_paid_if_settled(session, clock, invoice):
        await enqueue_change(session, clock, invoice, CollectionAction.MARK_PAID)
    else:
        await enqueue_part_payment(session, clock, invoice, row.id, row.minor)
    await refresh_account_credit(session, clock, row.account_id)
    await restore_calls_if_paid(session, clock, row.account_id)
    await evaluate_credit(session, clock, row.account_id, f"deposit:{row.id}")


async def _post(
    session: AsyncSession,
    clock: Clock,
    row: DepositMovement,
    kind: TransactionKind,
    postings: Sequence[Posting],
) -> None:
    """Post a movement to the ledger."""
    currency = await get_account_currency(session, row.account_id)
    key = f"deposit:{row.id}"
    await post_transaction(session, clock, row.account_id, kind, key, currency, postings)


async def _store(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    kind: str,
    minor: int,
    reference: str,
    invoice_id: UUID | None = None,
) -> tuple[DepositMovement, bool]:
    """Return the movement with a reference and whether it is new. Raises DepositConflict."""
    known = await _find(session, account_id, kind, reference)
    if known is not None:
        _require_same(known, minor, invoice_id)
        return known, False
    row = DepositMovement(
        id=ids.new_id(),
        account_id=account_id,
        kind=kind,
        minor=minor,
        reference=reference,
        invoice_id=invoice_id,
        created_at=clock.now(),
    )
    session.add(row)
    await session.flush()
    return row, True


async def _find(
    session: AsyncSession, account_id: UUID, kind: str, reference: str
) -> DepositMovement | None:
    """Return the account's movement of a kind with a reference; None if there is none."""
    query = select(DepositMovement).where(
        col(DepositMovement.account_id) == account_id,
        col(DepositMovement.kind) == kind,
        col(DepositMovement.reference) == reference,
    )
    return (await session.scalars(query)).one_or_none()


def _require_same(known: DepositMovement, minor: int, invoice_id: UUID | None) -> None:
    """Raise DepositConflict unless a movement has this amount and invoice."""
    if (known.minor, known.invoice_id) != (minor, invoice_id):
        raise DepositConflict(
            f"The reference {known.reference!r} was used for another amount or invoice.",
            param="reference",
        )


def _require_valid(minor: int, reference: str) -> None:
    """Raise DepositInvalid if the amount or reference is not valid."""
    if not 0 < minor <= _MAX_MINOR:
        raise DepositInvalid("The amount must be greater than zero.", param="amount")
    if not 0 < len(reference) <= 200:
        raise DepositInvalid("A deposit needs a reference.", param="reference")


def _require_covered(minor: int, available: int, what: str) -> None:
    """Raise DepositTooSmall if an amount is above what is available."""
    if minor > available:
        raise DepositTooSmall(f"The amount is above {what}.", param="amount")
