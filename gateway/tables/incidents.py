"""Tables of incidents of the platform and their updates. They belong to no account."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from billing.tables.base import moment

_STATUSES = "('investigating', 'identified', 'monitoring', 'resolved')"


class Incident(SQLModel, table=True):
    """A disturbance of the service, with titles in both languages.

    `models` are the affected models, all of them if it is empty. `status` is that of the newest
    update.
    """

    __tablename__ = "incident"
    __table_args__ = (
        CheckConstraint(f"status in {_STATUSES}", name="status"),
        CheckConstraint("impact in ('minor', 'major', 'critical', 'maintenance')", name="impact"),
        CheckConstraint("(status = 'resolved') = (resolved_at is not null)", name="resolved"),
        Index("ix_incident_open", "started_at", postgresql_where=text("resolved_at is null")),
        Index("ix_incident_resolved_at", "resolved_at"),
    )

    id: UUID = Field(primary_key=True)
    impact: str = Field(sa_column=Column(Text, nullable=False))
    status: str = Field(sa_column=Column(Text, nullable=False))
    title_en: str = Field(sa_column=Column(Text, nullable=False))
    title_zh: str = Field(sa_column=Column(Text, nullable=False))
    models: list[str] = Field(sa_column=Column(JSONB, nullable=False))
    started_at: datetime = Field(sa_column=moment())
    created_at: datetime = Field(sa_column=moment())
    resolved_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))

    def title_in(self, language: str) -> str:
        """Return the title in a language."""
        return self.title_zh if language == "zh" else self.title_en


class IncidentUpdate(SQLModel, table=True):
    """What customers read about an incident at a time. Rows are never changed."""

    __tablename__ = "incident_update"
    __table_args__ = (
        CheckConstraint(f"status in {_STATUSES}", name="status"),
        Index("ix_incident_update_incident_id", "incident_id", "id"),
    )

    id: UUID = Field(primary_key=True)
    incident_id: UUID = Field(foreign_key="incident.id")
    status: str = Field(sa_column=Column(Text, nullable=False))
    text_en: str = Field(sa_column=Column(Text, nullable=False))
    text_zh: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=moment())

    def text_in(self, language: str) -> str:
        """Return the text in a language."""
        return self.text_zh if language == "zh" else self.text_en
