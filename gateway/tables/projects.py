"""The table of people who are members of projects."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Text
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


class ProjectMember(SQLModel, table=True):
    """A person's role in a project. Owners of the account are not listed: they see all projects."""

    __tablename__ = "project_member"
    __table_args__ = (CheckConstraint("role in ('owner', 'member')", name="role"),)

    project_id: UUID = Field(primary_key=True, foreign_key="project.id")
    person_id: UUID = Field(primary_key=True, foreign_key="person.id", index=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    role: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=moment())
