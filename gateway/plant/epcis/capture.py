"""Capture EPCIS documents: parse all events, then store them in one transaction."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.plant.epcis.errors import EventConflict, EventInvalid
from gateway.plant.epcis.events import Event, EventType, ItemReference, Role
from gateway.plant.epcis.gs1_keys import digital_link
from gateway.plant.epcis.trace import is_component_event, trace_event
from gateway.plant.epcis.validation import parse_event
from gateway.tables import PlantEvent, PlantEventItem
from infra import ids
from infra.clock import Clock
from infra.errors import AppError, error_object

MAX_EVENTS = 10_000
_CHUNK = 2_000


@dataclass(frozen=True, slots=True)
class CaptureResult:
    """How many events were stored or were there already, and the errors by event position."""

    stored: int = 0
    unchanged: int = 0
    errors: Sequence[Mapping[str, Any]] = ()
    event_ids: Sequence[str] = field(default=())


def document_events(document: Any) -> tuple[Sequence[Any], Sequence[Any]]:
    """Return the raw events and the JSON-LD context of an EPCISDocument. Raises EventInvalid."""
    if not isinstance(document, dict) or document.get("type") != "EPCISDocument":
        raise EventInvalid("The body must be an EPCISDocument.", param="type")
    if document.get("schemaVersion") not in ("2.0", "2.0.0", "2.0.1"):
        raise EventInvalid("`schemaVersion` must be 2.0.", param="schemaVersion")
    body = document.get("epcisBody")
    events = body.get("eventList") if isinstance(body, dict) else None
    if not isinstance(events, list) or not events:
        raise EventInvalid("`epcisBody.eventList` must be a list of events.", param="epcisBody")
    if len(events) > MAX_EVENTS:
        raise EventInvalid(f"A document has at most {MAX_EVENTS} events.", param="epcisBody")
    context = document.get("@context", [])
    if not isinstance(context, list | str | dict):
        raise EventInvalid("`@context` must be a URI, an object or a list.", param="@context")
    return events, context if isinstance(context, list) else [context]


def parse_events(
    raw: Sequence[Any], context: Sequence[Any], now: datetime
) -> tuple[Sequence[Event], Sequence[Mapping[str, Any]]]:
    """Return the valid events, and the errors of the others by position."""
    events, errors = [], []
    for position, one in enumerate(raw):
        try:
            events.append(parse_event(one, context, now))
        except AppError as error:
            errors.append({"event": position, **error_object(error)})
    return events, errors


async def store_events(
    session: AsyncSession, clock: Clock, account_id: UUID, events: Sequence[Event]
) -> CaptureResult:
    """Store events that are new. Raises EventConflict for another event with a stored id.

    Concurrent captures of the same new event conflict in the unique index; one of them is retried
    by the client and finds the event stored.
    """
    known = await _stored_contents(session, account_id, [event.id for event in events])
    now, rows, items, unchanged = clock.now(), [], [], 0
    for event in events:
        key, content = (event.id, event.is_error_declaration), content_hash(event.body)
        if key in known:
            if known[key] != content:
                raise EventConflict(
                    f"Another event with the id `{event.id}` is stored.", param="eventID"
                )
            unchanged += 1
            continue
        known[key] = content
        row = _row(event, account_id, now, content)
        rows.append(row)
        items += _item_rows(event, row)
    for table, values in ((PlantEvent, rows), (PlantEventItem, items)):
        for start in range(0, len(values), _CHUNK):
            await session.execute(insert(table), values[start : start + _CHUNK])
    return CaptureResult(len(rows), unchanged, (), [event.id for event in events])


def content_hash(body: Mapping[str, Any]) -> bytes:
    """Return a hash of an event's content; `recordTime` is not part of it."""
    compared = {name: value for name, value in body.items() if name != "recordTime"}
    return hashlib.sha256(msgspec.json.encode(compared, order="deterministic")).digest()


async def _stored_contents(
    session: AsyncSession, account_id: UUID, event_ids: Sequence[str]
) -> dict[tuple[str, bool], bytes]:
    """Return the content hashes of the account's events with these ids."""
    found: dict[tuple[str, bool], bytes] = {}
    for start in range(0, len(event_ids), _CHUNK):
        query = select(
            col(PlantEvent.event_id), col(PlantEvent.is_declaration), col(PlantEvent.content)
        ).where(
            col(PlantEvent.account_id) == account_id,
            col(PlantEvent.event_id).in_(event_ids[start : start + _CHUNK]),
        )
        for event_id, is_declaration, content in await session.execute(query):
            found[(event_id, is_declaration)] = content
    return found


def _row(event: Event, account_id: UUID, now: datetime, content: bytes) -> dict[str, Any]:
    """Return the row of an event."""
    return {
        "id": ids.new_id(),
        "account_id": account_id,
        "event_id": event.id,
        "is_declaration": event.is_error_declaration,
        "declared_at": event.declared_at,
        "type": event.type.value,
        "event_time": event.time,
        "record_time": now,
        "action": event.action,
        "biz_step": event.biz_step,
        "disposition": event.disposition,
        "read_point": event.read_point,
        "biz_location": event.biz_location,
        "group_id": event.transformation_id or event.id,
        "request_id": event.request_id,
        "content": content,
        "context": list(event.context),
        "body": dict(event.body),
    }


def _item_rows(event: Event, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of an event's items."""
    is_component = is_component_event(trace_event(event))
    return [
        {
            "event": row["id"],
            "position": position,
            "account_id": row["account_id"],
            "group_id": row["group_id"],
            "role": item.role.value,
            "link": _link(event, item, is_component),
            "item": digital_link(item.epc),
            "epc": item.epc,
            "is_class": item.is_class,
        }
        for position, item in enumerate(event.items)
    ]


def _link(event: Event, item: ItemReference, is_component: bool) -> str:
    """Return what an item is for traces: `in`, `out`, or empty."""
    if event.is_error_declaration:
        return ""
    if event.type is EventType.TRANSFORMATION:
        return "in" if item.role is Role.INPUT else "out"
    if is_component and item.role in (Role.CHILD, Role.PARENT):
        return "in" if item.role is Role.CHILD else "out"
    return ""
