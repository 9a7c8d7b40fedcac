"""Query results as EPCISQueryDocuments, and traces as JSON."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from gateway.plant.epcis.trace import Trace
from gateway.tables import PlantEvent

CONTEXT = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"
_QUERY_NAME = "SimpleEventQuery"


def query_document(
    rows: Sequence[PlantEvent], now: datetime, query_name: str = _QUERY_NAME
) -> dict[str, Any]:
    """Return events as an EPCISQueryDocument; its context declares the events' extensions."""
    events = [{**row.body, "recordTime": row.record_time.isoformat()} for row in rows]
    return {
        "@context": _merged_context(rows),
        "type": "EPCISQueryDocument",
        "schemaVersion": "2.0",
        "creationDate": now.isoformat(),
        "epcisBody": {
            "queryResults": {"queryName": query_name, "resultsBody": {"eventList": events}}
        },
    }


def collection(members: Sequence[str]) -> dict[str, Any]:
    """Return values, or the names of what is below a resource, as a collection."""
    return {"@context": CONTEXT, "type": "Collection", "member": list(members)}


def trace_json(found: Trace) -> dict[str, Any]:
    """Return a trace for the API and the CLI."""
    return {
        "object": "trace",
        "item": found.start,
        "direction": found.direction.value,
        "is_complete": found.is_complete,
        "items": [{"item": one.epc, "depth": one.depth} for one in found.items],
        "links": [
            {
                "from": one.source,
                "to": one.target,
                "kind": one.kind.value,
                "event_id": one.event_id,
                "time": one.time.isoformat(),
                "until": one.until and one.until.isoformat(),
            }
            for one in found.links
        ],
        "containers": [
            {
                "item": one.item,
                "container": one.container,
                "since": one.since.isoformat(),
                "until": one.until and one.until.isoformat(),
                "event_id": one.event_id,
            }
            for one in found.containments
        ],
        "inspections": [
            {
                "item": one.item,
                "event_id": one.event_id,
                "time": one.time.isoformat(),
                "disposition": one.disposition,
                "request_id": one.request_id or None,
            }
            for one in found.inspections
        ],
    }


def _merged_context(rows: Sequence[PlantEvent]) -> list[Any]:
    """Return the standard context and the distinct further entries of the events' contexts."""
    merged: list[Any] = [CONTEXT]
    for row in rows:
        merged += [entry for entry in row.context if entry not in merged]
    return merged
