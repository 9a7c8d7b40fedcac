"""Table of identities at external providers that are linked to persons."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, Index, Text
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


class LinkedIdentity(SQLModel, table=True):
    """An identity at a provider with which a person may sign in; `subject` is the provider's id.

    `name` is the provider's display name at the time of linking.
    """

    __tablename__ = "linked_identity"
    __table_args__ = (Index("ix_linked_identity_person_id", "person_id"),)

    provider: str = Field(sa_column=Column(Text, primary_key=True))
    subject: str = Field(sa_column=Column(Text, primary_key=True))
    person_id: UUID = Field(foreign_key="person.id")
    name: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=moment())
    used_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
