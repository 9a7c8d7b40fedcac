"""Tables of plant alignment: an account's settings, open proposals, and comparisons of plants."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from billing.tables.base import moment

# The rank of a point that the model does not rank: a point that another one stands for.
UNRANKED = 2**31 - 1


class PlantAlignment(SQLModel, table=True):
    """Which model proposes mappings of an account's new points, and for how much money a month.

    `model` is the base model; its own version `name` replaces it once there is one. `key_id` is the
    API key that pays. `threshold` is the number of new confirmations that start a training.
    `spent_nano` is what calls have cost in the calendar month that begins at `spent_since`.
    `seen_revision` and `seen_model` are the plant revision and the model version after which
    nothing was left to propose. `process_id` is the gateway process that works on it, `retry_at`
    the earliest time of the next turn, `code` and `message` why it waits. `trained_at` is the time
    of the newest training file.
    """

    __tablename__ = "plant_alignment"
    __table_args__ = (
        CheckConstraint("budget_nano > 0 and spent_nano >= 0", name="amounts"),
        CheckConstraint("threshold > 0", name="threshold"),
    )

    account_id: UUID = Field(
        sa_column=Column(ForeignKey("account.id"), primary_key=True, nullable=False)
    )
    key_id: UUID = Field(foreign_key="api_key.id")
    model: str = Field(sa_column=Column(Text, nullable=False))
    name: str = Field(sa_column=Column(Text, nullable=False))
    budget_nano: int = Field(sa_column=Column(BigInteger, nullable=False))
    threshold: int
    spent_since: datetime = Field(sa_column=moment())
    spent_nano: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    seen_revision: int = -1
    seen_model: str = Field(default="", sa_column=Column(Text, nullable=False))
    process_id: UUID | None = None
    attempts: int = 0
    retry_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    code: str | None = Field(default=None, sa_column=Column(Text))
    message: str | None = Field(default=None, sa_column=Column(Text))
    trained_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    changed_by: str | None = Field(default=None, sa_column=Column(Text))
    created_at: datetime = Field(sa_column=moment())


class PlantPointProposal(SQLModel, table=True):
    """What a model version proposes for a point that nobody has confirmed.

    The proposed concept is in `plant_point`. `score` is the model's own measure, `rank` the place
    in the order in which to confirm points, and `pattern` a hash of the tag without its numbers.
    `unit` and `asset_id` are proposed for a point that has none.
    """

    __tablename__ = "plant_point_proposal"
    __table_args__ = (
        Index("ix_plant_point_proposal_rank", "account_id", "rank", "probability", "point_id"),
        Index(
            "ix_plant_point_proposal_pattern",
            "account_id",
            "pattern",
            postgresql_where=text(f"rank < {UNRANKED}"),
        ),
    )

    point_id: UUID = Field(
        sa_column=Column(ForeignKey("plant_point.id"), primary_key=True, nullable=False)
    )
    account_id: UUID = Field(foreign_key="account.id")
    model: str = Field(sa_column=Column(Text, nullable=False))
    rank: int
    pattern: int = Field(sa_column=Column(BigInteger, nullable=False))
    score: float
    probability: float
    unit: str = Field(sa_column=Column(Text, nullable=False))
    unit_probability: float | None = None
    asset_id: UUID | None = Field(default=None, foreign_key="plant_asset.id", index=True)
    asset_probability: float | None = None
    proposed_at: datetime = Field(sa_column=moment())


class PlantComparison(SQLModel, table=True):
    """A comparison of an account's points with those of another plant, by concept.

    `summary` has the counts, `content` the compressed pairs as JSON.
    """

    __tablename__ = "plant_comparison"

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    file_name: str = Field(sa_column=Column(Text, nullable=False))
    summary: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    actor: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=moment())
