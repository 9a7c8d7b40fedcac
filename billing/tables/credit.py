"""Tables of credit policies: versions, assignments, decisions, overrides, securities, exposure.

All amounts are minor units of the row's or the account's currency.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


def _minor(*, nullable: bool = False) -> Any:
    """Return the column of an amount in minor units."""
    return Column(BigInteger, nullable=nullable)


class CreditPolicyVersion(SQLModel, table=True):
    """A version of a credit policy; its id is a hash of number and rules. Rows are immutable.

    `rules` is the canonical JSON. The newest version whose `effective_from` has passed applies.
    """

    __tablename__ = "credit_policy_version"
    __table_args__ = (UniqueConstraint("policy", "currency", "number"),)

    id: UUID = Field(primary_key=True)
    policy: str = Field(sa_column=Column(Text, nullable=False))
    currency: str = Field(sa_column=Column(Text, nullable=False))
    number: int
    rules: str = Field(sa_column=Column(Text, nullable=False))
    effective_from: datetime = Field(sa_column=moment())
    created_at: datetime = Field(sa_column=moment())


class CreditTerms(SQLModel, table=True):
    """What an account has instead of its plan's payment terms; NULL means the plan's.

    `dunning` is the JSON of a DunningPolicy, for invoices that become final from now on.
    """

    __tablename__ = "credit_terms"

    account_id: UUID = Field(primary_key=True, foreign_key="account.id")
    policy: str | None = Field(default=None, sa_column=Column(Text))
    dunning: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))


class CreditDecision(SQLModel, table=True):
    """A decision on an account's credit limit, once per business key. Rows are immutable.

    `inputs` is the canonical JSON of the facts. `decided` is the policy's result and `granted` the
    limit that was set, which is lower if the raise was refused (`refusal`). `earned` is the part of
    the limit without deposits and guarantees.
    """

    __tablename__ = "credit_decision"
    __table_args__ = (
        UniqueConstraint("account_id", "business_key"),
        CheckConstraint("decided >= 0 and granted >= 0 and granted <= decided", name="in_range"),
        Index("ix_credit_decision_account_id", "account_id", "decided_at", "id"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    business_key: str = Field(sa_column=Column(Text, nullable=False))
    policy_version_id: UUID = Field(foreign_key="credit_policy_version.id")
    decided_at: datetime = Field(sa_column=moment())
    inputs: str = Field(sa_column=Column(Text, nullable=False))
    previous: int = Field(sa_column=_minor())
    earned: int = Field(sa_column=_minor())
    decided: int = Field(sa_column=_minor())
    granted: int = Field(sa_column=_minor())
    reasons: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
    refusal: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))


class CreditOverride(SQLModel, table=True):
    """A credit limit that an operator sets until `expires_at`, instead of the policy's."""

    __tablename__ = "credit_override"
    __table_args__ = (
        CheckConstraint("minor >= 0", name="not_negative"),
        Index("ix_credit_override_account_id", "account_id", "created_at"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    minor: int = Field(sa_column=_minor())
    reason: str = Field(sa_column=Column(Text, nullable=False))
    expires_at: datetime = Field(sa_column=moment())
    created_at: datetime = Field(sa_column=moment())
    ended_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class DepositMovement(SQLModel, table=True):
    """A deposit received, applied to an invoice or returned. Immutable; booked in the ledger."""

    __tablename__ = "deposit_movement"
    __table_args__ = (
        CheckConstraint("minor > 0", name="positive"),
        CheckConstraint("kind in ('received', 'applied', 'returned')", name="kind_known"),
        CheckConstraint("(kind = 'applied') = (invoice_id is not null)", name="applied_to_invoice"),
        UniqueConstraint("account_id", "kind", "reference"),
        Index("ix_deposit_movement_invoice_id", "invoice_id"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    kind: str = Field(sa_column=Column(Text, nullable=False))
    minor: int = Field(sa_column=_minor())
    reference: str = Field(sa_column=Column(Text, nullable=False))
    invoice_id: UUID | None = Field(default=None, foreign_key="invoice.id")
    created_at: datetime = Field(sa_column=moment())


class CreditGuarantee(SQLModel, table=True):
    """A third party's guarantee for an account, which counts until `valid_until` or `ended_at`.

    `refusal` is set if the guarantor's exposure limit does not allow it; it then counts nothing.
    """

    __tablename__ = "credit_guarantee"
    __table_args__ = (
        CheckConstraint("minor > 0", name="positive"),
        UniqueConstraint("account_id", "reference"),
        Index("ix_credit_guarantee_guarantor", "guarantor"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    guarantor: str = Field(sa_column=Column(Text, nullable=False))
    minor: int = Field(sa_column=_minor())
    reference: str = Field(sa_column=Column(Text, nullable=False))
    valid_until: datetime = Field(sa_column=moment())
    created_at: datetime = Field(sa_column=moment())
    ended_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    refusal: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))


class ExposureLimit(SQLModel, table=True):
    """The most that may be at risk in a currency: in all, of a policy or of a guarantor.

    `subject` is empty for `currency`. The row's lock serialises the raises that it limits.
    """

    __tablename__ = "exposure_limit"
    __table_args__ = (
        CheckConstraint("scope in ('currency', 'policy', 'guarantor')", name="scope_known"),
        CheckConstraint("minor >= 0", name="not_negative"),
    )

    scope: str = Field(sa_column=Column(Text, primary_key=True))
    subject: str = Field(sa_column=Column(Text, primary_key=True))
    currency: str = Field(sa_column=Column(Text, primary_key=True))
    minor: int = Field(sa_column=_minor())


class PaymentFailure(SQLModel, table=True):
    """A declined charge or a chargeback of a payment. Rows are immutable."""

    __tablename__ = "payment_failure"
    __table_args__ = (
        CheckConstraint("kind in ('declined', 'chargeback')", name="kind_known"),
        UniqueConstraint("kind", "reference"),
        Index("ix_payment_failure_account_id", "account_id", "occurred_at"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    invoice_id: UUID = Field(foreign_key="invoice.id")
    kind: str = Field(sa_column=Column(Text, nullable=False))
    reference: str = Field(sa_column=Column(Text, nullable=False))
    minor: int = Field(sa_column=_minor())
    occurred_at: datetime = Field(sa_column=moment())


class InvoicePaymentTerms(SQLModel, table=True):
    """The payment terms that an invoice became final with, if they are not the default.

    `terms` is the JSON of PaymentTerms. Later changes of plans and accounts do not change it.
    """

    __tablename__ = "invoice_payment_terms"

    invoice_id: UUID = Field(primary_key=True, foreign_key="invoice.id")
    account_id: UUID = Field(foreign_key="account.id", index=True)
    plan_version_id: UUID | None = Field(default=None, foreign_key="plan_version.id")
    terms: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


class InvoicePart(SQLModel, table=True):
    """An instalment of an invoice: part `number` (from 1), due at `due_at`. Rows are immutable."""

    __tablename__ = "invoice_part"
    __table_args__ = (CheckConstraint("minor >= 0", name="not_negative"),)

    invoice_id: UUID = Field(primary_key=True, foreign_key="invoice.id")
    number: int = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    due_at: datetime = Field(sa_column=moment())
    minor: int = Field(sa_column=_minor())


class LateFee(SQLModel, table=True):
    """A late fee of an overdue invoice up to `until`; `invoice_id` is the invoice that charges it.

    Late fees of an invoice up to a time are computed once. `minor` is before tax, unless the
    plan's prices include tax.
    """

    __tablename__ = "late_fee"
    __table_args__ = (
        CheckConstraint("minor > 0", name="positive"),
        UniqueConstraint("overdue_invoice_id", "until"),
        Index("ix_late_fee_waiting", "account_id", postgresql_where=text("invoice_id is null")),
        Index("ix_late_fee_invoice_id", "invoice_id"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    overdue_invoice_id: UUID = Field(foreign_key="invoice.id")
    plan_version_id: UUID = Field(foreign_key="plan_version.id")
    minor: int = Field(sa_column=_minor())
    since: datetime = Field(sa_column=moment())
    until: datetime = Field(sa_column=moment())
    invoice_id: UUID | None = Field(default=None, foreign_key="invoice.id")
