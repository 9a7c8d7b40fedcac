"""The tables of what is owed: invoices, credit notes, the ledger, wallets, payments.

Owns columns and what the database itself enforces, no query. Triggers of the migration add what
constraints cannot say: facts are never changed, ledger transactions sum to zero.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    FetchedValue,
    Index,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


class InvoiceStatus(StrEnum):
    """Where an invoice stands. Only a draft's amounts can change."""

    DRAFT = "draft"
    OPEN = "open"
    PAID = "paid"
    VOID = "void"
    UNCOLLECTIBLE = "uncollectible"


def _minor(*, nullable: bool = False) -> Column[int]:
    return Column(BigInteger, nullable=nullable)


class NumberSeries(SQLModel, table=True):
    """The last number given to a kind of document of a legal entity. Its lock keeps out gaps."""

    __tablename__ = "number_series"

    legal_entity_id: UUID = Field(primary_key=True, foreign_key="legal_entity.id")
    document: str = Field(sa_column=Column(Text, primary_key=True))
    last: int = Field(sa_column=_minor())


class Invoice(SQLModel, table=True):
    """What an account owes for a period, or for a change of plan. Amounts in minor units.

    `usage` is the part of the net amount that usage makes. Payments and credit notes are in the
    ledger, not here. `parties` is who sold and who bought when it became final
    (billing/accounts/parties.py).
    """

    __tablename__ = "invoice"
    __table_args__ = (
        CheckConstraint("net + tax = total", name="adds_up"),
        CheckConstraint("total >= 0", name="not_negative"),
        CheckConstraint("(number is null) = (finalised_at is null)", name="numbered_when_final"),
        CheckConstraint("(status = 'draft') = (number is null)", name="draft_has_no_number"),
        CheckConstraint("(number is null) = (parties is null)", name="final_says_between_whom"),
        UniqueConstraint("legal_entity_id", "number"),
        Index("uq_invoice_period_id", "period_id", unique=True),
        Index("ix_invoice_account_id", "account_id", "created_at"),
        Index("ix_invoice_unpaid", "due_at", postgresql_where=text("status = 'open'")),
    )
    # What the database works out on an update comes back with it.
    __mapper_args__ = {"eager_defaults": True}

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    legal_entity_id: UUID = Field(foreign_key="legal_entity.id")
    period_id: UUID | None = Field(default=None, foreign_key="billing_period.id")
    status: str = Field(sa_column=Column(Text, nullable=False))
    number: int | None = Field(default=None, sa_column=_minor(nullable=True))
    currency: str = Field(sa_column=Column(Text, nullable=False))
    starts_at: datetime = Field(sa_column=moment())
    ends_at: datetime = Field(sa_column=moment())
    tax_treatment: str = Field(sa_column=Column(Text, nullable=False))
    tax_ppm: int
    net: int = Field(sa_column=_minor())
    tax: int = Field(sa_column=_minor())
    total: int = Field(sa_column=_minor())
    usage: int = Field(sa_column=_minor())
    created_at: datetime = Field(sa_column=moment())
    finalised_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    due_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    settled_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    parties: dict[str, Any] | None = Field(
        default=None,
        sa_column=Column(JSONB(none_as_null=True), server_onupdate=FetchedValue()),
    )
    reminders: int = 0
    stripe_invoice: str | None = Field(default=None, sa_column=Column(Text, unique=True))


class InvoiceLine(SQLModel, table=True):
    """A line of an invoice (billing/rating/statement.py); never changed once that is final.

    One for an outcome names the charge that it is.
    """

    __tablename__ = "invoice_line"

    invoice_id: UUID = Field(primary_key=True, foreign_key="invoice.id")
    position: int = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    kind: str = Field(sa_column=Column(Text, nullable=False))
    minor: int = Field(sa_column=_minor())
    plan_version_id: UUID = Field(foreign_key="plan_version.id")
    model: str | None = Field(default=None, sa_column=Column(Text))
    meter: str | None = Field(default=None, sa_column=Column(Text))
    quantity: int | None = Field(default=None, sa_column=_minor(nullable=True))
    included: int = Field(default=0, sa_column=_minor())
    ppm: int | None = None
    starts_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    ends_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    charge_id: UUID | None = Field(default=None, foreign_key="charge.id")


