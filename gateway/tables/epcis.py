"""Tables of EPCIS events, the items that they name, and capture jobs.

Events append. An error declaration is a row of its own with the id of the wrong event.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


class PlantEvent(SQLModel, table=True):
    """An EPCIS event of an account as it was sent (`body`), with the columns that are queried.

    `id` orders events by the time of capture. `content` is the hash of the body, to recognise the
    same event again. `group_id` is the `transformationID`, else the event id.
    """

    __tablename__ = "plant_event"
    __table_args__ = (
        Index("uq_plant_event_event_id", "account_id", "event_id", "is_declaration", unique=True),
        Index("ix_plant_event_event_time", "account_id", "event_time"),
        Index("ix_plant_event_record_time", "account_id", "record_time"),
        Index("ix_plant_event_declaration", "account_id", postgresql_where=text("is_declaration")),
        CheckConstraint("is_declaration = (declared_at is not null)", name="declared_if_error"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    event_id: str = Field(sa_column=Column(Text, nullable=False))
    is_declaration: bool
    declared_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    type: str = Field(sa_column=Column(Text, nullable=False))
    event_time: datetime = Field(sa_column=moment())
    record_time: datetime = Field(sa_column=moment())
    action: str = Field(sa_column=Column(Text, nullable=False))
    biz_step: str = Field(sa_column=Column(Text, nullable=False))
    disposition: str = Field(sa_column=Column(Text, nullable=False))
    read_point: str = Field(sa_column=Column(Text, nullable=False))
    biz_location: str = Field(sa_column=Column(Text, nullable=False))
    group_id: str = Field(sa_column=Column(Text, nullable=False))
    request_id: str = Field(sa_column=Column(Text, nullable=False))
    content: bytes
    context: list[Any] = Field(sa_column=Column(JSONB, nullable=False))
    body: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


class PlantEventItem(SQLModel, table=True):
    """An item that an event names, by its canonical id (GS1 Digital Link for EPC URNs).

    `link` is what the item is for traces: `in` (input, component), `out` (output, assembly) or
    empty. No index begins with the account: for one that is newer than its statistics, the planner
    would take an index of all its items for that of one.
    """

    __tablename__ = "plant_event_item"
    __table_args__ = (
        Index("ix_plant_event_item_item", "item", "account_id", "role"),
        Index(
            "ix_plant_event_item_link",
            "item",
            "account_id",
            "link",
            postgresql_where=text("link <> ''"),
        ),
        Index("ix_plant_event_item_group_id", "group_id", "account_id", "link"),
        Index("ix_plant_event_item_event", "event"),
    )

    event: UUID = Field(foreign_key="plant_event.id", primary_key=True)
    position: int = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    group_id: str = Field(sa_column=Column(Text, nullable=False))
    role: str = Field(sa_column=Column(Text, nullable=False))
    link: str = Field(sa_column=Column(Text, nullable=False))
    item: str = Field(sa_column=Column(Text, nullable=False))
    epc: str = Field(sa_column=Column(Text, nullable=False))
    is_class: bool


class PlantCapture(SQLModel, table=True):
    """A capture job: how many events of a document were stored, and the errors."""

    __tablename__ = "plant_capture"
    __table_args__ = (Index("ix_plant_capture_account_id", "account_id", "created_at"),)

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    created_at: datetime = Field(sa_column=moment())
    behaviour: str = Field(sa_column=Column(Text, nullable=False))
    succeeded: bool
    stored: int
    unchanged: int
    errors: list[Any] = Field(sa_column=Column(JSONB, nullable=False))
