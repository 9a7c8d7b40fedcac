"""Tables of agents' commands: signed limits, connectors, commands, and who controls which point."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


class CommandStatus(StrEnum):
    """What became of a command.

    queued: no connector has it yet. sent: a connector has it and has not reported. safe: the
    dead-man timer wrote the safe value. undone: the former value was sent. cancelled: it was undone
    or its agent was changed before a connector had it.
    """

    QUEUED = "queued"
    SENT = "sent"
    DONE = "done"
    REFUSED = "refused"
    NOT_CONFIRMED = "not_confirmed"
    SAFE = "safe"
    EXPIRED = "expired"
    UNDONE = "undone"
    CANCELLED = "cancelled"


OPEN_COMMANDS = (CommandStatus.QUEUED, CommandStatus.SENT)
# Commands whose value a point may have now.
LIVE_COMMANDS = (*OPEN_COMMANDS, CommandStatus.DONE, CommandStatus.NOT_CONFIRMED)


def _text() -> Column[Any]:
    return Column(Text, nullable=False)


def _document() -> Column[Any]:
    return Column(JSONB, nullable=False)


class AgentCommandLimits(SQLModel, table=True):
    """A signed document of limits. `kid` is the thumbprint of the key, `document` its payload."""

    __tablename__ = "agent_command_limits"
    __table_args__ = (UniqueConstraint("account_id", "digest"),)

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    connector: str = Field(sa_column=_text())
    kid: str = Field(sa_column=_text())
    digest: str = Field(sa_column=_text())
    token: str = Field(sa_column=_text())
    document: dict[str, Any] = Field(sa_column=_document())
    issued_at: datetime = Field(sa_column=moment())
    expires_at: datetime = Field(sa_column=moment())
    created_at: datetime = Field(sa_column=moment())
    created_by: str | None = Field(default=None, sa_column=Column(Text))
    revoked_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    revoked_by: str | None = Field(default=None, sa_column=Column(Text))


class AgentConnector(SQLModel, table=True):
    """A connector that asked for commands: the keys that it trusts and the tags it can write."""

    __tablename__ = "agent_connector"

    account_id: UUID = Field(foreign_key="account.id", primary_key=True)
    name: str = Field(sa_column=Column(Text, primary_key=True))
    keys: list[str] = Field(sa_column=_document())
    tags: list[str] = Field(sa_column=_document())
    seen_at: datetime = Field(sa_column=moment())


class AgentCommand(SQLModel, table=True):
    """A value that an agent writes to a point through a connector.

    `version` is that of the agent's definition. `code` is why it was refused or not confirmed.
    `is_undo`: it writes the value from before the agent's command.
    """

    __tablename__ = "agent_command"
    __table_args__ = (
        Index("ix_agent_command_account_id_id", "account_id", "id"),
        Index("ix_agent_command_agent_id_id", "agent_id", "id"),
        Index(
            "ix_agent_command_open",
            "account_id",
            "connector",
            postgresql_where=text("status in ('queued', 'sent')"),
        ),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    agent_id: UUID = Field(
        sa_column=Column(ForeignKey("agent.id", ondelete="cascade"), nullable=False)
    )
    version: int
    action_id: UUID = Field(
        sa_column=Column(
            ForeignKey("agent_action.id", ondelete="cascade"), nullable=False, index=True
        )
    )
    limits_id: UUID = Field(foreign_key="agent_command_limits.id")
    connector: str = Field(sa_column=_text())
    tag: str = Field(sa_column=_text())
    value: float
    unit: str = Field(sa_column=_text())
    is_undo: bool = False
    status: str = Field(sa_column=_text())
    code: str = Field(default="", sa_column=_text())
    value_before: float | None = None
    value_read: float | None = None
    created_at: datetime = Field(sa_column=moment())
    not_after: datetime = Field(sa_column=moment())
    renewed_at: datetime = Field(sa_column=moment())
    sent_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    reported_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class AgentPointLease(SQLModel, table=True):
    """Which agent controls a point, until when; no other agent may write it."""

    __tablename__ = "agent_point_lease"

    account_id: UUID = Field(foreign_key="account.id", primary_key=True)
    tag: str = Field(sa_column=Column(Text, primary_key=True))
    agent_id: UUID = Field(
        sa_column=Column(ForeignKey("agent.id", ondelete="cascade"), nullable=False, index=True)
    )
    until: datetime = Field(sa_column=moment())
