"""Tables of outcome contracts: versions, attesters, evidence, settlements, disputes, charges."""

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
    """An outcome contract of an account, identified by its tag; its terms are in its versions."""

    __tablename__ = "outcome_contract"
    __table_args__ = (UniqueConstraint("account_id", "tag"),)

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    tag: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=moment())


class OutcomeVersion(SQLModel, table=True):
    """A version of an outcome contract. Its terms are immutable, and once a party has agreed, so
    is its baseline.

    `terms_id` is the hash of the terms; `plan_version_id` are the price terms of covered calls, set
    when both parties have agreed. `ends_at` is the termination date requested by `ended_by` at
    `ended_at`.
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
    """A signer of evidence for a contract: kind, name and Ed25519 public key.

    A neutral sensor is valid once the party that did not add it has accepted it.
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
    """An entry of a contract's evidence log, as received. Rows are immutable.

    `position` counts from 1 within the contract; `chained` is the SHA-256 of the previous entry
    together with this one (hash chain), so that removed or inserted entries are detected.
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
    """A claimed discrete effect. Its state follows from its nullable columns, each set only once.

    `evidence_id` is the claim, `attested_by` the kind of attester that confirmed it,
    `settlement_id` the monthly settlement that includes it, `decision_id` the decision record that
    the claim names, `prediction_id` the record of the prediction ledger that it cites.
    """

    __tablename__ = "outcome"
    __table_args__ = (
        UniqueConstraint("account_id", "business_key"),
        Index("ix_outcome_contract_id", "contract_id", "happened_at"),
        Index("ix_outcome_subject", "account_id", "subject", "happened_at"),
        Index("ix_outcome_settlement_id", "settlement_id"),
        Index("ix_outcome_prediction_id", "prediction_id"),
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
    decision_id: UUID | None = Field(default=None, foreign_key="decision_record.id")
    prediction_id: UUID | None = Field(default=None, foreign_key="prediction_record.id")


class OutcomeCall(SQLModel, table=True):
    """A call attributed to an outcome. A call is attributed to at most one outcome."""

    __tablename__ = "outcome_call"
    __table_args__ = (Index("ix_outcome_call_outcome_id", "outcome_id"),)

    request_id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    outcome_id: UUID = Field(foreign_key="outcome.id")


class OutcomeSettlement(SQLModel, table=True):
    """The monthly settlement of a contract, with the evidence bundle to recompute it.

    `micro` is the quantity in millionths of an outcome or unit, `minor` its price before any
    dispute. `bundle` is the evidence bundle as text. Amounts and bundle are immutable.
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
    """A customer's dispute of a settlement or some of its outcomes.

    The amount is frozen until the decision; a party that misses its deadline loses.
    """

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
    """A pending charge that the account's next invoice includes, with its own line text.

    Amounts are immutable; `invoice_id` is set when an invoice includes the charge. A withdrawn
    charge is on no invoice. One per settlement and kind of attester, and one for an amount released
    by a dispute.
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
    """A credit of a settlement's invoiced charges. Rows are immutable.

    `minor` is before tax, unless the invoice lines are tax-inclusive. No credit note if nothing
    was owed for the invoice any more (void or uncollectible).
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
