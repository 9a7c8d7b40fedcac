"""The ledger: double-entry, append-only, in minor units.

Every transaction sums to zero and happens once for its business key. Debits are positive. Owns
posting and balances; what is posted is decided where it happens (billing/invoices/lifecycle.py,
billing/ledger/wallets.py, billing/invoices/payments.py). The database refuses what does not
balance.
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

from billing.audit_events import MoneyEvent, tell
from billing.tables import LedgerPosting, LedgerTransaction
from infra import ids
from infra.clock import Clock


class Book(StrEnum):
    """What a posting is booked on. Of those of a customer, each account has its own."""

    RECEIVABLE = "receivable"  # asset: what the customer owes for final invoices
    WALLET = "wallet"  # liability: what we owe the customer in usage
    CASH = "cash"  # asset: what came in, by whichever way
    REVENUE_USAGE = "revenue_usage"
    REVENUE_FEES = "revenue_fees"
    TAX = "tax"  # liability: what goes on to the tax office
    PROMOTION = "promotion"  # expense: credit that was given away
    BREAKAGE = "breakage"  # revenue: wallet money that expired
    BAD_DEBT = "bad_debt"  # expense: what was given up


class Kind(StrEnum):
    """What a transaction is for."""

    INVOICE = "invoice"
    WALLET_USE = "wallet_use"
    VOID = "void"
    UNCOLLECTIBLE = "uncollectible"
    PAYMENT = "payment"
    CREDIT_NOTE = "credit_note"
    TOP_UP = "top_up"
    EXPIRY = "expiry"


@dataclass(frozen=True, slots=True)
class Posting:
    """One side: `minor` above zero is a debit, below a credit."""

    book: Book
    minor: int
    invoice_id: UUID | None = None
    grant_id: UUID | None = None


async def post(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    kind: Kind,
    business_key: str,
    currency: str,
    postings: Sequence[Posting],
) -> UUID | None:
    """Book it; None where this business key was booked before, and nothing is changed then.

    Postings of nothing are left out. The database raises where the rest does not balance.
    """
    transaction_id = ids.new_id()
    made = await session.execute(
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
    if made.scalar_one_or_none() is None:
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
    _tell(session, account_id, kind, transaction_id, business_key, currency, sides)
    return transaction_id


def _tell(
    session: AsyncSession,
    account_id: UUID,
    kind: Kind,
    transaction_id: UUID,
    business_key: str,
    currency: str,
    sides: Sequence[Posting],
) -> None:
    """An event of money: what was booked, by book."""
    booked: Counter[str] = Counter()
    for side in sides:
        booked[side.book.value] += side.minor
    tell(
        session,
        MoneyEvent(f"ledger.{kind.value}"),
        account_id,
        transaction_id=transaction_id,
        business_key=business_key,
        minor=sum(side.minor for side in sides if side.minor > 0),
        currency=currency,
        booked=dict(booked),
    )


async def balance(session: AsyncSession, account_id: UUID, book: Book) -> int:
    """What a customer's book comes to, in minor units."""
    query = select(func.coalesce(func.sum(LedgerPosting.minor), 0)).where(
        col(LedgerPosting.account_id) == account_id, col(LedgerPosting.book) == book.value
    )
    return int((await session.execute(query)).scalar_one())


async def owed(session: AsyncSession, account_id: UUID, invoice_id: UUID) -> int:
    """What is still to be paid of an invoice, in minor units."""
    return await booked_for(session, account_id, invoice_id, Book.RECEIVABLE)


async def booked_for(session: AsyncSession, account_id: UUID, invoice_id: UUID, book: Book) -> int:
    """What a book has for an invoice, in minor units."""
    query = select(func.coalesce(func.sum(LedgerPosting.minor), 0)).where(
        col(LedgerPosting.account_id) == account_id,
        col(LedgerPosting.book) == book.value,
        col(LedgerPosting.invoice_id) == invoice_id,
    )
    return int((await session.execute(query)).scalar_one())


async def booked_of(session: AsyncSession, account_id: UUID, business_key: str) -> dict[Book, int]:
    """What one transaction booked, by book; nothing where there is none of this key."""
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
