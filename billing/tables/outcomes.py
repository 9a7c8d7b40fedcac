"""The tables of outcomes: contracts in versions, attesters, evidence, outcomes, settlements,
disputes, and the charges that come of them.

Owns columns and what the database itself enforces, no query.
"""

from datetime import datetime
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


class OutcomeContract(SQLModel, table=True):
    """A contract of an account, known by its tag; what it says is in its versions."""

    __tablename__ = "outcome_contract"
    __table_args__ = (UniqueConstraint("account_id", "tag"),)

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    tag: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=moment())


class OutcomeVersion(SQLModel, table=True):
    """A version of a contract. Its terms never change; once a side has agreed, its baseline does
    not either, and only the other's agreement and its end are still to come.

    `terms_id` is the hash of the terms; `plan_version_id` are the terms of covered calls, known
    when both have agreed. `ends_at` is from when it is ended, as `ended_by` said at `ended_at`.
    """

    __tablename__ = "outcome_version"
    __table_args__ = (
        UniqueConstraint("contract_id", "number"),
        Index("ix_outcome_version_account_id", "account_id"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    contract_id: UUID = Field(foreign_key="outcome_contract.id")
    number: int
    terms_id: UUID
    terms: str = Field(sa_column=Column(Text, nullable=False))
    plan_version_id: UUID | None = Field(default=None, foreign_key="plan_version.id")
    proposed_by: str = Field(sa_column=Column(Text, nullable=False))
    proposed_at: datetime = Field(sa_column=moment())
    baseline: str | None = Field(default=None, sa_column=Column(Text))
    customer_agreed_by: str | None = Field(default=None, sa_column=Column(Text))
    customer_agreed_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    operator_agreed_by: str | None = Field(default=None, sa_column=Column(Text))
    operator_agreed_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    ends_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    ended_by: str | None = Field(default=None, sa_column=Column(Text))
    ended_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class Attester(SQLModel, table=True):
    """Who may attest effects of a contract: a kind, a name and an Ed25519 public key.

    A neutral sensor is heard once the side that did not add it has accepted it.
    """

    __tablename__ = "attester"
    __table_args__ = (
        UniqueConstraint("contract_id", "public_key"),
        CheckConstraint("length(public_key) = 32", name="ed25519"),
        Index("ix_attester_account_id", "account_id"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    contract_id: UUID = Field(foreign_key="outcome_contract.id")
    kind: str = Field(sa_column=Column(Text, nullable=False))
    name: str = Field(sa_column=Column(Text, nullable=False))
    public_key: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    added_by: str = Field(sa_column=Column(Text, nullable=False))
    added_at: datetime = Field(sa_column=moment())
    accepted_by: str | None = Field(default=None, sa_column=Column(Text))
    accepted_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    revoked_by: str | None = Field(default=None, sa_column=Column(Text))
    revoked_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class Evidence(SQLModel, table=True):
    """Something that was said about a contract's effects, as it came. Rows are never changed.

    `position` counts within the contract from 1; `chained` is the SHA-256 of the entry before it
    together with this one, so that none can be taken out or put in between unseen.
    """

    __tablename__ = "evidence"
    __table_args__ = (
        UniqueConstraint("contract_id", "position"),
        UniqueConstraint("contract_id", "attester_id", "kind", "digest"),
        Index("ix_evidence_account_id", "account_id"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    contract_id: UUID = Field(foreign_key="outcome_contract.id")
    position: int
    kind: str = Field(sa_column=Column(Text, nullable=False))
    attester_id: UUID = Field(foreign_key="attester.id")
    said: str = Field(sa_column=Column(Text, nullable=False))
    digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    chained: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    signature: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    received_at: datetime = Field(sa_column=moment())


class Outcome(SQLModel, table=True):
    """A discrete effect that somebody claims. How it stands follows from its marks: each is set
    once, and a refused or reversed one stays so.

    `evidence_id` is the claim; `attested_by` the kind of whoever confirmed it; `settlement_id` the
    month that counts it.
    """

    __tablename__ = "outcome"
    __table_args__ = (
        UniqueConstraint("account_id", "business_key"),
        Index("ix_outcome_contract_id", "contract_id", "happened_at"),
        Index("ix_outcome_subject", "account_id", "subject", "happened_at"),
        Index("ix_outcome_settlement_id", "settlement_id"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    contract_id: UUID = Field(foreign_key="outcome_contract.id")
    version_id: UUID = Field(foreign_key="outcome_version.id")
    business_key: str = Field(sa_column=Column(Text, nullable=False))
    subject: str = Field(sa_column=Column(Text, nullable=False))
    happened_at: datetime = Field(sa_column=moment())
    claimed_at: datetime = Field(sa_column=moment())
    evidence_id: UUID = Field(foreign_key="evidence.id")
    confirmation_id: UUID | None = Field(default=None, foreign_key="evidence.id")
    attested_by: str | None = Field(default=None, sa_column=Column(Text))
    confirmed_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    refused_for: str | None = Field(default=None, sa_column=Column(Text))
    reversal_id: UUID | None = Field(default=None, foreign_key="evidence.id")
    reversed_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    settlement_id: UUID | None = Field(default=None, foreign_key="outcome_settlement.id")


class OutcomeCall(SQLModel, table=True):
    """A call of ours that an outcome is owed to. A call serves one outcome only."""

    __tablename__ = "outcome_call"
    __table_args__ = (Index("ix_outcome_call_outcome_id", "outcome_id"),)

    request_id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    outcome_id: UUID = Field(foreign_key="outcome.id")


class OutcomeSettlement(SQLModel, table=True):
    """What a contract comes to in one month, with all by which it can be computed again.

    `micro` is the quantity in millionths of an outcome or unit, `minor` its price before any
    dispute. `bundle` is the evidence bundle as text; rows keep amounts and bundle for ever.
    """

    __tablename__ = "outcome_settlement"
    __table_args__ = (
        UniqueConstraint("contract_id", "starts_at"),
        CheckConstraint("minor >= 0 and micro >= 0", name="not_negative"),
        Index("ix_outcome_settlement_account_id", "account_id"),
        Index(
            "ix_outcome_settlement_open",
            "disputable_until",
            postgresql_where=text("accepted_at is null"),
        ),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    contract_id: UUID = Field(foreign_key="outcome_contract.id")
    version_id: UUID = Field(foreign_key="outcome_version.id")
    starts_at: datetime = Field(sa_column=moment())
    ends_at: datetime = Field(sa_column=moment())
    made_at: datetime = Field(sa_column=moment())
    micro: int = Field(sa_column=Column(BigInteger, nullable=False))
    minor: int = Field(sa_column=Column(BigInteger, nullable=False))
    bundle: str = Field(sa_column=Column(Text, nullable=False))
    digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    disputable_until: datetime = Field(sa_column=moment())
    accepted_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class Dispute(SQLModel, table=True):
    """What a customer says against a settlement, or some outcomes of it. The amount is frozen
    until it is decided; whoever does not answer in time has lost."""

    __tablename__ = "outcome_dispute"
    __table_args__ = (
        Index("ix_outcome_dispute_account_id", "account_id"),
        Index(
            "uq_outcome_dispute_open",
            "settlement_id",
            unique=True,
            postgresql_where=text("decided_at is null"),
        ),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    settlement_id: UUID = Field(foreign_key="outcome_settlement.id")
    outcomes: list[str] = Field(sa_column=Column(JSONB, nullable=False))
    opened_at: datetime = Field(sa_column=moment())
    opened_by: str = Field(sa_column=Column(Text, nullable=False))
    reason: str = Field(sa_column=Column(Text, nullable=False))
    frozen: int = Field(sa_column=Column(BigInteger, nullable=False))
    answer_due: datetime = Field(sa_column=moment())
    answer: str | None = Field(default=None, sa_column=Column(Text))
    answered_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    reply_due: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    decision_due: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    reply: str | None = Field(default=None, sa_column=Column(Text))
    replied_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    decided_for: str | None = Field(default=None, sa_column=Column(Text))
    decided_by: str | None = Field(default=None, sa_column=Column(Text))
    decided_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class Charge(SQLModel, table=True):
    """An amount that the account's next invoice takes, with words of its own. Rows keep what they
    say; an invoice marks those it has taken. One that is withdrawn is on no invoice: it gave way
    to others, or to nothing, before it was on a final one.

    One for each (settlement, kind of attester), and once more for what a dispute released.
    """

    __tablename__ = "charge"
    __table_args__ = (
        UniqueConstraint("account_id", "business_key"),
        CheckConstraint("minor > 0", name="positive"),
        Index(
            "ix_charge_waiting", "account_id", "due_at", postgresql_where=text("invoice_id is null")
        ),
        Index("ix_charge_settlement_id", "settlement_id"),
        Index("ix_charge_invoice_id", "invoice_id"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    business_key: str = Field(sa_column=Column(Text, nullable=False))
    settlement_id: UUID = Field(foreign_key="outcome_settlement.id")
    plan_version_id: UUID = Field(foreign_key="plan_version.id")
    minor: int = Field(sa_column=Column(BigInteger, nullable=False))
    micro: int = Field(sa_column=Column(BigInteger, nullable=False))
    attested_by: str = Field(sa_column=Column(Text, nullable=False))
    words: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    starts_at: datetime = Field(sa_column=moment())
    ends_at: datetime = Field(sa_column=moment())
    due_at: datetime = Field(sa_column=moment())
    invoice_id: UUID | None = Field(default=None, foreign_key="invoice.id")
    withdrawn_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class OutcomeCredit(SQLModel, table=True):
    """What of a settlement's invoiced charges is not owed after all. Rows are never changed.

    `minor` is as the lines have it: less tax, unless they include it. Without a credit note where
    nothing was owed for the invoice any more, as it was voided or given up.
    """

    __tablename__ = "outcome_credit"
    __table_args__ = (
        CheckConstraint("minor > 0", name="positive"),
        Index("ix_outcome_credit_settlement_id", "settlement_id"),
        Index("ix_outcome_credit_account_id", "account_id"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    settlement_id: UUID = Field(foreign_key="outcome_settlement.id")
    invoice_id: UUID = Field(foreign_key="invoice.id")
    credit_note_id: UUID | None = Field(default=None, foreign_key="credit_note.id")
    minor: int = Field(sa_column=Column(BigInteger, nullable=False))
    created_at: datetime = Field(sa_column=moment())
