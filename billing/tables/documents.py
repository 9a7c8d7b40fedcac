"""Tables of invoices, credit notes, line disputes, the ledger, wallets and payments.

Database triggers (see the migrations) enforce immutable rows and balanced ledger transactions.
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
    """Invoice status. Only the amounts of a draft can change."""

    DRAFT = "draft"
    OPEN = "open"
    PAID = "paid"
    VOID = "void"
    UNCOLLECTIBLE = "uncollectible"


def _minor(*, nullable: bool = False) -> Column[int]:
    """Return a bigint column for an amount in minor units."""
    return Column(BigInteger, nullable=nullable)


class NumberSeries(SQLModel, table=True):
    """The last number of a document type of a legal entity. Its row lock prevents gaps."""

    __tablename__ = "number_series"

    legal_entity_id: UUID = Field(primary_key=True, foreign_key="legal_entity.id")
    document: str = Field(sa_column=Column(Text, primary_key=True))
    last: int = Field(sa_column=_minor())


class Invoice(SQLModel, table=True):
    """An invoice for a billing period or a plan change. Amounts in minor units.

    `usage` is the part of the net amount due to usage. Payments and credit notes are in the
    ledger. `parties` are seller and buyer at finalisation (billing/accounts/parties.py).
    `external_invoice` is the invoice's id at its `collector`, both None if collected by hand.
    """

    __tablename__ = "invoice"
    __table_args__ = (
        CheckConstraint("net + tax = total", name="adds_up"),
        CheckConstraint("total >= 0", name="not_negative"),
        CheckConstraint("(number is null) = (finalised_at is null)", name="numbered_when_final"),
        CheckConstraint("(status = 'draft') = (number is null)", name="draft_has_no_number"),
        CheckConstraint("(number is null) = (parties is null)", name="final_says_between_whom"),
        UniqueConstraint("legal_entity_id", "number"),
        UniqueConstraint("collector", "external_invoice"),
        Index("uq_invoice_period_id", "period_id", unique=True),
        Index("ix_invoice_account_id", "account_id", "created_at"),
        Index("ix_invoice_unpaid", "due_at", postgresql_where=text("status = 'open'")),
    )
    # Values set by triggers on update are fetched with the update.
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
    collector: str | None = Field(default=None, sa_column=Column(Text))
    external_invoice: str | None = Field(default=None, sa_column=Column(Text))
    # Of the release before, kept equal by a trigger; the next release drops it.
    stripe_invoice: str | None = Field(default=None, sa_column=Column(Text, unique=True))


class InvoiceLine(SQLModel, table=True):
    """An invoice line (billing/rating/statement.py), immutable once the invoice is finalised.

    Lines of outcomes refer to their charge, lines of add-ons name the `add_on` of the terms.
    `packed` of the included units are from prepaid packs.
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
    packed: int | None = Field(default=None, sa_column=_minor(nullable=True))
    ppm: int | None = None
    starts_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    ends_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    charge_id: UUID | None = Field(default=None, foreign_key="charge.id")
    add_on: str | None = Field(default=None, sa_column=Column(Text))


class CreditNote(SQLModel, table=True):
    """A credit note on a finalised invoice. Rows are immutable.

    `refund` tells whether a paid amount is to be refunded, `refunded` is the amount refunded.
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
    """A customer's dispute of an invoice line (`line` from 1), with the operator's answer.

    `credit_note_id` is set if the dispute was accepted.
    """

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
    """A ledger transaction, once per business key. Rows are immutable."""

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
    """A posting of a ledger transaction: debits are positive, credits negative. Immutable."""

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
    """A wallet grant, paid or promotional. Its remaining balance is in the ledger.

    Grants are consumed by ascending priority, then by expiry.
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
    """A payment of an invoice, or a refund (negative). Rows are immutable."""

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