class CreditNote(SQLModel, table=True):
    """An amount of a final invoice that is not owed after all. Rows are never changed.

    `refund` says that what was paid was to go back, `refunded` how much of it did.
    """

    __tablename__ = "credit_note"
    __table_args__ = (
        CheckConstraint("net + tax = total and total > 0", name="adds_up"),
        UniqueConstraint("legal_entity_id", "number"),
        UniqueConstraint("account_id", "business_key"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    legal_entity_id: UUID = Field(foreign_key="legal_entity.id")
    invoice_id: UUID = Field(foreign_key="invoice.id", index=True)
    number: int = Field(sa_column=_minor())
    business_key: str = Field(sa_column=Column(Text, nullable=False))
    reason: str = Field(sa_column=Column(Text, nullable=False))
    net: int = Field(sa_column=_minor())
    tax: int = Field(sa_column=_minor())
    total: int = Field(sa_column=_minor())
    refund: bool
    to_wallet: int = Field(sa_column=_minor())
    refunded: int = Field(sa_column=_minor())
    created_at: datetime = Field(sa_column=moment())


class LineDispute(SQLModel, table=True):
    """What a customer says against a line of a final invoice, by its number from 1, and what the
    operator answers; credited with the note, or refused."""

    __tablename__ = "line_dispute"
    __table_args__ = (
        UniqueConstraint("invoice_id", "line"),
        Index("ix_line_dispute_open", "account_id", postgresql_where=text("answered_at is null")),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    invoice_id: UUID = Field(foreign_key="invoice.id")
    line: int
    opened_at: datetime = Field(sa_column=moment())
    opened_by: str = Field(sa_column=Column(Text, nullable=False))
    reason: str = Field(sa_column=Column(Text, nullable=False))
    answer: str | None = Field(default=None, sa_column=Column(Text))
    answered_by: str | None = Field(default=None, sa_column=Column(Text))
    answered_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    credit_note_id: UUID | None = Field(default=None, foreign_key="credit_note.id")


class LedgerTransaction(SQLModel, table=True):
    """Something that happened to money, once for each business key. Rows are never changed."""

    __tablename__ = "ledger_transaction"
    __table_args__ = (Index("ix_ledger_transaction_account_id", "account_id"),)

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    kind: str = Field(sa_column=Column(Text, nullable=False))
    business_key: str = Field(sa_column=Column(Text, nullable=False, unique=True))
    currency: str = Field(sa_column=Column(Text, nullable=False))
    occurred_at: datetime = Field(sa_column=moment())
    written_in: int = Field(
        sa_column=Column(
            BigInteger, nullable=False, server_default=text("pg_current_xact_id()::text::bigint")
        )
    )


class LedgerPosting(SQLModel, table=True):
    """One side of a transaction: debits are positive, credits negative. Rows are never changed."""

    __tablename__ = "ledger_posting"
    __table_args__ = (
        CheckConstraint("minor <> 0", name="not_zero"),
        Index("ix_ledger_posting_account_id", "account_id", "book"),
        Index(
            "ix_ledger_posting_invoice_id",
            "invoice_id",
            postgresql_where=text("invoice_id is not null"),
        ),
    )

    transaction_id: UUID = Field(primary_key=True, foreign_key="ledger_transaction.id")
    position: int = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    book: str = Field(sa_column=Column(Text, nullable=False))
    minor: int = Field(sa_column=_minor())
    invoice_id: UUID | None = Field(default=None, foreign_key="invoice.id")
    grant_id: UUID | None = Field(default=None, foreign_key="wallet_grant.id")


class WalletGrant(SQLModel, table=True):
    """Money in an account's wallet, paid or given. What is left of it is in the ledger.

    Of several the smaller priority is used first, then what expires first.
    """

    __tablename__ = "wallet_grant"
    __table_args__ = (
        CheckConstraint("minor > 0", name="positive"),
        UniqueConstraint("account_id", "business_key"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    business_key: str = Field(sa_column=Column(Text, nullable=False))
    paid: bool
    minor: int = Field(sa_column=_minor())
    priority: int
    expires_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    created_at: datetime = Field(sa_column=moment())


class Payment(SQLModel, table=True):
    """Money that came in for an invoice, or went back (negative). Rows are never changed."""

    __tablename__ = "payment"
    __table_args__ = (
        CheckConstraint("minor <> 0", name="not_zero"),
        UniqueConstraint("method", "reference"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    invoice_id: UUID = Field(foreign_key="invoice.id", index=True)
    method: str = Field(sa_column=Column(Text, nullable=False))
    reference: str = Field(sa_column=Column(Text, nullable=False))
    minor: int = Field(sa_column=_minor())
    received_at: datetime = Field(sa_column=moment())
    recorded_at: datetime = Field(sa_column=moment())
