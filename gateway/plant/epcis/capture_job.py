"""Capture jobs: store a document's events with the asked-for behaviour on errors."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from gateway.plant.epcis.capture import (
    CaptureResult,
    document_events,
    parse_events,
    store_events,
)
from gateway.plant.epcis.errors import EventConflict
from gateway.plant.epcis.events import Event
from gateway.plant.epcis.validation import parse_event
from gateway.tables import PlantCapture
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import error_object

CAPTURE_ID_PREFIX = "capture"
ROLLBACK, PROCEED = "rollback", "proceed"
BEHAVIOURS = (ROLLBACK, PROCEED)
_MAX_ERRORS = 1_000


async def capture_document(
    database: Database, clock: Clock, account_id: UUID, document: Any, behaviour: str
) -> PlantCapture:
    """Store a document's events and return the capture job. Raises EventInvalid.

    With `rollback`, an invalid event means that none is stored; with `proceed`, the others are.
    """
    raw, context = document_events(document)
    events, errors = parse_events(raw, context, clock.now())
    result = CaptureResult(errors=errors)
    if behaviour == PROCEED or not errors:
        result = await _store(database, clock, account_id, events, errors, behaviour)
    row = PlantCapture(
        id=ids.new_id(),
        account_id=account_id,
        created_at=clock.now(),
        behaviour=behaviour,
        succeeded=not result.errors,
        stored=result.stored,
        unchanged=result.unchanged,
        errors=list(result.errors[:_MAX_ERRORS]),
    )
    async with database.transaction() as session:
        session.add(row)
    return row


async def capture_one(database: Database, clock: Clock, account_id: UUID, raw: Any) -> Event:
    """Store one event and return it. Raises EventInvalid, EventConflict."""
    event = parse_event(raw, (), clock.now())
    async with database.transaction() as session:
        await store_events(session, clock, account_id, [event])
    return event


async def _store(
    database: Database,
    clock: Clock,
    account_id: UUID,
    events: Sequence[Event],
    errors: Sequence[Mapping[str, Any]],
    behaviour: str,
) -> CaptureResult:
    """Store valid events: all at once, or one by one if one conflicts and the others proceed."""
    try:
        async with database.transaction() as session:
            result = await store_events(session, clock, account_id, events)
        return CaptureResult(result.stored, result.unchanged, errors)
    except EventConflict as error:
        if behaviour == ROLLBACK:
            return CaptureResult(errors=[*errors, error_object(error)])
    stored, unchanged, found = 0, 0, list(errors)
    for event in events:
        try:
            async with database.transaction() as session:
                one = await store_events(session, clock, account_id, [event])
        except EventConflict as error:
            found.append({"event_id": event.id, **error_object(error)})
            continue
        stored, unchanged = stored + one.stored, unchanged + one.unchanged
    return CaptureResult(stored, unchanged, found)


def render_capture(row: PlantCapture) -> dict[str, Any]:
    """Return a capture job in the shape of EPCIS 2.0, with our counts."""
    moment = row.created_at.isoformat()
    return {
        "captureID": ids.format_id(CAPTURE_ID_PREFIX, row.id),
        "createdAt": moment,
        "finishedAt": moment,
        "running": False,
        "success": row.succeeded,
        "captureErrorBehaviour": row.behaviour,
        "errors": row.errors,
        "stored": row.stored,
        "unchanged": row.unchanged,
    }
