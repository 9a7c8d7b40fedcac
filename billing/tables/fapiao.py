"""Tables of fapiao (fully digitalised Chinese e-invoices): titles, categories, requests, files.

All amounts are minor units of CNY. Fapiao are tax records: rows are never deleted.
"""

from datetime import date, datetime
from typing import Any
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


class FapiaoTitle(SQLModel, table=True):
    """A buyer title of an account. Fapiao keep a copy of theirs, so a removed title changes none.

    `kind` is `ordinary` or `special`; a title without a tax number is of a natural person.
    """

    __tablename__ = "fapiao_title"
    __table_args__ = (
        CheckConstraint("kind in ('ordinary', 'special')", name="kind_known"),
        CheckConstraint("kind = 'ordinary' or tax_number <> ''", name="special_has_tax_number"),
        Index("ix_fapiao_title_account_id", "account_id"),
        Index(
            "uq_fapiao_title_default",
            "account_id",
            unique=True,
            postgresql_where=text("is_default and removed_at is null"),
        ),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    kind: str = Field(sa_column=Column(Text, nullable=False))
    name: str = Field(sa_column=Column(Text, nullable=False))
    tax_number: str = Field(sa_column=Column(Text, nullable=False))
    address: str = Field(sa_column=Column(Text, nullable=False))
    phone: str = Field(sa_column=Column(Text, nullable=False))
    bank_name: str = Field(sa_column=Column(Text, nullable=False))
    bank_account: str = Field(sa_column=Column(Text, nullable=False))
    email: str = Field(sa_column=Column(Text, nullable=False))
    is_default: bool
    created_at: datetime = Field(sa_column=moment())
    removed_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class FapiaoCategory(SQLModel, table=True):
    """The service category of a product: 19-digit tax code and item name. `*` is the default."""

    __tablename__ = "fapiao_category"

    product: str = Field(sa_column=Column(Text, primary_key=True))
    code: str = Field(sa_column=Column(Text, nullable=False))
    item: str = Field(sa_column=Column(Text, nullable=False))


class FapiaoBatch(SQLModel, table=True):
    """An exported batch of fapiao of one seller."""

    __tablename__ = "fapiao_batch"

    id: UUID = Field(primary_key=True)
    legal_entity_id: UUID = Field(foreign_key="legal_entity.id")
    created_at: datetime = Field(sa_column=moment())
    created_by: str = Field(sa_column=Column(Text, nullable=False))


class Fapiao(SQLModel, table=True):
    """A fapiao of an invoice: blue (positive) or red (reduces its `original_id`).

    `total` is positive for both colours. `title` and `lines` are copies, as JSON. `reason` says why
    it was rejected, or for a red letter that was not rejected, why it is needed. A red letter with
    `reissue_title` is followed by a new fapiao with that title.
    """

    __tablename__ = "fapiao"
    __table_args__ = (
        CheckConstraint("colour in ('blue', 'red')", name="colour_known"),
        CheckConstraint(
            "status in ('requested', 'issuing', 'issued', 'rejected')", name="status_known"
        ),
        CheckConstraint("net + tax = total and total > 0 and tax >= 0", name="adds_up"),
        CheckConstraint("(colour = 'red') = (original_id is not null)", name="red_has_original"),
        CheckConstraint("(status = 'issued') = (number is not null)", name="issued_has_number"),
        CheckConstraint("(number is null) = (issued_on is null)", name="number_has_day"),
        CheckConstraint(
            "status not in ('issuing', 'issued') or batch_id is not null", name="issued_by_batch"
        ),
        UniqueConstraint("serial"),
        UniqueConstraint("number"),
        Index("ix_fapiao_account_id", "account_id"),
        Index("ix_fapiao_invoice_id", "invoice_id"),
        Index(
            "ix_fapiao_open",
            "requested_at",
            postgresql_where=text("status in ('requested', 'issuing')"),
        ),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    invoice_id: UUID = Field(foreign_key="invoice.id")
    legal_entity_id: UUID = Field(foreign_key="legal_entity.id")
    serial: str = Field(sa_column=Column(Text, nullable=False))
    colour: str = Field(sa_column=Column(Text, nullable=False))
    original_id: UUID | None = Field(default=None, foreign_key="fapiao.id", index=True)
    status: str = Field(sa_column=Column(Text, nullable=False))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    title: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    reissue_title: dict[str, Any] | None = Field(
        default=None, sa_column=Column(JSONB(none_as_null=True))
    )
    tax_treatment: str = Field(sa_column=Column(Text, nullable=False))
    tax_ppm: int
    net: int = Field(sa_column=Column(BigInteger, nullable=False))
    tax: int = Field(sa_column=Column(BigInteger, nullable=False))
    total: int = Field(sa_column=Column(BigInteger, nullable=False))
    lines: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
    reason: str = Field(default="", sa_column=Column(Text, nullable=False))
    requested_at: datetime = Field(sa_column=moment())
    requested_by: str = Field(sa_column=Column(Text, nullable=False))
    batch_id: UUID | None = Field(default=None, foreign_key="fapiao_batch.id", index=True)
    number: str | None = Field(default=None, sa_column=Column(Text))
    issued_on: date | None = None
    decided_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class FapiaoFile(SQLModel, table=True):
    """The OFD or PDF file of an issued fapiao; one of each format."""

    __tablename__ = "fapiao_file"

    fapiao_id: UUID = Field(primary_key=True, foreign_key="fapiao.id")
    format: str = Field(sa_column=Column(Text, primary_key=True))
    account_id: UUID = Field(foreign_key="account.id", index=True)
    size: int
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    stored_at: datetime = Field(sa_column=moment())
