"""JSON of incidents: for operators, and as the data of events."""

from collections.abc import Sequence
from typing import Any

from gateway.tables import Incident, IncidentUpdate
from infra import ids

INCIDENT_ID_PREFIX, UPDATE_ID_PREFIX = "incident", "incupd"


def incident_json(row: Incident, updates: Sequence[IncidentUpdate]) -> dict[str, Any]:
    """Return an incident with its updates, newest first."""
    return {**_fields(row), "updates": [_update_json(one) for one in updates]}


def event_data(row: Incident, update: IncidentUpdate) -> dict[str, Any]:
    """Return the data of an event about an update."""
    return {**_fields(row), "update": _update_json(update)}


def _fields(row: Incident) -> dict[str, Any]:
    """Return the fields of an incident."""
    return {
        "id": ids.format_id(INCIDENT_ID_PREFIX, row.id),
        "object": "incident",
        "impact": row.impact,
        "status": row.status,
        "title": {"en": row.title_en, "zh": row.title_zh},
        "models": row.models,
        "started_at": row.started_at.isoformat(),
        "resolved_at": None if row.resolved_at is None else row.resolved_at.isoformat(),
    }


def _update_json(row: IncidentUpdate) -> dict[str, Any]:
    """Return the fields of an update."""
    return {
        "id": ids.format_id(UPDATE_ID_PREFIX, row.id),
        "status": row.status,
        "text": {"en": row.text_en, "zh": row.text_zh},
        "created_at": row.created_at.isoformat(),
    }
