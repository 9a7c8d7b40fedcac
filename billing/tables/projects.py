"""Tables of projects, their service accounts and the usage of projects."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


class Project(SQLModel, table=True):
    """A part of an account, such as a workshop or a production line, with keys and a budget.

    The default project has the id of its account. Budgets are in nano-units; None is no budget.
    `alert_percentages` None are those of the account.
    """

    __tablename__ = "project"
    __table_args__ = (
        Index(
            "uq_project_account_id_name",
            "account_id",
            text("lower(name)"),
            unique=True,
            postgresql_where=text("archived_at is null"),
        ),
        Index("ix_project_account_id", "account_id"),
        Index(
            "ix_project_budgets_set_at",
            "budgets_set_at",
            postgresql_where=text("budgets_set_at is not null"),
        ),
        CheckConstraint("archived_at is null or id <> account_id", name="default_is_active"),
        CheckConstraint(
            "daily_budget_nano >= 0 and monthly_budget_nano >= 0 and total_budget_nano >= 0",
            name="budgets_not_negative",
        ),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    name: str = Field(sa_column=Column(Text, nullable=False))
    daily_budget_nano: int | None = Field(default=None, sa_column=Column(BigInteger))
    monthly_budget_nano: int | None = Field(default=None, sa_column=Column(BigInteger))
    total_budget_nano: int | None = Field(default=None, sa_column=Column(BigInteger))
    alert_percentages: list[int] | None = Field(
        default=None, sa_column=Column(JSONB(none_as_null=True))
    )
    # Calls that ran when a budget was set are counted later.
    budgets_set_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    created_at: datetime = Field(sa_column=moment())
    archived_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))

    @property
    def is_default(self) -> bool:
        """Whether this is the default project of its account."""
        return self.id == self.account_id


class ServiceAccount(SQLModel, table=True):
    """A member of a project that is not a person and owns API keys."""

    __tablename__ = "service_account"
    __table_args__ = (
        Index(
            "uq_service_account_project_id_name",
            "project_id",
            text("lower(name)"),
            unique=True,
            postgresql_where=text("deleted_at is null"),
        ),
        CheckConstraint("role in ('owner', 'member')", name="role"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    project_id: UUID = Field(foreign_key="project.id")
    name: str = Field(sa_column=Column(Text, nullable=False))
    role: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=moment())
    deleted_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class ProjectUsageTotal(SQLModel, table=True):
    """The part of the hourly usage totals that belongs to a project other than the default one.

    The usage of the default project is the rest of `usage_total`. Can be rebuilt from usage.
    """

    __tablename__ = "usage_project_total"
    __table_args__ = (Index("ix_usage_project_total_account_id_hour", "account_id", "hour"),)

    period_id: UUID = Field(primary_key=True)
    hour: datetime = Field(sa_column=Column(DateTime(timezone=True), primary_key=True))
    model: str = Field(sa_column=Column(Text, primary_key=True))
    plan_version_id: UUID = Field(primary_key=True)
    key_id: UUID = Field(primary_key=True)
    operation: str = Field(sa_column=Column(Text, primary_key=True))
    settlement: str = Field(sa_column=Column(Text, primary_key=True))
    late: bool = Field(primary_key=True)
    project_id: UUID = Field(primary_key=True)
    account_id: UUID
    calls: int = Field(sa_column=Column(BigInteger, nullable=False))
    input_tokens: int = Field(sa_column=Column(BigInteger, nullable=False))
    cached_input_tokens: int = Field(sa_column=Column(BigInteger, nullable=False))
    output_tokens: int = Field(sa_column=Column(BigInteger, nullable=False))
    rows: int = Field(sa_column=Column(BigInteger, nullable=False))
    images: int = Field(sa_column=Column(BigInteger, nullable=False))
    adaptation_seconds: int = Field(sa_column=Column(BigInteger, nullable=False))
    readings: int = Field(sa_column=Column(BigInteger, nullable=False))
    cost_nano: int = Field(sa_column=Column(BigInteger, nullable=False))


class ProjectCursor(SQLModel, table=True):
    """A single row: the transaction up to which usage is in the totals of projects."""

    __tablename__ = "project_cursor"
    __table_args__ = (CheckConstraint("id = 1", name="single_row"),)

    id: int = Field(primary_key=True)
    consumed: int = Field(sa_column=Column(BigInteger, nullable=False))
