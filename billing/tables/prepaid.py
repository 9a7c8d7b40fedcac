"""Tables of prepaid packs, vouchers and automatic top-ups."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


def _text(*, nullable: bool = False) -> Column[str]:
    """Return a text column."""
    return Column(Text, nullable=nullable)


def _count() -> Column[int]:
    """Return a column for units or minor units."""
    return Column(BigInteger, nullable=False)


class Pack(SQLModel, table=True):
    """A prepaid pack that customers can buy. The offer is immutable; a change is a new row.

    `units` of `meter` for `model` (`*`: all models) are valid for `validity_days` after payment.
    `terms_id` is the plan version that states names, price (its fixed fee) and whether the price
    includes tax. Plans in `on_account_plans` may use the pack before the invoice is paid.
    """

    __tablename__ = "pack"
    __table_args__ = (
        CheckConstraint("units > 0 and minor > 0 and validity_days > 0", name="positive"),
        Index(
            "uq_pack_offered",
            "name",
            "currency",
            unique=True,
            postgresql_where=text("withdrawn_at is null"),
        ),
    )

    id: UUID = Field(primary_key=True)
    name: str = Field(sa_column=_text())
    terms_id: UUID = Field(foreign_key="plan_version.id")
    currency: str = Field(sa_column=_text())
    model: str = Field(sa_column=_text())
    meter: str = Field(sa_column=_text())
    units: int = Field(sa_column=_count())
    minor: int = Field(sa_column=_count())
    validity_days: int
    max_per_account: int | None = None
    max_total: int | None = None
    on_account_plans: list[str] = Field(sa_column=Column(JSONB, nullable=False))
    created_at: datetime = Field(sa_column=moment())
    withdrawn_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class PackPurchase(SQLModel, table=True):
    """A bought pack. Its id is also the id of the quota that gateways lease its units from.

    `invoice_id` is None for a pack given by a voucher. `starts_at` and `expires_at` are set when
    the pack becomes usable. `refunded_units` were taken back by the operator at `ended_at`.
    """

    __tablename__ = "pack_purchase"
    __table_args__ = (
        CheckConstraint("(starts_at is null) = (expires_at is null)", name="validity"),
        CheckConstraint(
            "(state = 'active') <= (starts_at is not null)", name="active_has_validity"
        ),
        UniqueConstraint("account_id", "business_key"),
        UniqueConstraint("invoice_id"),
        Index("ix_pack_purchase_account_id", "account_id", "id"),
        Index("ix_pack_purchase_pack_id", "pack_id"),
        Index(
            "ix_pack_purchase_expires_at", "expires_at", postgresql_where=text("state = 'active'")
        ),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    pack_id: UUID = Field(foreign_key="pack.id")
    business_key: str = Field(sa_column=_text())
    method: str = Field(sa_column=_text())
    state: str = Field(sa_column=_text())
    model: str = Field(sa_column=_text())
    meter: str = Field(sa_column=_text())
    units: int = Field(sa_column=_count())
    invoice_id: UUID | None = Field(default=None, foreign_key="invoice.id")
    created_at: datetime = Field(sa_column=moment())
    pay_until: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    starts_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    expires_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    expiry_notified_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    refunded_units: int = Field(default=0, sa_column=_count())
    ended_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class PackRecognition(SQLModel, table=True):
    """Revenue of a purchase that was recognized at a time. Rows are immutable.

    `units` are all units used (or expired, if `reason` is `expired`) until then, `minor` is what
    this row adds to the recognized revenue, before tax.
    """

    __tablename__ = "pack_recognition"
    __table_args__ = (CheckConstraint("reason in ('used', 'expired', 'canceled')", name="reason"),)

    purchase_id: UUID = Field(primary_key=True, foreign_key="pack_purchase.id")
    number: int = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    reason: str = Field(sa_column=_text())
    units: int = Field(sa_column=_count())
    minor: int = Field(sa_column=_count())
    recognized_at: datetime = Field(sa_column=moment())


class UsagePackTotal(SQLModel, table=True):
    """Units of calls covered by a purchase, by billing period, terms, model and meter."""

    __tablename__ = "usage_pack_total"

    period_id: UUID = Field(primary_key=True, foreign_key="billing_period.id")
    purchase_id: UUID = Field(primary_key=True)
    plan_version_id: UUID = Field(primary_key=True)
    model: str = Field(sa_column=Column(Text, primary_key=True))
    meter: str = Field(sa_column=Column(Text, primary_key=True))
    late: bool = Field(sa_column=Column(Boolean, primary_key=True))
    account_id: UUID = Field(foreign_key="account.id", index=True)
    units: int = Field(sa_column=_count())


class VoucherBatch(SQLModel, table=True):
    """Voucher codes created together, each worth `minor` of promotional credit or a pack.

    Credit expires `credit_days` after its redemption, None never. `max_uses` is per code,
    `per_account` is how often one account may redeem codes of the batch.
    """

    __tablename__ = "voucher_batch"
    __table_args__ = (
        CheckConstraint("(minor is null) <> (pack_id is null)", name="credit_or_pack"),
        CheckConstraint("max_uses > 0 and per_account > 0", name="positive"),
    )

    id: UUID = Field(primary_key=True)
    name: str = Field(sa_column=_text())
    currency: str = Field(sa_column=_text())
    minor: int | None = Field(default=None, sa_column=Column(BigInteger))
    pack_id: UUID | None = Field(default=None, foreign_key="pack.id")
    credit_days: int | None = None
    expires_at: datetime = Field(sa_column=moment())
    max_uses: int
    per_account: int
    plans: list[str] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    new_customers_only: bool = Field(sa_column=Column(Boolean, nullable=False))
    created_at: datetime = Field(sa_column=moment())
    canceled_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class Voucher(SQLModel, table=True):
    """A voucher code; only its SHA-256 hash is stored. `uses` are its redemptions."""

    __tablename__ = "voucher"
    __table_args__ = (
        CheckConstraint("uses between 0 and max_uses", name="uses"),
        UniqueConstraint("code_hash"),
        Index("ix_voucher_batch_id", "batch_id"),
    )

    id: UUID = Field(primary_key=True)
    batch_id: UUID = Field(foreign_key="voucher_batch.id")
    code_hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    uses: int = Field(default=0, sa_column=Column(Integer, nullable=False))
    max_uses: int


class VoucherRedemption(SQLModel, table=True):
    """A voucher redeemed by an account, with the wallet grant or the pack that it gave."""

    __tablename__ = "voucher_redemption"
    __table_args__ = (
        CheckConstraint("(grant_id is null) <> (purchase_id is null)", name="credit_or_pack"),
        UniqueConstraint("voucher_id", "account_id"),
        Index("ix_voucher_redemption_account_id", "account_id", "batch_id"),
    )

    id: UUID = Field(primary_key=True)
    voucher_id: UUID = Field(foreign_key="voucher.id")
    batch_id: UUID = Field(foreign_key="voucher_batch.id")
    account_id: UUID = Field(foreign_key="account.id")
    grant_id: UUID | None = Field(default=None, foreign_key="wallet_grant.id")
    purchase_id: UUID | None = Field(default=None, foreign_key="pack_purchase.id")
    redeemed_at: datetime = Field(sa_column=moment())


class VoucherFailure(SQLModel, table=True):
    """A refused attempt to redeem a code, counted to slow down guessing."""

    __tablename__ = "voucher_failure"
    __table_args__ = (Index("ix_voucher_failure_account_id", "account_id", "failed_at"),)

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    failed_at: datetime = Field(sa_column=moment())


class AutoTopUp(SQLModel, table=True):
    """An account's consent to automatic top-ups of its wallet from a saved payment method.

    Amounts are minor units: `minor` is paid when the balance falls below `threshold`, at most
    `monthly_ceiling` in a calendar month of the account's time zone. `failures` in a row stop it.
    """

    __tablename__ = "auto_top_up"
    __table_args__ = (
        CheckConstraint(
            "threshold > 0 and minor > 0 and monthly_ceiling >= minor", name="positive"
        ),
    )

    account_id: UUID = Field(primary_key=True, foreign_key="account.id")
    threshold: int = Field(sa_column=_count())
    minor: int = Field(sa_column=_count())
    monthly_ceiling: int = Field(sa_column=_count())
    consent_text: str = Field(sa_column=_text())
    consented_by: str = Field(sa_column=_text())
    consented_at: datetime = Field(sa_column=moment())
    failures: int = Field(default=0, sa_column=Column(Integer, nullable=False))
    retry_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    stopped_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class AutoTopUpAttempt(SQLModel, table=True):
    """One automatic top-up: a payment order charged without the customer present.

    At most one per account is pending. `month_start` is the month that its amount counts toward.
    """

    __tablename__ = "auto_top_up_attempt"
    __table_args__ = (
        CheckConstraint("state in ('pending', 'paid', 'failed')", name="state"),
        UniqueConstraint("order_id"),
        Index(
            "uq_auto_top_up_attempt_pending",
            "account_id",
            unique=True,
            postgresql_where=text("state = 'pending'"),
        ),
        Index("ix_auto_top_up_attempt_account_id", "account_id", "month_start"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    order_id: UUID = Field(foreign_key="payment_order.id")
    month_start: datetime = Field(sa_column=moment())
    minor: int = Field(sa_column=_count())
    state: str = Field(sa_column=_text())
    created_at: datetime = Field(sa_column=moment())
    ended_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
