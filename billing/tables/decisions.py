"""The table of signed decision records."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, Index, Text
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


class DecisionRecord(SQLModel, table=True):
    """A decision of a specialist for a chat, as a signed text. Appended once, never changed.

    `document` is the canonical text that is signed (gateway/collaboration/records.py); the other
    columns repeat parts of it for lists. `request_id` is the client's call. `key_id` names the
    public key of the signature.
    """

    __tablename__ = "decision_record"
    __table_args__ = (
        Index("ix_decision_record_account_id_id", "account_id", "id"),
        Index("ix_decision_record_request_id", "request_id"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    request_id: UUID
    model: str = Field(sa_column=Column(Text, nullable=False))
    verdict: str = Field(sa_column=Column(Text, nullable=False))
    document: str = Field(sa_column=Column(Text, nullable=False))
    signature: str = Field(sa_column=Column(Text, nullable=False))
    key_id: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=moment())
