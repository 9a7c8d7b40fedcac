"""Tables of announced price changes: the newer plan version, and the accounts that move to it."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Index, Text, text
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


class PriceChangeState(StrEnum):
    """State of an account in a price change."""

    ANNOUNCED = "announced"
    SCHEDULED = "scheduled"  # the account changes at the end of its paid period
    SKIPPED = "skipped"  # the account left the plan, or its plan ends, in the meantime
    WITHDRAWN = "withdrawn"


class PriceChange(SQLModel, table=True):
    """An announced change of a plan's accounts to a newer version, from `effective_at` on."""

    __tablename__ = "price_change"
    __table_args__ = (
        CheckConstraint("effective_at > announced_at", name="in_future"),
        Index(
            "uq_price_change_open",
            "plan",
            "currency",
            unique=True,
            postgresql_where=text("closed_at is null"),
        ),
    )

    id: UUID = Field(primary_key=True)
    plan: str = Field(sa_column=Column(Text, nullable=False))
    currency: str = Field(sa_column=Column(Text, nullable=False))
    plan_version_id: UUID = Field(foreign_key="plan_version.id")
    effective_at: datetime = Field(sa_column=moment())
    announced_at: datetime = Field(sa_column=moment())
    closed_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class PriceChangeAccount(SQLModel, table=True):
    """An account to which a price change was announced, on the version that it had then."""

    __tablename__ = "price_change_account"
    __table_args__ = (
        Index("ix_price_change_account_account_id", "account_id"),
        CheckConstraint(
            "state in ('announced', 'scheduled', 'skipped', 'withdrawn')", name="state_known"
        ),
    )

    price_change_id: UUID = Field(primary_key=True, foreign_key="price_change.id")
    account_id: UUID = Field(primary_key=True, foreign_key="account.id")
    from_version_id: UUID = Field(foreign_key="plan_version.id")
    state: str = Field(sa_column=Column(Text, nullable=False))
