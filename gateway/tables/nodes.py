"""Tables of identifier nodes: authorities, delegations, records, access keys and daily counts.

Records append: each version is a row. A key is revoked by its parent's signed statement.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


class NodeAuthority(SQLModel, table=True):
    """A prefix that this installation signs for, with its sealed key and its delegation chain.

    `account_id` is the account that registers identifiers under the prefix, if any. `chain` are the
    delegations from the root to this prefix, empty for a root.
    """

    __tablename__ = "node_authority"

    prefix: str = Field(sa_column=Column(Text, primary_key=True))
    account_id: UUID | None = Field(default=None, foreign_key="account.id", index=True)
    kid: str = Field(sa_column=Column(Text, nullable=False))
    public_key: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    sealed_key: bytes
    chain: list[str] = Field(sa_column=Column(JSONB, nullable=False))
    created_at: datetime = Field(sa_column=moment())


class NodeDelegation(SQLModel, table=True):
    """A delegation of a prefix to another node's key. Of each prefix one is active."""

    __tablename__ = "node_delegation"
    __table_args__ = (
        Index(
            "uq_node_delegation_prefix",
            "prefix",
            unique=True,
            postgresql_where=text("revoked_at is null"),
        ),
        Index("ix_node_delegation_parent", "parent"),
        CheckConstraint(
            "(revoked_at is null) = (revocation is null)", name="revocation_if_revoked"
        ),
    )

    id: UUID = Field(primary_key=True)
    parent: str = Field(sa_column=Column(Text, nullable=False))
    prefix: str = Field(sa_column=Column(Text, nullable=False))
    kid: str = Field(sa_column=Column(Text, nullable=False))
    node: str = Field(sa_column=Column(Text, nullable=False))
    token: str = Field(sa_column=Column(Text, nullable=False))
    issued_at: datetime = Field(sa_column=moment())
    expires_at: datetime = Field(sa_column=moment())
    revoked_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    revocation: str | None = Field(default=None, sa_column=Column(Text))


class NodeRecord(SQLModel, table=True):
    """One version of a signed record, with the disclosures of its restricted fields."""

    __tablename__ = "node_record"
    __table_args__ = (Index("ix_node_record_account_id", "account_id", "created_at"),)

    identifier: str = Field(sa_column=Column(Text, primary_key=True))
    version: int = Field(sa_column=Column(BigInteger, primary_key=True))
    prefix: str = Field(sa_column=Column(Text, nullable=False))
    account_id: UUID | None = Field(default=None, foreign_key="account.id")
    token: str = Field(sa_column=Column(Text, nullable=False))
    disclosures: list[list[str]] = Field(sa_column=Column(JSONB, nullable=False))
    ttl_s: int
    withdrawn: bool
    created_at: datetime = Field(sa_column=moment())


class NodeAccessKey(SQLModel, table=True):
    """A key with which a partner or owner reads restricted fields; only its hash is stored."""

    __tablename__ = "node_access_key"
    __table_args__ = (CheckConstraint("access in ('partner', 'owner')", name="access_known"),)

    id: UUID = Field(primary_key=True)
    prefix: str = Field(sa_column=Column(Text, nullable=False, index=True))
    account_id: UUID | None = Field(default=None, foreign_key="account.id", index=True)
    digest: bytes = Field(unique=True)
    access: str = Field(sa_column=Column(Text, nullable=False))
    label: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=moment())
    revoked_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class NodeDailyCount(SQLModel, table=True):
    """How many resolutions of a role had an outcome on a day (UTC). There are no usage rows."""

    __tablename__ = "node_daily_count"

    day: date = Field(primary_key=True)
    role: str = Field(sa_column=Column(Text, primary_key=True))
    outcome: str = Field(sa_column=Column(Text, primary_key=True))
    count: int = Field(sa_column=Column(BigInteger, nullable=False))
