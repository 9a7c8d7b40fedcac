"""Tables of bank statements: incoming transfers and the invoices that they are proposed for."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


class BankLine(SQLModel, table=True):
    """An incoming transfer to the operator's bank account, stored once per `line_hash`."""

    __tablename__ = "bank_line"
    __table_args__ = (
        CheckConstraint("minor > 0", name="positive"),
        CheckConstraint(
            "status in ('proposed', 'ambiguous', 'unmatched', 'confirmed')", name="status_known"
        ),
        UniqueConstraint("line_hash"),
        Index("ix_bank_line_open", "booked_on", postgresql_where=text("status <> 'confirmed'")),
    )

    id: UUID = Field(primary_key=True)
    line_hash: str = Field(sa_column=Column(Text, nullable=False))
    bank_account: str = Field(sa_column=Column(Text, nullable=False))
    reference: str = Field(sa_column=Column(Text, nullable=False))
    booked_on: date
    minor: int = Field(sa_column=Column(BigInteger, nullable=False))
    currency: str = Field(sa_column=Column(Text, nullable=False))
    payer_name: str = Field(sa_column=Column(Text, nullable=False))
    payer_account: str = Field(sa_column=Column(Text, nullable=False))
    text: str = Field(sa_column=Column(Text, nullable=False))
    status: str = Field(sa_column=Column(Text, nullable=False))
    flags: list[str] = Field(sa_column=Column(JSONB, nullable=False))
    file_name: str = Field(sa_column=Column(Text, nullable=False))
    imported_at: datetime = Field(sa_column=moment())
    decided_by: str | None = Field(default=None, sa_column=Column(Text))
    decided_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class BankProposal(SQLModel, table=True):
    """An invoice that a transfer may pay, with the amount; a rejected one is not proposed again."""

    __tablename__ = "bank_proposal"

    line_id: UUID = Field(primary_key=True, foreign_key="bank_line.id")
    invoice_id: UUID = Field(primary_key=True, foreign_key="invoice.id")
    account_id: UUID = Field(foreign_key="account.id", index=True)
    minor: int = Field(sa_column=Column(BigInteger, nullable=False))
    rejected: bool = False


class PaymentProof(SQLModel, table=True):
    """A proof of payment that a customer uploaded for an invoice: a PDF file or an image."""

    __tablename__ = "payment_proof"
    __table_args__ = (Index("ix_payment_proof_account_id", "account_id"),)

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    invoice_id: UUID = Field(foreign_key="invoice.id", index=True)
    media_type: str = Field(sa_column=Column(Text, nullable=False))
    size: int
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    uploaded_at: datetime = Field(sa_column=moment())
    uploaded_by: str = Field(sa_column=Column(Text, nullable=False))
