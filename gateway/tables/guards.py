"""The table of accounts' guard policies."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


class GuardRules(SQLModel, table=True):
    """The rules that check an account's calls, as JSON (models/guards/policy.py).

    An account without a row has no guard. Every change advances the access epoch.
    """

    __tablename__ = "guard_policy"

    account_id: UUID = Field(primary_key=True, foreign_key="account.id")
    rules: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
    updated_at: datetime = Field(sa_column=moment())
