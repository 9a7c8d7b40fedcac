"""Tables of plans, subscriptions, billing profiles, billing periods and usage totals."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


class PlanVersion(SQLModel, table=True):
    """A plan version; its id is the hash of its terms. Rows are immutable."""

    __tablename__ = "plan_version"
    __table_args__ = (UniqueConstraint("plan", "currency", "number"),)

    id: UUID = Field(primary_key=True)
    plan: str = Field(sa_column=Column(Text, nullable=False))
    currency: str = Field(sa_column=Column(Text, nullable=False))
    number: int
    terms: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=moment())


class UnlistedPlan(SQLModel, table=True):
    """A plan that is not offered to customers: only operators can assign it."""

    __tablename__ = "unlisted_plan"

    plan: str = Field(sa_column=Column(Text, primary_key=True))
    currency: str = Field(sa_column=Column(Text, primary_key=True))


class LegalEntity(SQLModel, table=True):
    """A seller that issues invoices, with gapless invoice numbers per entity."""

    __tablename__ = "legal_entity"

    id: UUID = Field(primary_key=True)
    code: str = Field(sa_column=Column(Text, nullable=False, unique=True))
    name: str = Field(sa_column=Column(Text, nullable=False))
    address: str = Field(default="", sa_column=Column(Text, nullable=False))
    tax_number: str = Field(default="", sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=moment())


class BillingProfile(SQLModel, table=True):
    """An account's billing settings. Its row lock serialises changes of the account's billing."""

    __tablename__ = "billing_profile"
    __table_args__ = (
        CheckConstraint("anchor_day between 1 and 31", name="anchor_day"),
        CheckConstraint("tax_ppm between 0 and 1000000", name="tax_ppm"),
        CheckConstraint("net_days between 0 and 365", name="net_days"),
        UniqueConstraint("collector", "external_customer"),
    )

    account_id: UUID = Field(primary_key=True, foreign_key="account.id")
    legal_entity_id: UUID = Field(foreign_key="legal_entity.id")
    time_zone: str = Field(sa_column=Column(Text, nullable=False))
    anchor_day: int = 1
    tax_treatment: str = Field(sa_column=Column(Text, nullable=False))
    tax_ppm: int = 0
    tax_number: str = Field(default="", sa_column=Column(Text, nullable=False))
    collection: str = Field(sa_column=Column(Text, nullable=False))
    net_days: int
    billing_name: str = Field(default="", sa_column=Column(Text, nullable=False))
    address: str = Field(default="", sa_column=Column(Text, nullable=False))
    email: str = Field(default="", sa_column=Column(Text, nullable=False))
    locale: str = Field(sa_column=Column(Text, nullable=False))
    collector: str | None = Field(default=None, sa_column=Column(Text))
    external_customer: str | None = Field(default=None, sa_column=Column(Text))
    # Of the release before, kept equal by a trigger; the next release drops it.
    stripe_customer: str | None = Field(default=None, sa_column=Column(Text, unique=True))
    suspended_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class SubscriptionPhase(SQLModel, table=True):
    """A time span in which an account is on a plan version; an account's phases never overlap.

    `ends_at` is NULL while no end is known. Fees are due from `fees_from` (after a trial) and are
    charged up to `fees_until`. `paused`: the phase ends with a pause.
    """

    __tablename__ = "subscription_phase"
    __table_args__ = (
        CheckConstraint("ends_at is null or ends_at >= starts_at", name="in_order"),
        Index("ix_subscription_phase_account_id", "account_id", "starts_at"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    plan_version_id: UUID = Field(foreign_key="plan_version.id")
    starts_at: datetime = Field(sa_column=moment())
    ends_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    fees_from: datetime = Field(sa_column=moment())
    fees_until: datetime = Field(sa_column=moment())
    trial: bool = Field(default=False, sa_column=Column(Boolean, nullable=False))
    paused: bool = Field(
        default=False, sa_column=Column(Boolean, nullable=False, server_default=false())
    )
    created_at: datetime = Field(sa_column=moment())


class SubscriptionAddOn(SQLModel, table=True):
    """So many of an add-on that an account has in a time span (billing/subscriptions/add_ons.py).

    `name` is that of the add-on in the terms of the plan. `ends_at` is NULL while it is active.
    """

    __tablename__ = "subscription_add_on"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="positive"),
        CheckConstraint("ends_at is null or ends_at >= starts_at", name="in_order"),
        Index("ix_subscription_add_on_account_id", "account_id", "starts_at"),
        Index(
            "uq_subscription_add_on_active",
            "account_id",
            "name",
            unique=True,
            postgresql_where=text("ends_at is null"),
        ),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    name: str = Field(sa_column=Column(Text, nullable=False))
    quantity: int
    starts_at: datetime = Field(sa_column=moment())
    ends_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class BillingPeriod(SQLModel, table=True):
    """A billing period of an account.

    `time_zone` and `anchor_day` are the account's at its start. Usage counts into it until
    `closed_at`; later rows count into the next period as late usage. `cost_nano` is the running
    cost of its usage, set when it is closed.
    """

    __tablename__ = "billing_period"
    __table_args__ = (
        CheckConstraint("ends_at > starts_at", name="in_order"),
        UniqueConstraint("account_id", "starts_at"),
        UniqueConstraint("account_id", "ends_at"),
        Index(
            "ix_billing_period_open",
            "ends_at",
            postgresql_where=text("closed_at is null"),
        ),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    starts_at: datetime = Field(sa_column=moment())
    ends_at: datetime = Field(sa_column=moment())
    time_zone: str = Field(sa_column=Column(Text, nullable=False))
    anchor_day: int
    closed_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    cut: int | None = Field(default=None, sa_column=Column(BigInteger))
    cost_nano: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))


class UsageTotal(SQLModel, table=True):
    """Usage aggregated by hour in the billing period that bills it. Can be rebuilt from usage.

    Calls without a model or terms have an empty model or the nil UUID.
    """

    __tablename__ = "usage_total"
    __table_args__ = (Index("ix_usage_total_account_id_hour", "account_id", "hour"),)

    period_id: UUID = Field(primary_key=True)
    hour: datetime = Field(sa_column=Column(DateTime(timezone=True), primary_key=True))
    model: str = Field(sa_column=Column(Text, primary_key=True))
    plan_version_id: UUID = Field(primary_key=True)
    key_id: UUID = Field(primary_key=True)
    operation: str = Field(sa_column=Column(Text, primary_key=True))
    settlement: str = Field(sa_column=Column(Text, primary_key=True))
    late: bool = Field(primary_key=True)
    account_id: UUID
    calls: int = Field(sa_column=Column(BigInteger, nullable=False))
    input_tokens: int = Field(sa_column=Column(BigInteger, nullable=False))
    cached_input_tokens: int = Field(sa_column=Column(BigInteger, nullable=False))
    output_tokens: int = Field(sa_column=Column(BigInteger, nullable=False))
    rows: int = Field(sa_column=Column(BigInteger, nullable=False))
    images: int = Field(sa_column=Column(BigInteger, nullable=False))
    adaptation_seconds: int = Field(sa_column=Column(BigInteger, nullable=False))
    readings: int = Field(sa_column=Column(BigInteger, nullable=False))
    # A part of output_tokens, for information.
    reasoning_tokens: int = Field(
        sa_column=Column(BigInteger, nullable=False, server_default=text("0"))
    )
    cost_nano: int = Field(sa_column=Column(BigInteger, nullable=False))


class UsageTagTotal(SQLModel, table=True):
    """Billable usage of one tag value in one period. Can be rebuilt from usage."""

    __tablename__ = "usage_tag_total"

    period_id: UUID = Field(primary_key=True)
    tag: str = Field(sa_column=Column(Text, primary_key=True))
    value: str = Field(sa_column=Column(Text, primary_key=True))
    model: str = Field(sa_column=Column(Text, primary_key=True))
    plan_version_id: UUID = Field(primary_key=True)
    late: bool = Field(primary_key=True)
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


class UsageCoverTotal(SQLModel, table=True):
    """Included units of a quota used by the aggregated calls."""

    __tablename__ = "usage_cover_total"

    account_id: UUID = Field(primary_key=True)
    quota_id: UUID = Field(primary_key=True)
    units: int = Field(sa_column=Column(BigInteger, nullable=False))


class StaleCredit(SQLModel, table=True):
    """An account with new usage, whose available credit and alerts must be refreshed."""

    __tablename__ = "stale_credit"

    account_id: UUID = Field(primary_key=True, foreign_key="account.id")


class UsageCursor(SQLModel, table=True):
    """A single row: the usage rows of transactions before `consumed` are aggregated.

    Its lock serialises aggregation steps and period closes.
    """

    __tablename__ = "usage_cursor"
    __table_args__ = (CheckConstraint("id = 1", name="single_row"),)

    id: int = Field(primary_key=True)
    consumed: int = Field(sa_column=Column(BigInteger, nullable=False))
    moved_at: datetime = Field(sa_column=moment())


class UpstreamTotal(SQLModel, table=True):
    """Charges and upstream costs of calls, aggregated by hour for margin reports.

    `uncosted_calls` have an unknown cost, and `uncosted_charged_nano` are their charges. Calls
    whose upstream was not recorded have an empty one.
    """

    __tablename__ = "upstream_total"

    hour: datetime = Field(sa_column=Column(DateTime(timezone=True), primary_key=True))
    account_id: UUID = Field(primary_key=True)
    model: str = Field(sa_column=Column(Text, primary_key=True))
    upstream: str = Field(sa_column=Column(Text, primary_key=True))
    currency: str = Field(sa_column=Column(Text, primary_key=True))
    calls: int = Field(sa_column=Column(BigInteger, nullable=False))
    uncosted_calls: int = Field(sa_column=Column(BigInteger, nullable=False))
    charged_nano: int = Field(sa_column=Column(BigInteger, nullable=False))
    uncosted_charged_nano: int = Field(sa_column=Column(BigInteger, nullable=False))
    cost_nano: int = Field(sa_column=Column(BigInteger, nullable=False))


class UpstreamCursor(SQLModel, table=True):
    """A single row: the usage rows of transactions before `consumed` are in `upstream_total`."""

    __tablename__ = "upstream_cursor"
    __table_args__ = (CheckConstraint("id = 1", name="single_row"),)

    id: int = Field(primary_key=True)
    consumed: int = Field(sa_column=Column(BigInteger, nullable=False))
