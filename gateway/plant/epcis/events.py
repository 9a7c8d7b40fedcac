"""EPCIS events after validation: what is indexed of an event, beside the event as it was sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

# Extension of this product: the request id (`req_…`) of the model call that inspected the items.
CALL_NAMESPACE = "urn:maas:epcis:"
CALL_FIELD = f"{CALL_NAMESPACE}requestId"


class EventType(StrEnum):
    """Types of EPCIS 2.0 events."""

    OBJECT = "ObjectEvent"
    AGGREGATION = "AggregationEvent"
    TRANSACTION = "TransactionEvent"
    TRANSFORMATION = "TransformationEvent"
    ASSOCIATION = "AssociationEvent"


class Role(StrEnum):
    """What an item is in an event."""

    EPC = "epc"  # observed, made, scrapped, or named by a transaction
    PARENT = "parent"
    CHILD = "child"
    INPUT = "input"
    OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class ItemReference:
    """An item of an event: an instance, or a class (lot) with an optional quantity."""

    role: Role
    epc: str
    is_class: bool = False
    quantity: float | None = None
    uom: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """A valid event. `body` is the event as sent, with its `eventID`.

    `context` is its JSON-LD context. Times are UTC. `request_id` is the call that inspected the
    items, empty if none is named.
    """

    id: str
    type: EventType
    time: datetime
    action: str
    body: Mapping[str, Any]
    items: tuple[ItemReference, ...] = ()
    biz_step: str = ""
    disposition: str = ""
    read_point: str = ""
    biz_location: str = ""
    transformation_id: str = ""
    declared_at: datetime | None = None
    corrective_ids: tuple[str, ...] = ()
    request_id: str = ""
    context: tuple[Any, ...] = field(default=())

    @property
    def is_error_declaration(self) -> bool:
        """Whether the event declares that an earlier event with its id is wrong."""
        return self.declared_at is not None
