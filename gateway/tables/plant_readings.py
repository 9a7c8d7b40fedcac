"""Tables of readings: points' newest readings, write buffer, blocks, rollups, sources, settings.

Blocks and rollups are partitioned by day and month; the worker creates and drops the partitions
(gateway/plant/readings/storage/partitions.py). Readings are arrays in `data`, encoded by
gateway/plant/readings/codec.py. Times are microseconds since 1970, hours count from 1970.
"""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Text,
)
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


def _point(primary_key: bool = False) -> Column[UUID]:
    """Return the column of the point that readings belong to."""
    return Column(
        ForeignKey("plant_point.id", ondelete="cascade"), primary_key=primary_key, nullable=False
    )


def _count() -> Column[int]:
    """Return the column of a number of readings."""
    return Column(BigInteger, nullable=False)


class PlantReadingSeries(SQLModel, table=True):
    """The newest reading of a point; its row is locked while readings of the point change.

    `last_value` is None if that reading has no value.
    """

    __tablename__ = "plant_reading_series"

    point_id: UUID = Field(sa_column=_point(primary_key=True))
    account_id: UUID = Field(foreign_key="account.id", index=True)
    last_us: int = Field(sa_column=_count())
    last_value: float | None = None
    last_status: int = Field(sa_column=Column(BigInteger, nullable=False))


class PlantReadingBuffer(SQLModel, table=True):
    """Readings of one point and hour as one request wrote them; later rows replace earlier ones.

    The worker merges them into blocks.
    """

    __tablename__ = "plant_reading_buffer"
    __table_args__ = (Index("ix_plant_reading_buffer_point_id_hour", "point_id", "hour"),)

    id: int | None = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True)
    )
    account_id: UUID = Field(foreign_key="account.id")
    point_id: UUID = Field(sa_column=_point())
    hour: int = Field(sa_column=Column(Integer, nullable=False))
    count: int = Field(sa_column=Column(Integer, nullable=False))
    data: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class PlantReadingBlock(SQLModel, table=True):
    """All readings of one point and hour, but for those in the buffer."""

    __tablename__ = "plant_reading_block"
    __table_args__ = (
        Index("ix_plant_reading_block_account_id", "account_id"),
        {"postgresql_partition_by": "RANGE (day)"},
    )

    day: date = Field(sa_column=Column(Date, primary_key=True))
    point_id: UUID = Field(sa_column=_point(primary_key=True))
    hour: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    account_id: UUID = Field(foreign_key="account.id")
    count: int = Field(sa_column=Column(Integer, nullable=False))
    data: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class PlantReadingRollup(SQLModel, table=True):
    """Aggregates of the readings of one point and hour, by minute."""

    __tablename__ = "plant_reading_rollup"
    __table_args__ = (
        Index("ix_plant_reading_rollup_account_id", "account_id"),
        {"postgresql_partition_by": "RANGE (day)"},
    )

    day: date = Field(sa_column=Column(Date, primary_key=True))
    point_id: UUID = Field(sa_column=_point(primary_key=True))
    hour: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    account_id: UUID = Field(foreign_key="account.id")
    minutes: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class PlantReadingSource(SQLModel, table=True):
    """A source of readings: an API key, or a name that requests with the key state.

    `clock_skew_ms` is how far its clock is behind the gateway's (negative: ahead) at its last
    request that stated a time; `accepted` and `refused` count readings.
    """

    __tablename__ = "plant_reading_source"

    account_id: UUID = Field(foreign_key="account.id", primary_key=True)
    name: str = Field(sa_column=Column(Text, primary_key=True))
    clock_skew_ms: int | None = Field(default=None, sa_column=Column(BigInteger))
    accepted: int = Field(sa_column=_count())
    refused: int = Field(sa_column=_count())
    last_seen_at: datetime = Field(sa_column=moment())


class PlantReadingSettings(SQLModel, table=True):
    """How an account's readings are kept; None is the deployment's setting."""

    __tablename__ = "plant_reading_settings"
    __table_args__ = (
        CheckConstraint(
            "retention_days between 1 and 36500 and rollup_retention_days between 1 and 36500",
            name="retention_in_range",
        ),
        CheckConstraint("unknown_tags in ('reject', 'create')", name="unknown_tags_known"),
    )

    account_id: UUID = Field(foreign_key="account.id", primary_key=True)
    retention_days: int | None = None
    rollup_retention_days: int | None = None
    unknown_tags: str | None = Field(default=None, sa_column=Column(Text))
