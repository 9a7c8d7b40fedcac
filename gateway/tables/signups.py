"""Tables of sign-ups: one row for each, and what a starting grant is unique over."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from billing.tables.base import moment

_STATUSES = "('unverified', 'review', 'opened', 'refused')"


class Signup(SQLModel, table=True):
    """A sign-up of a company, from its form to its account.

    `mailbox` is the address without what mail providers ignore, `network` the /24 or /64 of the
    address, `device` the digest of the browser's token. `texts` are the accepted terms: for each
    its version, SHA-256, time and address. `facts` and `reasons` are what the decision saw and why
    it was made. `password_hash` is None once the account is open or refused. `account_id` is set
    when the account is open, also while `review` holds only the grant.
    """

    __tablename__ = "signup"
    __table_args__ = (
        CheckConstraint(f"status in {_STATUSES}", name="status"),
        CheckConstraint("status <> 'opened' or account_id is not null", name="opened_account"),
        CheckConstraint("grant_id is null or account_id is not null", name="grant_account"),
        CheckConstraint("(status = 'unverified') = (verified_at is null)", name="verified"),
        UniqueConstraint("account_id"),
        UniqueConstraint("grant_id"),
        Index("ix_signup_review", "verified_at", postgresql_where=text("status = 'review'")),
        Index("ix_signup_network_verified_at", "network", "verified_at"),
        Index("ix_signup_created_at", "created_at"),
    )

    id: UUID = Field(primary_key=True)
    status: str = Field(sa_column=Column(Text, nullable=False))
    email: str = Field(sa_column=Column(Text, nullable=False))
    mailbox: str = Field(sa_column=Column(Text, nullable=False))
    contact_name: str = Field(sa_column=Column(Text, nullable=False))
    company_name: str = Field(sa_column=Column(Text, nullable=False))
    name_key: str = Field(sa_column=Column(Text, nullable=False))
    credit_code: str | None = Field(default=None, sa_column=Column(Text))
    plan: str | None = Field(default=None, sa_column=Column(Text))
    language: str = Field(sa_column=Column(Text, nullable=False))
    password_hash: str | None = Field(default=None, sa_column=Column(Text))
    texts: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
    address: str = Field(sa_column=Column(Text, nullable=False))
    network: str = Field(sa_column=Column(Text, nullable=False))
    device: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    code_digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    code_expires_at: datetime = Field(sa_column=moment())
    code_attempts: int = 0
    codes_sent: int = 1
    created_at: datetime = Field(sa_column=moment())
    verified_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    outcome: str | None = Field(default=None, sa_column=Column(Text))
    reasons: list[str] = Field(sa_column=Column(JSONB, nullable=False))
    facts: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    appealed: bool = False
    decided_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    decided_by: str | None = Field(default=None, sa_column=Column(Text))
    note: str = Field(default="", sa_column=Column(Text, nullable=False))
    account_id: UUID | None = Field(default=None, foreign_key="account.id")
    person_id: UUID | None = Field(default=None, foreign_key="person.id")
    grant_id: UUID | None = Field(default=None, foreign_key="wallet_grant.id")
    revoked_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class SignupClaim(SQLModel, table=True):
    """A value for which a starting grant was given: it is given once for each.

    `kind` is `email`, `credit_code`, `company` or `device`; `digest` is a keyed hash of the value.
    """

    __tablename__ = "signup_claim"

    kind: str = Field(sa_column=Column(Text, primary_key=True))
    digest: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    signup_id: UUID = Field(foreign_key="signup.id", index=True)
