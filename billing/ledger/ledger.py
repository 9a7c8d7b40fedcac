"""The double-entry ledger: append-only transactions in minor units of the account's currency.

The postings of a transaction sum to zero (a database trigger enforces it) and a business key is
posted at most once. Debits are positive, credits negative.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.audit_events import MoneyEvent, log_event
from billing.tables import LedgerPosting, LedgerTransaction
from infra import ids
from infra.clock import Clock


class Book(StrEnum):
    """A ledger account of the chart of accounts; each customer has its own set."""

    RECEIVABLE = "receivable"  # asset: amounts due on final invoices
    WALLET = "wallet"  # liability: prepaid money not used yet
    CASH = "cash"  # asset: money received by any payment method
    REVENUE_USAGE = "revenue_usage"
    REVENUE_FEES = "revenue_fees"
    DEFERRED_REVENUE = "deferred_revenue"  # liability: prepaid packs not used yet, before tax
    REVENUE_PACKS = "revenue_packs"  # prepaid packs used or expired
    TAX = "tax"  # liability: tax owed to the tax office
    PROMOTION = "promotion"  # expense: promotional wallet credit
    BREAKAGE = "breakage"  # revenue: expired paid wallet credit
    BAD_DEBT = "bad_debt"  # expense: uncollectible invoices
    DEPOSIT = "deposit"  # liability: security that is returned or applied to overdue invoices


class TransactionKind(StrEnum):
    """The business event that a ledger transaction records."""

    INVOICE = "invoice"
    WALLET_USE = "wallet_use"
    VOID = "void"
    UNCOLLECTIBLE = "uncollectible"
    PAYMENT = "payment"
    CREDIT_NOTE = "credit_note"
    TOP_UP = "top_up"
    EXPIRY = "expiry"
    REFUND = "refund"
    CHARGEBACK = "chargeback"
    DEPOSIT = "deposit"
    DEPOSIT_USE = "deposit_use"
    DEPOSIT_RETURN = "deposit_return"
    RECOGNITION = "recognition"  # of deferred revenue


@dataclass(frozen=True, slots=True)
class Posting:
    """One side of a transaction in minor units: a debit if positive, a credit if negative."""

    book: Book
    minor: int
    invoice_id: UUID | None = None
    grant_id: UUID | None = None


async def post_transaction(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    kind: TransactionKind,
    business_key: str,
    currency: str,
    postings: Sequence[Posting],
) -> UUID | None:
    """Post a transaction; return its id, or None if its business key was posted before.

    A repeated business key changes nothing. Postings of zero are omitted. The database raises an
    error if the rest does not balance.
    """
    transaction_id = ids.new_id()
    inserted = await session.execute(
        insert(LedgerTransaction)
        .values(
            id=transaction_id,
            account_id=account_id,
            kind=kind.value,
            business_key=business_key,
            currency=currency,
            occurred_at=clock.now(),
        )
        .on_conflict_do_nothing(index_elements=["business_key"])
        .returning(col(LedgerTransaction.id))
    )
    if inserted.scalar_one_or_none() is None:
        return None
    sides = [posting for posting in postings if posting.minor]
    session.add_all(
        LedgerPosting(
            transaction_id=transaction_id,
            position=position,
            account_id=account_id,
            book=posting.book.value,
            minor=posting.minor,
            invoice_id=posting.invoice_id,
            grant_id=posting.grant_id,
        )
        for position, posting in enumerate(sides)
    )
    await session.flush()
    _log_transaction(session, account_id, kind, transaction_id, business_key, currency, sides)
    return transaction_id


def _log_transaction(
    session: AsyncSession,
    account_id: UUID,
    kind: TransactionKind,
    transaction_id: UUID,
    business_key: str,
    currency: str,
    sides: Sequence[Posting],
) -> None:
    """Log an audit event with the posted amounts by ledger account."""
    total_by_book: Counter[str] = Counter()
    for side in sides:
        total_by_book[side.book.value] += side.minor
    log_event(
        session,
        MoneyEvent(f"ledger.{kind.value}"),
        account_id,
        transaction_id=transaction_id,
        business_key=business_key,
        minor=sum(side.minor for side in sides if side.minor > 0),
        currency=currency,
        booked=dict(total_by_book),
    )


async def book_balance(session: AsyncSession, account_id: UUID, book: Book) -> int:
    """Return the balance of one of a customer's ledger accounts, in minor units."""
    query = select(func.coalesce(func.sum(LedgerPosting.minor), 0)).where(
        col(LedgerPosting.account_id) == account_id, col(LedgerPosting.book) == book.value
    )
    return int((await session.execute(query)).scalar_one())


async def outstanding_amount(session: AsyncSession, account_id: UUID, invoice_id: UUID) -> int:
    """Return the receivable of an invoice: the amount still to be paid, in minor units."""
    return await invoice_book_balance(session, account_id, invoice_id, Book.RECEIVABLE)


async def invoice_book_balance(
    session: AsyncSession, account_id: UUID, invoice_id: UUID, book: Book
) -> int:
    """Return the balance of a ledger account for one invoice, in minor units."""
    query = select(func.coalesce(func.sum(LedgerPosting.minor), 0)).where(
        col(LedgerPosting.account_id) == account_id,
        col(LedgerPosting.book) == book.value,
        col(LedgerPosting.invoice_id) == invoice_id,
    )
    return int((await session.execute(query)).scalar_one())


async def sum_transaction_by_book(
    session: AsyncSession, account_id: UUID, business_key: str
) -> dict[Book, int]:
    """Return a transaction's amounts by ledger account (book); empty if the key was not posted."""
    query = (
        select(LedgerPosting.book, func.sum(LedgerPosting.minor))
        .join(LedgerTransaction, col(LedgerTransaction.id) == col(LedgerPosting.transaction_id))
        .where(
            col(LedgerPosting.account_id) == account_id,
            col(LedgerTransaction.business_key) == business_key,
        )
        .group_by(col(LedgerPosting.book))
    )
    return {Book(book): int(total) for book, total in (await session.execute(query)).all()}
