"""Table of the daily reports of agents."""

from datetime import date
from uuid import UUID

from sqlalchemy import Column, Date, ForeignKey
from sqlmodel import Field, SQLModel


class AgentReport(SQLModel, table=True):
    """The last day, in the account's time zone, of which an agent's report was sent."""

    __tablename__ = "agent_report"

    agent_id: UUID = Field(
        sa_column=Column(ForeignKey("agent.id", ondelete="cascade"), primary_key=True)
    )
    account_id: UUID = Field(foreign_key="account.id", index=True)
    day: date = Field(sa_column=Column(Date, nullable=False))
